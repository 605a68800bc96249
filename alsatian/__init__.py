"""Alsatian: find the best pretrained model to fine-tune from.

``alsatian.search`` is the one function most users need; it is imported on first use, so that
``import alsatian`` stays cheap.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alsatian.api import SearchResult, search

__all__ = ["SearchResult", "search"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from alsatian import api

        return getattr(api, name)
    raise AttributeError(f"module 'alsatian' has no attribute '{name}'")
