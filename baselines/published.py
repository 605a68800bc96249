"""Alsatian with the rounds of the published implementation."""

from dataclasses import dataclass, field

from alsatian.searching.schedules import PaperHalving, Schedule
from alsatian.searching.strategy import Strategy


@dataclass(frozen=True, kw_only=True)
class Published(Strategy):
    """Shares blocks and intermediates, in DFS+ order with planned releases; the last round may score one model."""

    schedule: Schedule = field(default_factory=PaperHalving)
