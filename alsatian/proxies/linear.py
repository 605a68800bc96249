"""The linear layer: how well do the classes separate linearly?"""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch.nn.functional import linear, one_hot

from alsatian.errors import ConfigError
from alsatian.proxies.arrays import hits, one_torch_thread
from alsatian.proxies.base import Evaluation

# Of features that one thread trains on together: more do not stay in a processor's cache from step to step.
_SHARE_BYTES = 4 << 20
# Floats between two addresses at which kernels find memory aligned.
_ALIGNED = 16


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

    Models whose features have the same shape train together, one batched product for all where each would have
    its own. Every one of these is the same kernel on a model's own matrices, on one thread, so that a score is the
    same bit for bit whatever the company.

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
        return self.score_together([train_x], train_y, [test_x], test_y, classes)[0]

    def score_together(
        self,
        train_x: Sequence[torch.Tensor],
        train_y: torch.Tensor,
        test_x: Sequence[torch.Tensor],
        test_y: torch.Tensor,
        classes: int,
    ) -> list[Evaluation]:
        """What :meth:`score` says of each model, to the bit."""
        layers: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        shares = _shares(train_x)
        labels = one_hot(train_y, classes).T.float().contiguous()
        with one_torch_thread() as threads:
            train = partial(self._train_share, train_x, labels)
            if len(shares) == 1 or threads == 1:
                trained = [train(share) for share in shares]
            else:
                with ThreadPoolExecutor(min(threads, len(shares))) as pool:
                    trained = list(pool.map(train, shares))
            for share, (weights, biases) in zip(shares, trained, strict=True):
                layers |= zip(share, zip(weights, biases, strict=True), strict=True)
            return [_tested(*layers[number], x, test_y) for number, x in enumerate(test_x)]

    @torch.no_grad()
    def _train_share(
        self, features: Sequence[torch.Tensor], labels: torch.Tensor, share: Sequence[int]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Weights (M, C, D) and biases (M, C, 1) of the models numbered in ``share``, whose features have one
        shape, for ``labels`` (C, N)."""
        (items, dimension), classes = features[share[0]].shape, len(labels)
        generator = torch.Generator().manual_seed(self.seed)  # leaves the global one alone
        weights, biases = (
            _aligned(len(share), *shape, labels).copy_(
                torch.empty(shape).uniform_(-(dimension**-0.5), dimension**-0.5, generator=generator)
            )
            for shape in ((classes, dimension), (classes, 1))
        )
        x = _aligned(len(share), items, dimension, labels)
        for own, number in zip(x, share, strict=True):
            own.copy_(features[number])
        # Multiplications of both forms, the first of which has to find the products of the items first.
        steps = self.epochs * classes
        by_products = items * (steps + dimension) < 2 * dimension * steps
        (self._train_by_products if by_products else self._train)(weights, biases, x, labels)
        return weights, biases

    def _train(self, weights: torch.Tensor, biases: torch.Tensor, x: torch.Tensor, labels: torch.Tensor) -> None:
        """SGD on ``weights`` (M, C, D) and ``biases`` (M, C, 1), in place, for ``x`` (M, N, D), ``labels`` (C, N).

        The gradient of the mean cross-entropy by the logits is ``(softmax - y) / N`` (Bishop, PRML, 4.109). Five
        kernels a step, where autograd and an optimiser take most of their time for themselves. Classes come before
        items, since products of a few rows are faster than those of a few columns.
        """
        batches = [
            (
                own,
                own.mT,
                y,
                -self.learning_rate / own.shape[1],
                _aligned(len(own), own.shape[1], 1, own).fill_(1),
                *_buffers(len(own), y),
            )
            for own, y in zip(x.split(self.batch_size, 1), labels.split(self.batch_size, 1), strict=True)
        ]
        for _ in range(self.epochs):
            for own, columns, y, rate, ones, logits, whole, shares, error in batches:
                torch.baddbmm(biases, weights, columns, out=logits)
                torch.softmax(whole, 1, out=shares)
                error.sub_(y)
                weights.baddbmm_(error, own, alpha=rate)
                biases.baddbmm_(error, ones, alpha=rate)

    def _train_by_products(
        self, weights: torch.Tensor, biases: torch.Tensor, x: torch.Tensor, labels: torch.Tensor
    ) -> None:
        """The same in numbers for the items instead of for the features, which is less where there are few items.

        Weights move along the items only, ``w = w0 + e x``, so that all logits follow from those at the start and
        from the products of the items, ``w x' = w0 x' + e x x'`` (Bishop, PRML, 6.1; the bias adds 1 to each
        product). A step changes the numbers ``e`` of its own items: four kernels, without those of D.
        """
        models, items, _ = x.shape
        products = torch.bmm(x, x.mT, out=_aligned(models, items, items, x)).add_(1)
        start = _aligned(models, len(labels), items, x)
        torch.baddbmm(biases, weights, x.mT, out=start)
        moved = _aligned(models, len(labels), items, x)
        sizes = [len(own) for own in labels.T.split(self.batch_size)]
        rates = torch.cat([x.new_full((n,), -self.learning_rate / n) for n in sizes])
        # With the rate in the products no step has to multiply by it. (An addition that multiplies also rounds
        # differently at a vector's end, which is another place in another company.)
        products.mul_(rates[:, None])
        batches = [
            (*parts, *_buffers(models, parts[-1]))
            for parts in zip(
                *(t.split(self.batch_size, 2) for t in (start, products, moved)),
                labels.split(self.batch_size, 1),
                strict=True,
            )
        ]
        for _ in range(self.epochs):
            for first, own, change, y, logits, whole, shares, error in batches:
                torch.baddbmm(first, moved, own, out=logits)
                torch.softmax(whole, 1, out=shares)
                error.sub_(y)
                change.add_(error)
        moved.mul_(rates)
        weights.baddbmm_(moved, x)
        biases.add_(moved.sum(2, keepdim=True))


def _shares(features: Sequence[torch.Tensor]) -> list[list[int]]:
    """Numbers of models that train together: of one shape, as many as stay in the cache. On other devices than the
    CPU each is alone, since batched kernels are chosen there by how many there are."""
    alike: dict[tuple[int, ...], list[list[int]]] = {}
    for number, x in enumerate(features):
        most = max(1, _SHARE_BYTES // max(4 * x.numel(), 1)) if x.device.type == "cpu" else 1
        shares = alike.setdefault(tuple(x.shape), [[]])
        if len(shares[-1]) == most:
            shares.append([])
        shares[-1].append(number)
    return [share for shares in alike.values() for share in shares]


def _aligned(models: int, rows: int, columns: int, like: torch.Tensor) -> torch.Tensor:
    """Zeros (M, rows, columns) whose rows begin where a tensor of their own could: what a kernel rounds depends on
    that, and would on the company."""
    return _room(models, rows, columns, like)[:, :, :columns]


def _room(models: int, rows: int, columns: int, like: torch.Tensor) -> torch.Tensor:
    """The memory of :func:`_aligned`: zeros with up to 15 more columns."""
    return like.new_zeros(models, rows, -(-columns // _ALIGNED) * _ALIGNED)


def _buffers(models: int, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """For the logits (M, C, n) of a batch with ``labels`` (C, n) and for the errors, each with its memory as a
    whole: softmax is slow on a part of one."""
    classes, columns = labels.shape
    whole, shares = (_room(models, classes, columns, labels) for _ in range(2))
    return whole[:, :, :columns], whole, shares, shares[:, :, :columns]


@torch.no_grad()
def _tested(weight: torch.Tensor, bias: torch.Tensor, x: torch.Tensor, labels: torch.Tensor) -> Evaluation:
    """The accuracy of one layer, ``weight`` (C, D) and ``bias`` (C, 1)."""
    predicted = linear(x.float(), weight, bias[:, 0]).argmax(1)
    diverged = not all(bool(parameter.isfinite().all()) for parameter in (weight, bias))
    return hits(predicted.cpu().numpy(), labels, ("training diverged",) if diverged else ())
