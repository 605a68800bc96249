"""The plan says when to release."""

from alsatian.runtime.cache.policies.base import Stateless


class Planned(Stateless):
    """Keeps every intermediate from its computation to its planned release; never evicts."""

    name = "planned"
    planned = True
