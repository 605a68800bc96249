"""Budgets as a record says them, and the peaks that have to stay below."""

from collections.abc import Mapping
from typing import Any

PEAKS = {
    "cache.budget": "cache_bytes",
    "cache.host_budget": "cache_host_bytes",
    "cache.ssd_budget": "cache_ssd_bytes",
    "cache.block_budget": "resident_block_bytes",
    "cache.block_host_budget": "host_block_bytes",
    "cache.block_ssd_budget": "ssd_block_bytes",
    "cache.memory": "memory_bytes",
}
# Budgets that only count together where there is one of their sum.
_DIVIDED = ("cache.budget", "cache.block_budget")


def exceeded(resolved: Mapping[str, Any], peaks: Mapping[str, int]) -> list[str]:
    """One text for every tier whose peak exceeds its budget."""
    return [
        f"{PEAKS[name]} reached {peaks[PEAKS[name]]} where {name} allows {budget.bytes}"
        for name, budget in resolved.items()
        if not ("cache.memory" in resolved and name in _DIVIDED)
        and budget.bytes is not None
        and peaks.get(PEAKS[name], 0) > budget.bytes
    ]
