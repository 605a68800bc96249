"""What a search knows, before it begins, of what things will take."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from alsatian.blocks.candidate import Candidate
from alsatian.blocks.segment import Segment
from alsatian.costs.hardware import Hardware
from alsatian.costs.keys import keys_for
from alsatian.costs.model import CostModel
from alsatian.costs.profiling.profile import kept_profile
from alsatian.costs.profiling.quick import quick_profile
from alsatian.costs.profiling.several import as_one
from alsatian.data.dataset import Dataset, raw_bytes
from alsatian.models.model_set import ModelSet
from alsatian.proxies.base import Proxy
from alsatian.runtime.memory import empty_device_cache
from alsatian.runtime.meter.meter import Meter
from alsatian.runtime.reuse.feature_cache import Reused
from alsatian.runtime.storage.regime import Storage
from alsatian.searching.search import Search
from alsatian.store.parts import NO_PARTS, Parts


class Profiled(NamedTuple):
    """What the machine needs, None if that is not known, and how many seconds it took to find out."""

    hardware: Hardware | None = None
    seconds: float = 0.0


def profiled(
    search: Search, models: ModelSet, dataset: Dataset, proxies: Sequence[Proxy], batch_size: int,
    meter: Meter, reused: Reused | None,
) -> Profiled:  # fmt: skip
    """What this machine needs for ``search``: as it was measured in full before, else from a few items.

    ``proxies`` are those whose times are needed. A bad model or a full memory, which may be why nothing can be
    measured, is for the search to meet and to deal with.
    """
    folder, begin = models.store.root / "profiles", time.perf_counter()
    facts = {}
    try:
        new = 1 - reused.batches / reused.of_batches if reused and reused.of_batches else 1.0
        found = kept_profile(models, dataset, as_one(proxies), batch_size, meter.device, folder) or quick_profile(
            models, dataset, proxies, meter.device, folder, search.block_runs() * new
        )
        facts["source"] = found.about if found else "nothing measured: the search is too short"
    except Exception as error:
        empty_device_cache(meter.device)
        found, facts["error"] = None, f"{type(error).__name__}: {error}".splitlines()[0]
    seconds = time.perf_counter() - begin
    meter.event("profile", wall_s=seconds, **facts)
    return Profiled(found, seconds)


def cost_model(
    hardware: Hardware,
    candidates: Sequence[Candidate],
    dataset: Dataset,
    storage: Storage,
    segments: Mapping[str, Segment] | None = None,
    like: str | None = None,
    parts: Parts = NO_PARTS,
) -> CostModel:
    """What a search of ``candidates``, whose blocks have these ``parts``, over ``dataset`` takes on ``hardware``.

    For ``segments`` (their code by block identity) and ``like`` see :func:`~alsatian.costs.keys.keys_for`.

    Raises:
        ConfigError: the hardware does not know an architecture.
    """
    item_bytes = raw_bytes(dataset.train_items) / len(dataset.train_items)
    costs = CostModel.of(hardware, keys_for(hardware, candidates, segments, like), storage, item_bytes)
    return replace(costs, parts=parts)
