"""How blocks are loaded."""

from dataclasses import dataclass

from alsatian.errors import ConfigError

LANES = 2
"""Threads that read ahead: while one verifies and copies a block, the other reads the next one."""
WORTH_BYTES = 1_000_000
"""Of a block that is worth it. Smaller ones mostly take the interpreter's time, which the search needs, too."""

AT_ONCE_BYTES = 4_000_000
"""What a plan may read when it is needed, where the store is a folder here and nothing holds it up: threads that
read ahead would take longer to begin than it takes."""


def interval(read_s: float, rest_s: float, nbytes: int) -> float:
    """Seconds from one block of ``nbytes`` that is read ahead to the next, which take so long to read and for the
    rest."""
    return read_s + rest_s if nbytes < WORTH_BYTES else max(read_s, (read_s + rest_s) / LANES)


@dataclass(frozen=True, kw_only=True)
class LoaderSettings:
    """How blocks are loaded by strategies that share; the others read every block whenever they use it.

    Attributes:
        keep: keep blocks in memory for later use. Without, a block is read when it is needed and dropped
            after, and neither ``block_budget`` nor ``block_host_budget`` is used.
        read_ahead: read the blocks of coming steps beside the work on the current one; needs ``keep``.
        compute_ahead: while a block is waited for, compute what may be needed for data of later rounds.
    """

    keep: bool = True
    read_ahead: bool = True
    compute_ahead: bool = True

    def __post_init__(self) -> None:
        if self.read_ahead and not self.keep:
            raise ConfigError(
                "loader.read_ahead=true needs loader.keep=true: what is read ahead is kept until it is used; "
                "write loader=read_ahead or loader=sequential"
            )
