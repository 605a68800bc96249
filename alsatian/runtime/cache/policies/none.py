"""Nothing is kept."""

from alsatian.runtime.cache.policies.base import CachePolicy


class NoCache(CachePolicy):
    """Every model starts from the data."""

    name = "none"
    keeps = False
