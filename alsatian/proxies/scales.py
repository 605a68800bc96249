"""Whether models' features differ so much in scale that a proxy that depends on it compares scales."""

from collections.abc import Mapping, Sequence
from math import isfinite

import torch

from alsatian.proxies.base import Proxy, name_of

# Between the largest and the smallest median norm. The learning rate of the linear layer is fixed, so that features
# of a tenth of the norm learn at a hundredth of the speed; fine-tunes of one base stay well below three.
FACTOR = 3.0
# Those whose score changes as a whole when all features are multiplied by a number.
DEPENDENT = ("linear", "transrate")


def median_norm(features: torch.Tensor) -> float:
    """The median Euclidean norm of the rows of features (N, D)."""
    return float(torch.linalg.vector_norm(features.double(), dim=1).median())


def scale_warning(proxies: Sequence[Proxy], norms: Mapping[str, float]) -> str | None:
    """A line if one of ``proxies`` depends on the scale of features and that of models differs by more than
    :data:`FACTOR`; ``norms`` are the models' :func:`median_norm` by id. Features that are zero do not count."""
    dependent = [name for name in map(name_of, proxies) if name in DEPENDENT]
    positive = {model: norm for model, norm in norms.items() if norm > 0 and isfinite(norm)}
    if not dependent or not positive:
        return None
    small, large = min(positive, key=positive.__getitem__), max(positive, key=positive.__getitem__)
    factor = positive[large] / positive[small]
    if factor <= FACTOR:
        return None
    return (
        f"proxy={','.join(dependent)} depends on the scale of features, and '{large}' has {factor:.3g} times the "
        f"scale of '{small}': use proxy=logistic, or compare models of one family"
    )
