"""The physical limit of a search: what it would take if all work were done once and nothing waited.

The limit is ``max(reading, inference + decoding + scoring)``. One that is too large would flatter the search beside
it, so every term is chosen so as to be rather too small:

- The work is that of the result, whatever the strategy did: each distinct block is read once (what several have in
  common, too), and run once on each
  item that a score needs. What a strategy repeats, or computed for models that failed, is not in it.
- Inference counts each block at the fastest run of its code on as many items in this search, so what reading ahead,
  cold caches or other programs cost is not in it. (Code that was never timed alone counts at the mean of all.)
- Reading counts the bytes of the parameters at the declared bandwidth, or where the store has its own speed at that
  of the fastest read of a file.
- Decoding counts at this search's mean for an item, and as if every core of the machine did it. (What a library
  then does to an image on one thread counts as done by as many as decoded it, which is rather too large.)
- Of several workers each counts as a machine of its own, with its own way to the store.
- Inference and scoring on the CPU count as if the cores that PyTorch was not given computed as well.

What it cannot tell: faster kernels or a faster scorer would lower the limit itself. Where two runs differ in these,
compare their wall times.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import torch

from alsatian.blocks.candidate import Candidate
from alsatian.blocks.segment import Segment
from alsatian.records.limit import Limit
from alsatian.runtime.meter.measurement import Measurement
from alsatian.store.parts import NO_PARTS, Parts, bytes_to_read
from alsatian.tree import NO_VERTEX, TaskTree


@dataclass(frozen=True)
class Rates:
    """What is known of the machine beside the measurement.

    Attributes:
        best: seconds of the fastest run of a segment's code, by its fingerprint and the items of the batch.
        bandwidth: bytes per second of the store; 0 if nothing is known.
        compute, host: shares of the machine that computing and decoding had, in (0, 1].
        parts: of blocks that share some of their parameters.
    """

    best: Mapping[tuple[str, int], float]
    bandwidth: float = 0.0
    compute: float = 1.0
    host: float = 1.0
    parts: Parts = field(default_factory=lambda: NO_PARTS)

    @classmethod
    def here(
        cls,
        best: Mapping[tuple[str, int], float],
        bandwidth: float,
        device: torch.device,
        cores: int | None,
        in_files: bool,
        parts: Parts = NO_PARTS,
    ) -> "Rates":
        """Of this machine, whose PyTorch computes on ``device``. Items ``in_files`` are decoded on as many threads,
        others are prepared on one."""
        whole = cores or 1
        share = min(1.0, torch.get_num_threads() / whole)
        return cls(best, bandwidth, share if device.type == "cpu" else 1.0, share if in_files else 1 / whole, parts)


def limit_of(
    candidates: Sequence[Candidate],
    needed: Mapping[str, int],
    sizes: Sequence[int],
    segments: Mapping[str, Segment],
    measurement: Measurement,
    rates: Rates,
) -> Limit | None:
    """The limit of a search; None where no parts were measured.

    Args:
        candidates: those of the search.
        needed: by candidate's id the batches whose features its scores needed: bit ``i`` stands for that of index
            ``i``.
        sizes: items of every batch, by index.
        segments: the code of every block, by identity.
        measurement: of the search, by whose seconds and counters mean rates are known.
        rates: what else is known.
    """
    if measurement.level == "total":
        return None

    @cache
    def batches(mask: int) -> dict[int, int]:
        """How many batches of each size ``mask`` names."""
        return Counter(size for i, size in enumerate(sizes) if mask >> i & 1)

    tree = TaskTree.of([candidate for candidate in candidates if needed.get(candidate.id)], share=True)
    masks = [0] * len(tree)
    for model in tree.all_models():
        masks[tree.vertex_of(model)] |= needed[model]
    for vertex in reversed(range(len(tree))):
        if (parent := tree.parent[vertex]) != NO_VERTEX:
            masks[parent] |= masks[vertex]
    runs = Counter(
        (segments[block.identity].fingerprint, masks[v]) for v, edge in enumerate(tree.blocks) for block in edge
    )
    counters, busy = measurement.counters, measurement.busy_s
    mean_s = busy.get("inference", 0.0) / max(1, counters.get("block_items", 0))
    inference_s = sum(
        n * count * rates.best.get((code, items), mean_s * items)
        for (code, mask), n in runs.items()
        for items, count in batches(mask).items()
    )
    prepared = sum(items * count for root in tree.roots() for items, count in batches(masks[root]).items())
    decoding_s = busy.get("prepare_data", 0.0) * prepared / max(prepared, counters.get("prepared_items", 0), 1)
    workers = max(1, len(measurement.workers))
    distinct = bytes_to_read((block for edge in tree.blocks for block in edge), rates.parts)
    return Limit(
        reading_s=distinct / rates.bandwidth / workers if rates.bandwidth else 0.0,
        inference_s=inference_s * rates.compute / workers,
        decoding_s=decoding_s * rates.host / workers,
        scoring_s=busy.get("proxy_scoring", 0.0) * rates.compute / workers,
    )
