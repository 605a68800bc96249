"""How blocks are loaded: the settings, and the loader built from them."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from alsatian.blocks.store import BlockStore
from alsatian.errors import ConfigError
from alsatian.runtime.loading.block_source import BlockSource
from alsatian.runtime.loading.loader import BlockLoader
from alsatian.runtime.loading.local_copies import BlockCache
from alsatian.runtime.meter.meter import Meter
from alsatian.runtime.storage.private_folder import private_folder
from alsatian.runtime.storage.regime import Reader, Storage
from alsatian.runtime.storage.throttle import Throttle
from alsatian.units import Budget, parse_budget

DEFAULT_BLOCK_BUDGET = 1024**3
NO_LIMIT = 2**62  # bytes


@dataclass(frozen=True, kw_only=True)
class LoaderSettings:
    """How blocks are loaded by strategies that share; the others read every block whenever they use it.

    Budgets are in bytes, as a number or e.g. ``"64MiB"``, or a share of the model set's distinct parameters such
    as ``"25%"``.

    Attributes:
        keep: keep blocks in memory for later use. Without, a block is read when it is needed and dropped
            after, and neither ``block_budget`` nor ``block_host_budget`` is used.
        read_ahead: read the blocks of coming steps beside the work on the current one; needs ``keep``.
        block_budget: largest size of the blocks kept on the device; None for no limit.
        block_host_budget: the same for pinned copies in the host's memory, if the device is a GPU; None or
            0 for none.
        block_ssd_budget: the same for copies of block files on a fast local path; None or 0 for none.
        ssd_dir: that path; None for the system's folder for temporary files.
    """

    keep: bool = True
    read_ahead: bool = True
    block_budget: int | float | str | None = DEFAULT_BLOCK_BUDGET
    block_host_budget: int | float | str | None = None
    block_ssd_budget: int | float | str | None = None
    ssd_dir: str | Path | None = None

    def __post_init__(self) -> None:
        self.resolve(0)
        if self.read_ahead and not self.keep:
            raise ConfigError(
                "loader.read_ahead=true needs loader.keep=true: what is read ahead is kept until it is used; "
                "write loader=read_ahead or loader=sequential"
            )

    def resolve(self, distinct_bytes: int) -> dict[str, Budget]:
        """The budgets by their setting; a share is one of the model set's ``distinct_bytes`` of parameters.

        Raises:
            ConfigError: one is not a positive size or share.
        """

        def budget(size: int | float | str | None, name: str) -> Budget:
            return Budget(size, parse_budget(size, f"cache.{name}", lambda: distinct_bytes))

        none = Budget(None, None)
        return {
            "cache.block_budget": budget(self.block_budget, "block_budget"),
            **{
                f"cache.{name}": none if size in (None, 0, "0") else budget(size, name)
                for name, size in (
                    ("block_host_budget", self.block_host_budget),
                    ("block_ssd_budget", self.block_ssd_budget),
                )
            },
        }

    def check_device(self, device: str) -> None:
        """Refuse a setting that ``device`` cannot follow.

        Raises:
            ConfigError: pinned copies are asked for without a GPU.
        """
        if device == "cpu" and self.resolve(1)["cache.block_host_budget"].bytes:
            raise ConfigError(
                f"cache.block_host_budget={self.block_host_budget}: pinned copies serve a GPU; on a CPU blocks "
                "are in the host's memory already, so set it to null and use cache.block_budget"
            )


@contextlib.contextmanager
def open_loader(
    settings: LoaderSettings,
    budgets: Mapping[str, Budget],
    store: BlockStore,
    storage: Storage,
    shares: bool,
    meter: Meter,
) -> Iterator[BlockLoader]:
    """The loader of one search whose strategy ``shares`` or not. Local copies are removed at the end.

    ``budgets`` are those of ``settings``, resolved.

    Raises:
        ConfigError: the device cannot follow the settings.
        LocalDiskError: there is no usable folder for local copies.
    """
    settings.check_device(meter.device.type)
    reader = Reader(Throttle(storage.bytes_per_second), storage.cold, again=storage.page_cache)
    ssd_budget = budgets["cache.block_ssd_budget"].bytes if shares else None
    budget = host_budget = 0
    if shares and settings.keep:
        budget = budgets["cache.block_budget"].bytes or NO_LIMIT
        host_budget = budgets["cache.block_host_budget"].bytes or 0
    with contextlib.ExitStack() as stack:
        copies = None
        if ssd_budget:
            folder = stack.enter_context(private_folder(settings.ssd_dir, "alsatian-blocks-", "cache.ssd_dir"))
            copies = BlockCache(folder, ssd_budget, storage.cold, meter)
        source = BlockSource(store, reader, meter, copies, model_files=not shares)
        loader = BlockLoader(source, meter, budget, host_budget=host_budget, ahead=settings.read_ahead)
        stack.callback(loader.close)
        yield loader
