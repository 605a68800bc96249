"""Alsatian: find the best pretrained model to fine-tune from.

``alsatian.search`` is the one function most users need, ``alsatian.Budgets`` says what it may keep where. They are
imported on first use, so that ``import alsatian`` stays cheap.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alsatian.api import SearchResult, search
    from alsatian.budgets import Budgets

__all__ = ["Budgets", "SearchResult", "search"]
__version__: str

if not TYPE_CHECKING:  # names that are not there are errors to the type checker

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            from importlib.metadata import PackageNotFoundError, version

            try:
                return version("alsatian")
            except PackageNotFoundError:  # a checkout that is not installed
                return "0+unknown"
        if name in __all__:
            from alsatian import api, budgets

            return getattr(budgets if name == "Budgets" else api, name)
        raise AttributeError(f"module 'alsatian' has no attribute '{name}'")
