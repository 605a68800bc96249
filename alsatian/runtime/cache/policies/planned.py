"""The plan says when to release."""

from alsatian.runtime.cache.policies.base import CachePolicy


class Planned(CachePolicy):
    """Keeps every intermediate from its computation to its planned release; never evicts."""

    name = "planned"
    planned = True
