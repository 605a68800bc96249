"""Who looks on while an engine works."""

import contextlib
from collections.abc import Sequence
from contextlib import AbstractContextManager

from alsatian.data.dataset import Batch
from alsatian.planning.plan import Plan


class Observer:
    """Is told what an engine does; this one takes no notice."""

    def plan(self, plan: Plan, train: Sequence[Batch]) -> AbstractContextManager[None]:
        """``plan``, whose scores are trained on ``train``, is carried out as long as it lasts."""
        return contextlib.nullcontext()

    def inference_begins(self) -> None:
        """A step of the plan begins that infers; what it asks of the loader is under way."""

    def computes(self, chunk: int, path: Sequence[int]) -> None:
        """The vertices of ``path`` are about to be computed for all batches of ``chunk``."""

    def step_ended(self) -> None:
        """A step is done that inferred or scored."""
