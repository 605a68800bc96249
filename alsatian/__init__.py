"""Alsatian: find the best pretrained model to fine-tune from.

``alsatian.search`` is the one function most users need, ``alsatian.load`` loads a model that it found, and
``alsatian.Budgets`` says what it may keep where. They are imported on first use, so that ``import alsatian`` stays
cheap.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alsatian.api import Ranking, SearchResult, search
    from alsatian.budgets import Budgets
    from alsatian.ranking.loading import load

__all__ = ["Budgets", "Ranking", "SearchResult", "load", "search"]
__version__: str
_HOMES = {"Budgets": "alsatian.budgets", "load": "alsatian.ranking.loading"}

if not TYPE_CHECKING:  # names that are not there are errors to the type checker

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            from importlib.metadata import PackageNotFoundError, version

            try:
                return version("alsatian")
            except PackageNotFoundError:  # a checkout that is not installed
                return "0+unknown"
        if name in __all__:
            from importlib import import_module

            return getattr(import_module(_HOMES.get(name, "alsatian.api")), name)
        raise AttributeError(f"module 'alsatian' has no attribute '{name}'")
