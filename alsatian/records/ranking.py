"""The ranking of a search as a file (``ranking.json``), for programs; reports and tables are made from it."""

from typing import Annotated, Literal, get_args

from pydantic import Field

from alsatian.records.base import Count, Number, Record, Seconds, Text
from alsatian.records.data import DataSummary
from alsatian.records.limit import Limit

LayerChoice = Literal["last", "mean", "best"]
"""Whose features are scored: a model's own, the mean over its layers, or its best layer's."""
LAYERS: tuple[LayerChoice, ...] = get_args(LayerChoice)
LAST, MEAN, BEST = LAYERS


class RankedModel(Record):
    """A candidate in its place.

    Attributes:
        place: from 1; models that cannot be used come last.
        model: its id.
        source: what it was named by, where it was named.
        modality: of a model with two towers: which one was searched, ``"image"`` or ``"text"``.
        score: by the first proxy, in its last round; None if it has none.
        standard_error: of the score, where that is a mean over test items.
        tied: whether the score cannot be told from the first one's by the same test items.
        equal: whether round and score are those of the model before it.
        round: its last one, from 1.
        train_items: that the score is based on.
        bytes: of its parameters and buffers.
        parameters: how many numbers it has to train.
        flops: of one item, forward; None if not all of its operators are counted.
        relative_cost: floating point operations of one training step, relative to the first one's.
        further: scores by further proxies.
        layer: number of the layer that the score is that of, from 1, where the best one was chosen.
        layers: how many layers there are to choose from or to average; None where a model's own features count.
        notes: what was assumed when it was read, and what proxies say beside its scores.
        failed: why it cannot be used.
    """

    place: Annotated[int, Field(ge=1)]
    model: Text
    source: str | None = None
    modality: str | None = None
    score: Number | None = None
    standard_error: Number | None = None
    tied: bool = False
    equal: bool = False
    round: Count = 0
    train_items: Count = 0
    bytes: Count = 0
    parameters: Count | None = None
    flops: Count | None = None
    relative_cost: Number | None = None
    further: dict[str, Number] = {}
    layer: Count | None = None
    layers: Count | None = None
    notes: tuple[Text, ...] = ()
    failed: str | None = None


class RankedRound(Record):
    """A round: how many models saw how many training items, and the best one."""

    models: Count
    train_items: Count
    leader: Text
    score: Number


class Work(Record):
    """What sharing saved.

    Attributes:
        block_items: runs of blocks, in items.
        alone: the same if every model had been run on its own over the same rounds.
        bytes_read: from the store.
        distinct_bytes, total_bytes: of the models' parameters: shared ones once, or as in separate files.
        reused_items: items times models whose features were known from an earlier search.
    """

    block_items: Count
    alone: Count
    bytes_read: Count
    distinct_bytes: Count
    total_bytes: Count
    reused_items: Count = 0

    @property
    def saved(self) -> float:
        """Share of the runs of blocks that were not needed."""
        return max(0.0, 1 - self.block_items / self.alone) if self.alone else 0.0


class Agreement(Record):
    """Weighted Kendall's tau between the rankings of two proxies; None where one of them ties all models."""

    proxies: tuple[Text, Text]
    tau: Number | None = None


class Ranking(Record):
    """What a search found.

    Attributes:
        version: of this file's schema.
        command: as typed, where it was.
        store: the folder that keeps the models, where they were named.
        proxies: the first one decides.
        strategy, schedule: their names.
        layers: whose features are scored.
        kernels, numerics: what features were computed with; scores compare to the bit within one choice.
        data: what was read, skipped and assumed.
        train_items, test_items: of the data.
        wall_s: seconds of the search itself; ``parts_s`` are exclusive and add up to it.
        limit: what the search would have taken at least.
        predicted_s: what was expected.
        profile_s: seconds before the search in which the machine was measured, None where that was not needed;
            ``profile`` says what is known from it, with a mark if others were busy.
        ranked: all candidates, best first.
        rounds: all of them.
        agreement: between proxies, where there are several.
        warnings: what may be wrong with the comparison.
        notes: of the models and of what was passed over where they lie.
        versions: of the libraries.
    """

    version: Literal[1] = Field(default=1, alias="schema")
    command: str | None = None
    store: str | None = None
    proxies: tuple[Text, ...]
    strategy: Text
    schedule: Text
    layers: LayerChoice = "last"
    kernels: Text = "eager"
    numerics: Text = "fp32"
    data: DataSummary | None = None
    train_items: Count
    test_items: Count
    wall_s: Seconds
    parts_s: dict[str, Seconds] = {}
    limit: Limit | None = None
    predicted_s: Seconds | None = None
    profile_s: Seconds | None = None
    profile: str | None = None
    ranked: tuple[RankedModel, ...]
    rounds: tuple[RankedRound, ...]
    work: Work
    agreement: tuple[Agreement, ...] = ()
    warnings: tuple[Text, ...] = ()
    notes: tuple[Text, ...] = ()
    versions: dict[str, str] = {}
