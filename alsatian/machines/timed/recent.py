"""What was used last, up to a number of bytes."""

from collections import OrderedDict


class Recent:
    """Names of what is kept, the least recently used of which makes room.

    Attributes:
        budget: bytes that are kept at most.
        used: bytes that are kept.
    """

    def __init__(self, budget: float) -> None:
        self.budget = budget
        self.used = 0
        self._sizes: OrderedDict[str, int] = OrderedDict()

    def use(self, name: str) -> bool:
        """Whether ``name`` is kept; if so it was used just now."""
        if name not in self._sizes:
            return False
        self._sizes.move_to_end(name)
        return True

    def keep(self, name: str, size: int) -> bool:
        """Keep ``name``, of ``size`` bytes, unless it is larger than the budget; whether it is kept."""
        if size > self.budget:
            return False
        self.used += size - self._sizes.pop(name, 0)
        self._sizes[name] = size
        while self.used > self.budget:
            self.used -= self._sizes.popitem(last=False)[1]
        return True
