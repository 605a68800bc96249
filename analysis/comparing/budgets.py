"""The budget of a run's cache of intermediates."""

from collections.abc import Mapping

from alsatian.records.reading import Run
from alsatian.records.schema import Budget
from alsatian.units import size_of

SETTING = "cache.budget"


def cache_budget(run: Run) -> Budget:
    """As asked for and in bytes: what the record resolved, else what the configuration says."""
    if SETTING in run.resolved:
        return run.resolved[SETTING]
    cache = run.config.get("cache")
    written = cache.get("budget") if isinstance(cache, Mapping) else None
    size = size_of(written)
    return Budget(written, None if size is None else int(size))


def share_of_working_set(budget: Budget) -> float | None:
    """0.25 for a budget that was asked for as ``"25%"``; None for one in bytes."""
    written = str(budget.requested).strip()
    if not written.endswith("%"):
        return None
    try:
        return float(written.removesuffix("%")) / 100
    except ValueError:
        return None


def without_budget(label: str) -> str:
    """The label of a run without the word about its cache budget."""
    return " ".join(word for word in label.split(" ") if not word.startswith(f"{SETTING}="))
