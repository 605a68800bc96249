"""What a plan has to keep to."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Budgets of one round.

    Attributes:
        cache: budget of each tier of the cache of intermediates in bytes, fastest tier first; None for no
            limit.
        chunk_batches: most batches of a chunk, None for no limit.
    """

    cache: tuple[int | None, ...] = (None,)
    chunk_batches: int | None = None
