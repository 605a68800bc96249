"""Shared prefix: what a generic cache finds without a plan."""

from dataclasses import dataclass, field

from alsatian.planning.orders.base import Order
from alsatian.planning.orders.given import Given
from alsatian.runtime.cache.policies.base import CachePolicy
from alsatian.runtime.cache.policies.lru import Lru
from alsatian.searching.strategy import Strategy


@dataclass(frozen=True, kw_only=True)
class SharedPrefix(Strategy):
    """Alsatian's sharing with models in their given order and an LRU cache of intermediates."""

    name: str = "shared_prefix"
    order: Order = field(default_factory=Given)
    cache: CachePolicy = field(default_factory=Lru)
