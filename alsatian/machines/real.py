"""This machine: what a plan says is done, on one device."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from alsatian.budgets import Resolved
from alsatian.data.dataset import Dataset
from alsatian.models.model_set import ModelSet
from alsatian.progress import Tick
from alsatian.proxies.base import Head, Proxy
from alsatian.runtime.cache.cache import Cache
from alsatian.runtime.cache.policies.base import CachePolicy
from alsatian.runtime.cache.tiers import DiskTier, HostTier, Tier
from alsatian.runtime.data_source import StoredData
from alsatian.runtime.engine import Engine
from alsatian.runtime.features import Keep, unkept
from alsatian.runtime.layers import WHOLE, Layers, scoring
from alsatian.runtime.loading.block_loader import BlockLoader
from alsatian.runtime.loading.block_source import BlockSource
from alsatian.runtime.loading.local_copies import BlockCache
from alsatian.runtime.loading.settings import LoaderSettings
from alsatian.runtime.meter.meter import Meter
from alsatian.runtime.observer import Observer
from alsatian.runtime.scorer import ProxyScorer
from alsatian.runtime.storage.page_cache import drop
from alsatian.runtime.storage.private_folder import private_folder
from alsatian.runtime.storage.reader import Reader
from alsatian.runtime.storage.regime import Storage
from alsatian.runtime.storage.throttle import Throttle
from alsatian.store.parts import NO_PARTS


class _Progress(Observer):
    """Calls ``tick`` after every step."""

    def __init__(self, tick: Tick) -> None:
        self.step_ended = tick  # type: ignore[method-assign]


@contextlib.contextmanager
def real_machine(
    models: ModelSet,
    dataset: Dataset,
    proxies: Sequence[Proxy],
    meter: Meter,
    *,
    policy: CachePolicy,
    shares: bool,
    budgets: Resolved,
    loader: LoaderSettings,
    storage: Storage,
    verify: bool,
    progress: Tick,
    heads: Mapping[str, Head] | None = None,
    keep: Keep = unkept,
    layers: Layers = WHOLE,
) -> Iterator[Engine]:
    """The machine of one search of ``models`` over ``dataset``. What it wrote is removed at the end.

    With a cold ``storage`` the blocks' files are not in memory when it is ready. The further settings are those of
    :func:`alsatian.search` and of its strategy; ``heads`` are the models' own classifiers, for
    proxies that need them, and ``keep`` is told of a model's features when it is scored. ``layers`` says which of
    ``models`` are layers of one.

    Raises:
        LocalDiskError: there is no usable folder for local copies or intermediates.
    """
    reader = Reader(Throttle(storage.bytes_per_second), storage.cold, again=storage.page_cache)
    for_blocks = budgets.for_blocks(shares, loader.keep)
    with contextlib.ExitStack() as stack:

        def folder(prefix: str) -> Path:
            return stack.enter_context(private_folder(budgets.asked.ssd_dir, prefix, "cache.ssd_dir"))

        copies = None
        if for_blocks.ssd:
            copies = BlockCache(
                folder("alsatian-blocks-"), for_blocks.ssd, storage.cold, meter, verify=storage.verify_blocks
            )
        # As published: who does not share has a file for every model.
        source = BlockSource(models.store, reader, meter, copies, model_files=not shares)
        blocks = BlockLoader(
            source, meter, for_blocks.device, host_budget=for_blocks.host, ahead=loader.read_ahead,
            parts=models.parts if shares else NO_PARTS,
        )  # fmt: skip
        stack.callback(blocks.close)
        stack.push(lambda kind, *_: reader.throttle.release() if kind else None)
        lower: list[Tier] = []
        for name, size in budgets.lower_tiers.items():
            if name == "host":
                lower.append(HostTier(size, meter.device))
            else:
                disk = DiskTier(size, meter.device, folder("alsatian-cache-"))
                stack.callback(disk.close)
                lower.append(disk)
        if storage.cold:
            drop(models.store.files_of({b.identity for c in models.candidates for b in c.blocks}))
        yield Engine(
            models.segments,
            StoredData(dataset, storage, meter),
            scoring(layers, lambda told: ProxyScorer(proxies, dataset, meter, verify, heads or {}, told), keep),
            blocks,
            Cache(policy.fresh(), budgets.budget, meter, lower),
            meter,
            _Progress(progress),
            shares and loader.compute_ahead,
        )
