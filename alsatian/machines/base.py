"""What a search runs on: a round's plan goes in, scores and measurements come out, features stay inside."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from alsatian.blocks.segment import Segment
from alsatian.data.dataset import Batch
from alsatian.planning.plan import Plan
from alsatian.runtime.features import Features
from alsatian.runtime.meter.meter import Meter
from alsatian.runtime.scorer import Scored


class Machine(Protocol):
    """Carries out the plans of one search and keeps the features that they extract.

    Attributes:
        meter: measures the search.
        keeps: whether intermediates are kept at all; without, every model starts from the data.
        segments: the code of every block, by identity.
    """

    meter: Meter
    keeps: bool
    segments: Mapping[str, Segment]

    def execute(self, plan: Plan, test: Sequence[Batch], train: Sequence[Batch], scored: dict[str, Scored]) -> None:
        """Run ``plan`` and enter what every model is scored, trained on ``train``, tested on ``test``.

        Features and scores found before an error stay; intermediates do not.

        Raises:
            BadModelError: a block is damaged or does not fit, or features are not finite.
            OutOfMemoryError: a step needs more memory than there is; :meth:`give_up` makes some.
        """
        ...

    def expect(self, train: Sequence[Batch]) -> None:
        """Later rounds, whichever models are in them, will ask for features of all of ``train``; none if empty."""
        ...

    def missing(self, model: str, batches: Sequence[Batch]) -> tuple[Batch, ...]:
        """Those of ``batches`` for which ``model`` has no features yet."""
        ...

    def keep_only(self, models: Iterable[str]) -> None:
        """Drop the features of all other models."""
        ...

    def held(self) -> Features:
        """All features, for a checkpoint; models with the same ones hold the same tensors."""
        ...

    def restore(self, features: Features) -> None:
        """Hold ``features`` again, extracted by an earlier attempt."""
        ...

    def give_up(self) -> None:
        """Drop resident blocks and intermediates, to make room in the memory."""
        ...

    def fitting_batch(self) -> int:
        """Items of a batch for which the step that failed last has memory, found by trying; 0 for none."""
        ...
