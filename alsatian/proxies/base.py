"""What a proxy is: a cheap stand-in for fine-tuning."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import ClassVar, Protocol

import numpy as np
import torch

from alsatian.errors import ConfigError, said

Head = Callable[[torch.Tensor], torch.Tensor]
"""A model's own classifier: features (N, D) -> probabilities (N, Z) of the classes that it was trained for."""


@dataclass(frozen=True)
class Evaluation:
    """What a proxy says of a model.

    Attributes:
        score: higher is better.
        outcomes: what each test item adds (N,), float64: 1 for a hit, 0 for a miss; the score is their mean.
            None where a score is no mean over test items.
        notes: what is to be said beside the number, one line each.
    """

    score: float
    outcomes: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, value: "float | Evaluation") -> "Evaluation":
        """What a proxy returned.

        Raises:
            ConfigError: it is no number.
        """
        if isinstance(value, Evaluation):
            return value
        try:
            if not isinstance(value, str):
                return cls(float(value))
        except (TypeError, ValueError):
            pass
        raise ConfigError(f"a proxy returned {said(value)}; a number or an Evaluation is expected")

    @property
    def standard_error(self) -> float | None:
        """Of the mean over test items, which count as independent: the standard deviation (divided by N) over the
        root of N, for hits sqrt(p (1 - p) / N). None where the score is no such mean, or that of one item."""
        if self.outcomes is None or len(self.outcomes) < 2:
            return None
        return float(np.std(self.outcomes)) / math.sqrt(len(self.outcomes))


def name_of(proxy: "Proxy") -> str:
    """What tables call it: its name, or that of its class."""
    return str(getattr(proxy, "name", type(proxy).__name__))


def needs_head(proxy: "Proxy") -> bool:
    """Whether it looks at a model's own classifier."""
    return bool(getattr(proxy, "needs_head", False))


def scores_together(proxy: "Proxy") -> bool:
    """Whether it is faster with several models at once."""
    return hasattr(proxy, "score_together")


def score_each(
    proxy: "Proxy",
    train_x: Sequence[torch.Tensor],
    train_y: torch.Tensor,
    test_x: Sequence[torch.Tensor],
    test_y: torch.Tensor,
    classes: int,
) -> list[Evaluation]:
    """What ``proxy``, which needs no head, says of each model, given its ``train_x`` (N, D) and ``test_x``.

    Raises:
        ConfigError: it returned something else.
    """
    if not scores_together(proxy):
        pairs = zip(train_x, test_x, strict=True)
        return [Evaluation.of(proxy.score(train, train_y, test, test_y, classes)) for train, test in pairs]
    found = proxy.score_together(train_x, train_y, test_x, test_y, classes)  # type: ignore[attr-defined]
    if len(found) != len(train_x):
        raise ConfigError(f"proxy {name_of(proxy)} returned {len(found)} scores of {len(train_x)} models together")
    return [Evaluation.of(value) for value in found]


def import_libraries(proxies: "Iterable[Proxy]") -> None:
    """Import what ``proxies`` will, so that no score pays for it."""
    for proxy in proxies:
        for name in getattr(proxy, "libraries", ()):
            import_module(name)


class Proxy(Protocol):
    """Scores features. The same input must give the same score, bit for bit.

    Attributes:
        name: as in ``conf/proxy``.

    A proxy may also have:

    - ``needs_head``: true if ``score`` takes the keyword ``head``, a :data:`Head` of the model that is scored;
    - ``regression``: true if labels may be numbers; ``classes`` is 0 and labels are float64 then;
    - ``score_together``: a method that takes lists of ``train_x`` and ``test_x`` and returns what ``score`` says of
      each model, to the bit whatever the company and its order; it needs no head, and D may differ;
    - ``libraries``: modules that are slow to import and that it imports when it scores; a search has them imported
      before its clock starts.
    """

    name: ClassVar[str]

    def score(
        self,
        train_x: torch.Tensor,
        train_y: torch.Tensor,
        test_x: torch.Tensor,
        test_y: torch.Tensor,
        classes: int,
    ) -> float | Evaluation:
        """Score features ``train_x`` (N, D) with labels ``train_y`` (N,) against the test items.

        Labels are integers below ``classes``; all tensors are on the same device. Higher is better.
        """
        ...
