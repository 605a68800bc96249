"""What proxies share: features and labels as arrays, hits as an evaluation, the spectrum of features.

Proxies compute in float64 on the CPU and on one thread, so that a score depends neither on the device nor on how
many threads a strategy leaves to it. Features are finite and within the range of float32, as engines give them.
"""

import contextlib
from collections.abc import Iterator

import numpy as np
import torch

from alsatian.proxies.base import Evaluation


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Run the linear algebra of NumPy, SciPy and scikit-learn on one thread: sums in another order round
    differently. Only libraries that are imported already are reached."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


@contextlib.contextmanager
def one_torch_thread() -> Iterator[int]:
    """Run PyTorch's CPU kernels on one thread, of this and of new threads: steps as small as a proxy's do not gain
    from a second one, and sums in another order round differently. Gives how many there were."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)


def array(tensor: torch.Tensor) -> np.ndarray:
    """Features (N, D), or labels that are numbers (N,), in float64."""
    return np.ascontiguousarray(tensor.detach().to("cpu", torch.float64).numpy())


def classes_of(labels: torch.Tensor, classes: int) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """The classes that have items (C,), rising; the place in them for each item (N,); and a note if some of
    ``classes`` have none, as in a small round."""
    present, places = np.unique(labels.cpu().numpy(), return_inverse=True)
    missing = classes - len(present)
    note = f"{missing} of {classes} classes have no training item and are left out"
    return present, places, (note,) if missing else ()


def hits(predicted: np.ndarray, labels: torch.Tensor, notes: tuple[str, ...] = ()) -> Evaluation:
    """The accuracy of ``predicted`` classes (N,)."""
    outcomes = (predicted == labels.cpu().numpy()).astype(np.float64)
    return Evaluation(float(outcomes.mean()), outcomes, notes)


def standardised(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features less the mean of the training items, divided by their standard deviation; what is constant in
    training is not divided."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(train)
    return scaler.transform(train), scaler.transform(test)


def spectrum(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Left singular vectors (N, k) and singular values (k,) of features (N, D) of numerical rank k, which is 0
    where all are zero."""
    left, values, _ = np.linalg.svd(features, full_matrices=False)
    least = values[0] * max(features.shape) * np.finfo(np.float64).eps
    rank = int((values > least).sum())
    return left[:, :rank], values[:rank]


def centred(features: np.ndarray) -> np.ndarray:
    """Features (N, D) less their means. A feature that is constant gives exact zeros, not what rounding leaves."""
    less = features - features.mean(axis=0)
    less[:, np.ptp(features, axis=0) == 0] = 0.0
    return less
