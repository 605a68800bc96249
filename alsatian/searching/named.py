"""Strategies and schedules by the names that they have in papers, tables and on the command line."""

from collections.abc import Callable, Mapping

from alsatian.errors import ConfigError, nearest
from alsatian.planning.orders.given import Given
from alsatian.runtime.cache.policies.lru import Lru
from alsatian.runtime.cache.policies.none import NoCache
from alsatian.searching.auto import Auto
from alsatian.searching.confident import Confident
from alsatian.searching.schedules import Adaptive, Exhaustive, Halving, PaperHalving, Schedule
from alsatian.searching.strategy import Strategy

# As in conf/strategy, where every setting of them can be replaced.
STRATEGIES: Mapping[str, Callable[[], Strategy]] = {
    "base": lambda: Strategy(name="base", schedule=Exhaustive(), sharing="none", order=Given(), cache=NoCache()),
    "shift": lambda: Strategy(name="shift", sharing="none", order=Given(), cache=NoCache()),
    "shared_prefix": lambda: Strategy(name="shared_prefix", order=Given(), cache=Lru()),
    "alsatian": Strategy,
    "auto": Auto,
}


SCHEDULES: Mapping[str, Callable[[], Schedule]] = {
    kind.name: kind for kind in (Exhaustive, Halving, Confident, PaperHalving, Adaptive)
}


def schedule_named(name: str) -> Schedule:
    """The schedule called ``name``.

    Raises:
        ConfigError: there is none.
    """
    if name not in SCHEDULES:
        raise ConfigError(f"schedule={name}: there is no such schedule; {nearest(name, SCHEDULES)}")
    return SCHEDULES[name]()


def named(name: str) -> Strategy:
    """The strategy called ``name``.

    Raises:
        ConfigError: there is none.
    """
    if name not in STRATEGIES:
        raise ConfigError(f"strategy={name}: there is no such strategy; {nearest(name, STRATEGIES)}")
    return STRATEGIES[name]()
