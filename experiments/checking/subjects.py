"""What the words of a configuration ask to check."""

from collections.abc import Callable, Iterator, Sequence

from experiments.checking.cases import CASES, Case
from experiments.checking.models import Family
from experiments.checking.parts import OrderSuite, ScheduleSuite
from experiments.checking.policies import PolicySuite
from experiments.checking.proxies import ProxySuite
from experiments.checking.searches import SearchSuite
from experiments.checking.suite import Suite
from experiments.configuration.components import build
from experiments.configuration.composition import Cell
from experiments.configuration.setup import strategy_of


def suites(
    found: Sequence[Cell], words: Sequence[str], families: Callable[[bool], Family], cases: Sequence[Case] = CASES
) -> Iterator[Suite]:
    """The suites for the cells ``found`` that ``words`` chose; for ``families`` see :class:`.SearchSuite`.

    An order, schedule or cache policy that is named is judged by itself, and then in searches with the strategy, by
    ``cases``; a proxy only by itself.

    Raises:
        ConfigError: a part cannot be made.
    """
    for cell in found:
        said = [word for word in words if "," not in word and not word.startswith("plugins=")]
        title = " ".join((*said, *cell.overrides)) or f"strategy={cell.config.strategy.name}"
        named = {word.partition("=")[0].partition(".")[0] for word in (*said, *cell.overrides)}
        strategy = strategy_of(cell.plain)
        if "order" in named:
            yield OrderSuite(title, strategy.order)
        if "schedule" in named:
            yield ScheduleSuite(title, strategy.schedule)
        if "cache" in named:
            yield PolicySuite(title, strategy.cache)
        if "proxy" in named:
            yield ProxySuite(title, build(cell.plain["proxy"]))
        if named & {"strategy", "order", "schedule", "cache"} or "proxy" not in named:
            yield SearchSuite(title, strategy, families, cases)
