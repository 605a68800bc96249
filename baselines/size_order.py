"""A control: the largest model is taken for the best, and nothing is computed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from alsatian.blocks.candidate import Candidate
from alsatian.searching.schedules import Round, Rounds
from alsatian.searching.strategy import Strategy


@dataclass(frozen=True, kw_only=True)
class SizeOrder(Strategy):
    """Ranks models by the bytes of their parameters, most first; of equal ones the first in the model set.

    What a ranking by features has to beat. One round without data gives every model its size as score, which is not
    the proxy's and is compared with no other's.
    """

    computes: ClassVar[bool] = False

    name: str = "size_order"

    def rounds(self, models: Sequence[str], train_items: int) -> Rounds:
        yield Round(tuple(models), 0)

    def known_scores(self, candidates: Sequence[Candidate]) -> Mapping[str, float]:
        return {candidate.id: float(candidate.parameter_bytes) for candidate in candidates}
