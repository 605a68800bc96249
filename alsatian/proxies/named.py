"""Proxies by the names that they have in papers, tables and on the command line."""

from collections.abc import Callable, Mapping

from alsatian.errors import ConfigError, nearest
from alsatian.proxies.base import Proxy, name_of
from alsatian.proxies.gbc import Gbc
from alsatian.proxies.hscore import HScore
from alsatian.proxies.leep import Leep, Nce, Nleep
from alsatian.proxies.linear import Linear
from alsatian.proxies.logistic import Logistic
from alsatian.proxies.logme import LogMe
from alsatian.proxies.neighbours import Knn, NearestCentroid
from alsatian.proxies.parc import Parc
from alsatian.proxies.ridge import Ridge
from alsatian.proxies.transrate import TransRate

# As in conf/proxy, where every setting of them can be replaced. They import what is slow when they score.
PROXIES: Mapping[str, Callable[[], Proxy]] = {
    proxy.name: proxy
    for proxy in (
        *(Linear, Logistic, Ridge, Knn, NearestCentroid),
        *(LogMe, HScore, TransRate, Gbc, Nleep, Leep, Nce, Parc),
    )
}


def named(name: str) -> Proxy:
    """The proxy called ``name``, with its usual settings.

    Raises:
        ConfigError: there is none.
    """
    if name not in PROXIES:
        raise ConfigError(f"proxy={name}: there is no such proxy; {nearest(name, PROXIES)}")
    return PROXIES[name]()


def usual(classes: int) -> Proxy:
    """What scores where nothing is chosen: logistic regression for classes, ridge regression for numbers."""
    return Logistic() if classes else Ridge()


def check_labels(proxy: Proxy, classes: int) -> None:
    """That ``proxy`` takes the labels of a dataset: classes, or numbers if ``classes`` is 0.

    Raises:
        ConfigError: the labels are numbers, and it takes classes only.
    """
    if not classes and not getattr(proxy, "regression", False):
        able = ", ".join(sorted(name for name, kind in PROXIES.items() if getattr(kind, "regression", False)))
        raise ConfigError(
            f"proxy={name_of(proxy)}: the labels are numbers, and it takes classes; use one of {able}"
        )
