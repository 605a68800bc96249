"""Every budget of a search: parsed when it is asked for, resolved to bytes once the models are known."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from alsatian.blocks.candidate import Candidate
from alsatian.errors import ConfigError
from alsatian.planning.limits import Limits
from alsatian.tree import TaskTree
from alsatian.units import Budget, Share, parse_budget

Size = int | float | str | None
DEFAULT_BLOCK_BUDGET = 1024**3
NO_LIMIT = 2**62  # bytes
# None of the first is no limit; of the others no such tier, as 0 is of the last two.
_INTERMEDIATES = ("budget", "host_budget", "ssd_budget")
_BLOCKS = ("block_budget", "block_host_budget", "block_ssd_budget")
_NO_COPIES = ("block_host_budget", "block_ssd_budget")


@dataclass(frozen=True, kw_only=True)
class Budgets:
    """What may be kept where. Sizes are bytes, a text such as ``"4GiB"``, or a share such as ``"25%"``.

    Budgets of intermediates are shares of the working set, budgets of blocks shares of the model set's distinct
    parameters. The fields have the names of the settings in the group ``cache``.

    Attributes:
        budget: of the cache of intermediates in the device's memory; None for no limit.
        host_budget: of those that go to pinned host memory, beside a GPU only; None for none.
        ssd_budget: of those that go to files on a fast local path; None for none.
        block_budget: of the blocks that stay on the device for later use, if the strategy shares; None for no
            limit.
        block_host_budget: of pinned copies of blocks in the host's memory, if the device is a GPU; None or 0 for
            none.
        block_ssd_budget: of copies of block files on the fast local path; None or 0 for none.
        ssd_dir: that path; None for the system's folder for temporary files.
    """

    budget: Size = None
    host_budget: Size = None
    ssd_budget: Size = None
    block_budget: Size = DEFAULT_BLOCK_BUDGET
    block_host_budget: Size = None
    block_ssd_budget: Size = None
    ssd_dir: str | Path | None = None
    _parsed: dict[str, int | Share | None] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        asked = {name: getattr(self, name) for name in (*_INTERMEDIATES, *_BLOCKS)}
        none = {name for name in _NO_COPIES if asked[name] in (0, "0")}
        parsed = {
            name: None if name in none else parse_budget(size, f"cache.{name}") for name, size in asked.items()
        }
        object.__setattr__(self, "_parsed", parsed)

    @classmethod
    def of(cls, budget: "Budgets | Size") -> "Budgets":
        """Budgets; of a mere size the one with that cache of intermediates in the device's memory.

        Raises:
            ConfigError: it is not a positive size or share.
        """
        return budget if isinstance(budget, Budgets) else cls(budget=budget)

    @classmethod
    def read(cls, cache: Mapping[str, Any]) -> "Budgets":
        """From the settings of the group ``cache``.

        Raises:
            ConfigError: one is not a positive size or share.
        """
        return cls(**{name: cache[name] for name in (*_INTERMEDIATES, *_BLOCKS, "ssd_dir")})

    def check_device(self, device: str) -> None:
        """Refuse what ``device`` has no memory for.

        Raises:
            ConfigError: pinned memory is asked for without a GPU.
        """
        if device != "cpu":
            return
        if self._parsed["host_budget"] is not None:
            raise ConfigError("cache.host_budget: on a CPU this is the memory that cache.budget is for; set that")
        if self._parsed["block_host_budget"] is not None:
            raise ConfigError(
                f"cache.block_host_budget={self.block_host_budget}: pinned copies serve a GPU; on a CPU blocks "
                "are in the host's memory already, so set it to null and use cache.block_budget"
            )

    def resolve(self, working_set: Callable[[], int], distinct_bytes: int) -> "Resolved":
        """In bytes, for models with so many ``distinct_bytes`` of parameters; see :func:`working_set`."""

        def size_of(name: str, whole: Callable[[], int]) -> int | None:
            size = self._parsed[name]
            return size.of(whole()) if isinstance(size, Share) else size

        sizes = {name: size_of(name, working_set) for name in _INTERMEDIATES}
        sizes |= {name: size_of(name, lambda: distinct_bytes) for name in _BLOCKS}
        return Resolved(asked=self, distinct_bytes=distinct_bytes, **sizes)


class BlockBudgets(NamedTuple):
    """Bytes for blocks on the device, for pinned copies of them, and for copies of their files; 0 for none."""

    device: int
    host: int
    ssd: int


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """Budgets in bytes under the names that they have in :class:`Budgets`; ``asked`` are these. The models have so
    many ``distinct_bytes`` of parameters."""

    asked: Budgets
    distinct_bytes: int
    budget: int | None
    host_budget: int | None
    ssd_budget: int | None
    block_budget: int | None
    block_host_budget: int | None
    block_ssd_budget: int | None

    @property
    def lower_tiers(self) -> dict[str, int]:
        """Bytes of the tiers of intermediates below the device's memory, by name, fastest first."""
        sizes = {"host": self.host_budget, "ssd": self.ssd_budget}
        return {name: size for name, size in sizes.items() if size is not None}

    def for_blocks(self, shares: bool, keeps: bool) -> BlockBudgets:
        """Those of a loader that ``keeps`` blocks or not, under a strategy that ``shares`` them or not."""
        resident = (self.block_budget or NO_LIMIT, self.block_host_budget or 0) if shares and keeps else (0, 0)
        return BlockBudgets(*resident, (self.block_ssd_budget or 0) if shares else 0)

    def limits(self, keeps: bool, divides: bool) -> Limits:
        """What plans have to keep to; ``keeps`` says whether blocks stay on the device at all. A strategy that
        ``divides`` the memory by itself has for intermediates what all blocks together do not need."""
        lower = self.lower_tiers
        budget, blocks = self.budget, self.block_budget if keeps else None
        if divides and budget is not None and blocks is not None and blocks > self.distinct_bytes:
            budget, blocks = budget + blocks - self.distinct_bytes, self.distinct_bytes
        return Limits((budget, *lower.values()), blocks=blocks, tiers=("device", *lower))

    def as_dict(self) -> dict[str, Budget]:
        """By setting, with what was asked for."""
        return {
            f"cache.{name}": Budget(getattr(self.asked, name), getattr(self, name))
            for name in (*_INTERMEDIATES, *_BLOCKS)
        }


def working_set(candidates: Sequence[Candidate], models: Collection[str], items: int) -> int:
    """Bytes of all intermediates of ``items`` that more than one computation of ``models`` reads.

    A cache of that size never evicts in a round of these models. It does not depend on whether the strategy
    shares.
    """
    tree = TaskTree.of(candidates).prune(models).compress()
    return items * sum(tree.cache_bytes(vertex) for vertex in range(len(tree)))
