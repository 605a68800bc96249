"""Nothing is kept."""

from alsatian.runtime.cache.policies.base import Stateless


class NoCache(Stateless):
    """Every model starts from the data."""

    name = "none"
    keeps = False
