"""Models without a search: their layers, ``blocks.json``, and how much they share, ``overlap.json``."""

from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from alsatian.records.base import Count, Flag, Record, Seconds, Text
from alsatian.records.run import Environment

BLOCKS, OVERLAP = "blocks.json", "overlap.json"

Share = Annotated[float, Field(ge=0, le=1, strict=True)]


class _Networks(Record):
    """What was measured, and of which run, if it was one of an experiment. Other fields are passed over."""

    model_config = ConfigDict(extra="ignore")

    version: Literal[1] = Field(default=1, alias="schema")
    run_id: Text | None = None
    command: Text | None = None
    started: Text | None = None
    config: dict[str, Any] | None = None
    environment: Environment | None = None

    @property
    def workload(self) -> str:
        """The model or family of the paper that it stands for; empty if none is named."""
        cell = (self.config or {}).get("paper")
        return str(cell.get("workload") or "") if isinstance(cell, dict) else ""

    def plain(self) -> dict[str, Any]:
        """As plain data (JSON types), without what is said of no run."""
        return {name: value for name, value in super().plain().items() if value is not None}


class Layer(Record):
    """Parameters (number of values) of a layer, and the seconds of a batch through it in each repeat."""

    name: Text
    parameters: Count
    inference_s: Annotated[tuple[Seconds, ...], Field(min_length=1)]


class Layers(_Networks):
    """A model as its layers, in the order of execution, timed with batches of ``items``: ``blocks.json``."""

    items: Count | None = None
    blocks: Annotated[tuple[Layer, ...], Field(min_length=1)]


class NearMiss(Record):
    """Where and why the chains of two models part.

    Attributes:
        partner: the most similar model of the same architecture.
        near: whether the reason is other than different parameters.
        reason: one of the texts in :mod:`alsatian.models.overlap.differences`.
        block: index of the first block that differs.
        lost_blocks: blocks from there on that would be shared as well if this reason did not count.
        lost_bytes: their parameter bytes.
        tensors: how many tensors of the first differing block differ.
        rank: the largest rank of a difference within the lost blocks, for a low-rank difference.
        detail: what else there is to say, possibly empty.
    """

    partner: Text
    near: Flag
    reason: Text
    block: Count
    lost_blocks: Count
    lost_bytes: Count
    tensors: Count = 0
    rank: Count | None = None
    detail: str = ""


class ModelOverlap(Record):
    """What one model shares.

    Attributes:
        id: of the model.
        family: index of its family.
        blocks: number of its blocks.
        shared_blocks: length of the longest prefix with parameters that it shares with another model, in
            blocks. A first block without any, such as a change of shape, is common to unrelated models.
        shared_fraction: the same as a share of its blocks.
        shared_bytes_fraction: the same as a share of its parameter bytes.
        common_blocks: how many of its blocks with parameters, anywhere, some other model has as well.
        partner: a model with which it shares that prefix; None if it shares none.
        parameter_bytes: of the whole model.
        near_miss: why it does not share more with its most similar model; None if it shares everything or
            there is none of its architecture.
    """

    id: Text
    family: Count
    blocks: Count
    shared_blocks: Count
    shared_fraction: Share
    shared_bytes_fraction: Share
    common_blocks: Count
    partner: Text | None
    parameter_bytes: Count
    near_miss: NearMiss | None


class Family(Record):
    """Models connected by shared prefixes.

    Attributes:
        models: their ids, in the given order.
        total_bytes: of their parameters, as separate files would hold them.
        distinct_bytes: of their distinct blocks.
    """

    models: tuple[Text, ...]
    total_bytes: Count
    distinct_bytes: Count


class Overlap(_Networks):
    """The overlap of a model set: ``overlap.json``. Its shares are written too, and counted anew when it is read.

    Attributes:
        digest: of the model set.
        models: one entry for each, in the given order.
        families: the largest first.
        total_bytes: of all parameters, as separate files would hold them.
        distinct_bytes: of all distinct blocks.
        total_blocks: of all models.
        distinct_blocks: of them.
    """

    digest: Text
    models: Annotated[tuple[ModelOverlap, ...], Field(min_length=1)]
    families: tuple[Family, ...]
    total_bytes: Count
    distinct_bytes: Count
    total_blocks: Count
    distinct_blocks: Count

    @property
    def share_with_prefix(self) -> float:
        """Share of the models with at least the first block that has parameters in common with another one."""
        return sum(m.shared_blocks > 0 for m in self.models) / len(self.models)

    @property
    def share_with_common_blocks(self) -> float:
        """Share of the models with at least one block, anywhere, in common with another one."""
        return sum(m.common_blocks > 0 for m in self.models) / len(self.models)

    @property
    def mean_shared_fraction(self) -> float:
        """Mean share of a model's blocks that it shares, as a prefix, with its most similar model."""
        return sum(m.shared_fraction for m in self.models) / len(self.models)

    @property
    def prefix_lengths(self) -> dict[int, int]:
        """Number of models by the length of their longest shared prefix in blocks, ascending."""
        return dict(sorted(Counter(m.shared_blocks for m in self.models).items()))

    @property
    def near_misses(self) -> tuple[ModelOverlap, ...]:
        """Models that would share more but for a reason other than different parameters."""
        return tuple(m for m in self.models if m.near_miss is not None and m.near_miss.near)

    def plain(self) -> dict[str, Any]:
        """As plain data (JSON types), with the shares."""
        return {
            **super().plain(),
            "share_with_prefix": self.share_with_prefix,
            "share_with_common_blocks": self.share_with_common_blocks,
            "mean_shared_fraction": self.mean_shared_fraction,
            "prefix_lengths": [[length, count] for length, count in self.prefix_lengths.items()],
        }
