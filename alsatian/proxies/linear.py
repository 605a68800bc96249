"""The linear layer: how well do the classes separate linearly?"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.nn.functional import linear, one_hot

from alsatian.errors import ConfigError
from alsatian.proxies.arrays import hits, one_torch_thread
from alsatian.proxies.base import Evaluation


@dataclass(frozen=True)
class Linear:
    """Test accuracy of one fully connected layer trained by SGD with cross-entropy.

    As in SHiFT and Alsatian: learning rate 0.1, 100 epochs, mini-batches in dataset order. The layer
    starts from PyTorch's default range, U(-1/sqrt(D), 1/sqrt(D)), drawn from ``seed``, the same for every
    model of the same feature size.

    It is kept as published, to reproduce. The score depends on the scale of the features, since the learning rate
    is fixed (the same features times 0.01 hardly learn at all), and on the numbers of the classes, since each has
    its own start: compare models of one family with it, and other models by ``logistic``
    (see :mod:`alsatian.proxies.scales`).

    ============================  ===========================================================
    regime                        score
    ============================  ===========================================================
    N < D, one item a class       defined, by the number of epochs
    a class without items         is hardly ever predicted
    constant features             count as an intercept
    huge features                 training diverges: of the weights that are left; a note
    ============================  ===========================================================
    """

    learning_rate: float = 0.1
    epochs: int = 100
    batch_size: int = 128
    seed: int = 0
    name: ClassVar[str] = "linear"

    def __post_init__(self) -> None:
        if not 0 < self.learning_rate < math.inf or self.epochs < 1 or self.batch_size < 1:
            raise ConfigError("proxy: learning_rate, epochs and batch_size must be positive")

    def score(
        self,
        train_x: torch.Tensor,
        train_y: torch.Tensor,
        test_x: torch.Tensor,
        test_y: torch.Tensor,
        classes: int,
    ) -> Evaluation:
        """Accuracy on the test items, in [0, 1]. See :class:`~alsatian.proxies.base.Proxy`."""
        dimension = train_x.shape[1]
        generator = torch.Generator().manual_seed(self.seed)  # leaves the global one alone
        weight, bias = (
            torch.empty(shape).uniform_(-(dimension**-0.5), dimension**-0.5, generator=generator).to(train_x.device)
            for shape in ((classes, dimension), (classes,))
        )
        with torch.no_grad():
            self._train(weight, bias, train_x.float(), one_hot(train_y, classes).float())
            predicted = linear(test_x.float(), weight, bias).argmax(1)
            diverged = not all(bool(parameter.isfinite().all()) for parameter in (weight, bias))
        return hits(predicted.cpu().numpy(), test_y, ("training diverged",) if diverged else ())

    def _train(self, weight: torch.Tensor, bias: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> None:
        """SGD on ``weight`` (C, D) and ``bias`` (C,), in place, for features ``x`` (N, D) and labels ``y`` (N, C).

        The gradient of the mean cross-entropy by the logits is ``(softmax - y) / N`` (Bishop, PRML, 4.109). Five
        kernels a step, where autograd and an optimiser take most of their time for themselves.
        """
        batches = [
            (
                own,
                labels,
                -self.learning_rate / len(own),
                own.new_ones(len(own)),
                *own.new_empty(2, len(own), labels.shape[1]),
            )
            for own, labels in zip(x.split(self.batch_size), y.split(self.batch_size), strict=True)
        ]
        with one_torch_thread():
            for _ in range(self.epochs):
                for own, labels, rate, ones, logits, error in batches:
                    torch.addmm(bias, own, weight.t(), out=logits)
                    torch.softmax(logits, 1, out=error).sub_(labels)
                    weight.addmm_(error.t(), own, alpha=rate)
                    bias.addmv_(error.t(), ones, alpha=rate)
