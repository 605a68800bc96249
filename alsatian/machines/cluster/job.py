"""What a worker is told once, in a form that travels between processes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch

from alsatian.blocks.candidate import Candidate
from alsatian.blocks.kernels import original
from alsatian.blocks.segment import Segment
from alsatian.blocks.serialization import NotPortable, dump, load
from alsatian.data.dataset import Dataset
from alsatian.models.model_set import ModelSet
from alsatian.planning.limits import Limits
from alsatian.proxies.base import Head, Proxy
from alsatian.runtime.meter.meter import Meter
from alsatian.runtime.storage.regime import Storage
from alsatian.searching.strategy import Strategy
from alsatian.store.store import BlockStore


@dataclass(frozen=True, kw_only=True)
class Job:
    """A search, as every worker of it has to know it.

    Attributes:
        candidates: of the search.
        store: the folder or URL that holds their blocks, which every worker opens for itself.
        code: distinct segments by their fingerprint, as plain data where they have such a form.
        segments: fingerprint of the code of every block, by its identity.
        dataset: with its batches settled; items in files are read by the worker.
        proxies, heads, storage, verify: as for :func:`~alsatian.machines.real.real_machine`.
        settings: its further arguments: those that every machine takes.
        strategy, limits: what the worker's own plans are made by, and what they keep to.
        kernels, numerics: see :mod:`~alsatian.blocks.kernels`.
        device: that the worker computes on.
        threads: of PyTorch there; equal ones everywhere, since they decide about the last bits.
        level, timeline: of the worker's meter.
    """

    candidates: tuple[Candidate, ...]
    store: str
    code: Mapping[str, dict[str, Any] | Segment]
    segments: Mapping[str, str]
    dataset: Dataset
    proxies: Sequence[Proxy]
    heads: Mapping[str, Head]
    storage: Storage
    verify: bool
    settings: Mapping[str, Any]
    strategy: Strategy
    limits: Limits
    kernels: str
    numerics: str
    device: str
    threads: int
    level: str
    timeline: bool

    @classmethod
    def of(cls, models: ModelSet, meter: Meter, **further: Any) -> Self:
        """Of a search of ``models`` that ``meter`` measures; ``further`` are the other attributes."""
        used = {block.identity for candidate in models.candidates for block in candidate.blocks}
        eager = {identity: original(models.segments[identity]) for identity in used}
        return cls(
            candidates=models.candidates,
            store=models.store.name if models.store.mirror else str(models.store.root.absolute()),
            code={segment.fingerprint: _packed(segment) for segment in eager.values()},
            segments={identity: segment.fingerprint for identity, segment in eager.items()},
            device=str(meter.device),
            level=meter.level,
            timeline=meter.timeline,
            **further,
        )

    def models(self) -> ModelSet:
        """The candidates with code that runs.

        Raises:
            RemoteError: the store is elsewhere and cannot be reached.
        """
        code = {name: load(data) if isinstance(data, dict) else data for name, data in self.code.items()}
        segments = {identity: code[name] for identity, name in self.segments.items()}
        store = BlockStore.under(self.store, self.storage).verifying(self.storage.verify_blocks)
        return ModelSet(self.candidates, store, segments).computed_by(self.kernels, self.numerics)

    @property
    def place(self) -> torch.device:
        """The device."""
        return torch.device(self.device)


def _packed(segment: Segment) -> dict[str, Any] | Segment:
    try:
        return dump(segment)
    except NotPortable:
        return segment  # as PyTorch itself takes a graph apart
