"""What a plan has to keep to."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Budgets of one round.

    Attributes:
        cache: budget of each tier of the cache of intermediates in bytes, fastest tier first; None for no
            limit.
        chunk_batches: most batches of a chunk, None for no limit.
        blocks: budget of the blocks that stay on the device in bytes, None if none stay or there is no limit.
        tiers: names of the tiers of the cache.
    """

    cache: tuple[int | None, ...] = (None,)
    chunk_batches: int | None = None
    blocks: int | None = None
    tiers: tuple[str, ...] = ("device",)

    @property
    def memory(self) -> int | None:
        """Bytes of the device's memory for blocks and intermediates together; None if one of them has no limit."""
        return None if self.blocks is None or self.cache[0] is None else self.cache[0] + self.blocks
