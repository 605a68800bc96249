"""Base: what a plain script would do."""

from dataclasses import dataclass, field

from alsatian.planning.orders.base import Order
from alsatian.planning.orders.given import Given
from alsatian.runtime.cache.policies.base import CachePolicy
from alsatian.runtime.cache.policies.none import NoCache
from alsatian.searching.schedules import Exhaustive, Schedule
from alsatian.searching.strategy import Strategy


@dataclass(frozen=True, kw_only=True)
class Base(Strategy):
    """Every model over all the data, one after another; blocks and intermediates are never shared."""

    name: str = "base"
    schedule: Schedule = field(default_factory=Exhaustive)
    sharing: str = "none"
    order: Order = field(default_factory=Given)
    cache: CachePolicy = field(default_factory=NoCache)
