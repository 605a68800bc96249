"""The budgets of the cache of intermediates: from what is asked for to bytes and tiers."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from alsatian.blocks.candidate import Candidate
from alsatian.data.dataset import Batch
from alsatian.errors import ConfigError
from alsatian.planning.limits import Limits
from alsatian.runtime.cache.tiers import DiskTier, HostTier, Tier
from alsatian.runtime.storage.private_folder import private_folder
from alsatian.searching.strategy import Strategy
from alsatian.tree import TaskTree
from alsatian.units import Budget, parse_budget


@dataclass(frozen=True, kw_only=True)
class Spill:
    """Where intermediates go that the device's memory has no room for.

    Sizes are in bytes, as ``"4GiB"``, or as a share of the working set such as ``"25%"``; None for none.

    Attributes:
        host: pinned host memory, beside a GPU only.
        ssd: files on a fast local disk.
        folder: where those files go; None for the system's folder for temporary files.
    """

    host: int | float | str | None = None
    ssd: int | float | str | None = None
    folder: str | Path | None = None


def resolve(
    budget: int | float | str | None, spill: Spill, working_set: Callable[[], int] = lambda: 0
) -> dict[str, Budget]:
    """Budgets by their setting; of ``cache.budget`` None is no limit, of the others no such tier.

    Raises:
        ConfigError: one is not a positive size or share.
    """
    asked = {"cache.budget": budget, "cache.host_budget": spill.host, "cache.ssd_budget": spill.ssd}
    return {name: Budget(size, parse_budget(size, name, working_set)) for name, size in asked.items()}


def working_set(
    candidates: Sequence[Candidate], strategy: Strategy, batches: tuple[Sequence[Batch], Sequence[Batch]]
) -> int:
    """Bytes of all intermediates that more than one computation of the first round reads.

    A cache of that size never evicts in the first round. It does not depend on whether the strategy shares.
    """
    test, train = batches
    first = next(strategy.rounds([candidate.id for candidate in candidates], len(train)))
    items = sum(batch.items for batch in (*test, *train[: first.train_batches]))
    tree = TaskTree.of(candidates).prune(first.models).compress()
    return items * sum(tree.cache_bytes(vertex) for vertex in range(len(tree)))


def limits_of(resolved: dict[str, Budget], lower: Sequence[Tier], keeps: bool) -> Limits:
    """What plans have to keep to; ``keeps`` says whether blocks stay on the device at all."""
    return Limits(
        (resolved["cache.budget"].bytes, *(tier.budget for tier in lower)),
        blocks=resolved["cache.block_budget"].bytes if keeps else None,
        tiers=("device", *(tier.name for tier in lower)),
    )


def divided_memory(strategy: Strategy, limits: Limits) -> dict[str, Budget]:
    """The sum that a strategy keeps to which divides the device's memory itself, as ``cache.memory``."""
    if not strategy.divides_memory or limits.blocks is None or limits.cache[0] is None:
        return {}
    return {"cache.memory": Budget(None, limits.cache[0] + limits.blocks)}


def lower_tiers(
    resolved: dict[str, Budget], spill: Spill, device: torch.device, stack: contextlib.ExitStack
) -> list[Tier]:
    """The tiers below the device's memory, fastest first; ``stack`` cleans up behind them.

    Raises:
        ConfigError: pinned host memory without a GPU.
        LocalDiskError: the folder cannot be written.
    """
    host, ssd = resolved["cache.host_budget"].bytes, resolved["cache.ssd_budget"].bytes
    tiers: list[Tier] = []
    if host is not None:
        if device.type == "cpu":
            raise ConfigError("cache.host_budget: on a CPU this is the memory that cache.budget is for; set that")
        tiers.append(HostTier(host, device))
    if ssd is not None:
        disk = DiskTier(
            ssd, device, stack.enter_context(private_folder(spill.folder, "alsatian-cache-", "cache.ssd_dir"))
        )
        stack.callback(disk.close)
        tiers.append(disk)
    return tiers
