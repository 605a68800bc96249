"""What a machine needs for the parts of a search: plain data, measured or published."""

import json
from collections.abc import Mapping
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from alsatian.errors import ConfigError
from alsatian.files import write_json

TIERS = ("device", "host", "ssd")

_CLOSED = ConfigDict(extra="forbid")
Cost = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""Seconds, or bytes."""
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
"""Bytes per second."""


@dataclass(frozen=True, config=_CLOSED)
class SegmentCost:
    """Inference time of a block's code; its parameters do not change it.

    Attributes:
        times: seconds for one batch by its items, both rising; at least one. Between two of them time is taken
            to be linear, beyond the last in proportion, below the first on the line through the first two.
    """

    times: tuple[tuple[Annotated[int, Field(ge=1)], Cost], ...] = Field(min_length=1)

    def __post_init__(self) -> None:
        if any(a >= b for (a, _), (b, _) in pairwise(self.times)):
            raise ValueError("inference times need rising numbers of items")

    def seconds(self, items: int) -> float:
        """Seconds for a batch of ``items``."""
        for (x0, y0), (x1, y1) in pairwise(self.times):
            if items <= x1:
                # Below the first, a batch costs no less than its share of the first.
                return max(y0 + (items - x0) * (y1 - y0) / (x1 - x0), min(y0 * items / x0, y0))
        last, seconds = self.times[-1]
        return seconds * items / last


@dataclass(frozen=True, config=_CLOSED)
class ScoreCost:
    """Time of the proxy on N training items with features of D values: fixed, by training steps, and by how the
    work grows with N and D. Terms that a proxy does not have are 0.

    Attributes:
        fixed_s: seconds for every score.
        step_items: training items of a step (a mini-batch in every epoch); 0 if there are no steps.
        step_s: seconds per step, whatever its size.
        train_value_s: seconds per value of a training item's features: N·D.
        test_value_s: seconds per value of a test item's features.
        pair_items: training items that are paired at most; 0 if all are.
        pair_s: seconds per pair of training items: N².
        pair_value_s: seconds per value of a pair: N²·D.
        spectrum_s: seconds per unit of a decomposition of the features: N·D·min(N, D).
        covariance_s: seconds per unit of a covariance of the features: N·D².
        least_s: seconds per unit of steps on the features or on their products, where both give the same:
            N·min(2·D, N).
        together: whether models wait for one another, to be scored together; the terms are a model's share.
    """

    fixed_s: Cost = 0.0
    step_items: Annotated[int, Field(ge=0)] = 0
    step_s: Cost = 0.0
    train_value_s: Cost = 0.0
    test_value_s: Cost = 0.0
    pair_items: Annotated[int, Field(ge=0)] = 0
    pair_s: Cost = 0.0
    pair_value_s: Cost = 0.0
    spectrum_s: Cost = 0.0
    covariance_s: Cost = 0.0
    least_s: Cost = 0.0
    together: bool = False

    def seconds(self, train_items: int, test_items: int, dimension: int) -> float:
        """Seconds to train and test once."""
        steps = ceil(train_items / self.step_items) if self.step_items else 0
        values = train_items * dimension
        pairs = min(train_items, self.pair_items or train_items) ** 2
        by_value = (
            self.train_value_s + self.spectrum_s * min(train_items, dimension) + self.covariance_s * dimension
        )
        least = train_items * min(2 * dimension, train_items) * self.least_s
        by_pair = self.pair_s + self.pair_value_s * dimension
        tested = dimension * test_items * self.test_value_s
        return self.fixed_s + steps * self.step_s + values * by_value + pairs * by_pair + least + tested


@dataclass(frozen=True, config=_CLOSED)
class StartCost:
    """Time until the first of some items are there, each time that a step reads test or training items.

    It is that of a reader that works ahead in processes of its own: they have to be started, and the first batch
    has to be waited for.

    Attributes:
        fixed_s: seconds, whatever is read.
        item_s: seconds per item that is waited for.
        items: of a batch of the reader; no more are waited for.
    """

    fixed_s: Cost = 0.0
    item_s: Cost = 0.0
    items: Annotated[int, Field(ge=0)] = 0

    def seconds(self, items: int) -> float:
        """Seconds until the first of ``items`` are there."""
        return self.fixed_s + min(items, self.items) * self.item_s


@dataclass(frozen=True, config=_CLOSED)
class LoadCost:
    """Time to load parameters, beside what the storage regime takes.

    Attributes:
        load_fixed_s: seconds to bring one block to the device.
        load_bytes_per_s: the same for its bytes.
        store_fixed_s: seconds to open a file of the store.
        store_bytes_per_s: the store's own speed, where the storage regime sets none or a higher one.
    """

    load_fixed_s: Cost = 0.0
    load_bytes_per_s: Rate = 1e12
    store_fixed_s: Cost = 0.0
    store_bytes_per_s: Rate = 1e12


def busy_text(load: float) -> str:
    """The mark of what was measured beside others."""
    return f"measured on a busy machine, load {load:.1f}"


_Times = Annotated[
    SegmentCost,
    BeforeValidator(lambda value: value if isinstance(value, SegmentCost) else SegmentCost(value)),
    PlainSerializer(lambda cost: cost.times),
]
_Tier = Annotated[str, Field(pattern=f"^({'|'.join(TIERS)})$")]


@dataclass(frozen=True, config=_CLOSED)
class Hardware:
    """What a machine needs for each part of a search.

    Attributes:
        name: for tables.
        source: where the numbers come from: measured (when, with which versions) or published, and what was
            assumed.
        segments: inference time by segment fingerprint, or by architecture, input and position, e.g.
            ``"resnet152@224/17"``, for sets without code.
        load_fixed_s: seconds to bring one block to the device, beside its bytes.
        load_bytes_per_s: the same for its bytes: copy, move to the device, and verify if every read is; reading not
            included.
        delta_bytes_per_s: of parameters that are made of deltas; about what a core does, unless it was measured.
        products_per_s: of numbers, that merging what adapters added takes; as good as none unless it was measured.
        store_bytes_per_s: the store's own speed, where the storage regime sets none.
        store_fixed_s: seconds to open a file of the store.
        whole_models: of strategies that do not share, which load whole models; None if their blocks load as
            others do.
        page_cache_bytes: of files that were read and are not waited for again, where the storage regime has a page
            cache; 0 if all stay there.
        prepare_s: seconds per item by preprocessing fingerprint; ``""`` stands for any other.
        prepare_start: seconds before that, for every step that begins with the data.
        score: of the proxy.
        tier_bytes_per_s: write and read of each tier of the cache of intermediates.
        step_s: overhead of one step of a plan.
        read_ahead_loss: share of computing that is lost while another thread reads blocks, by the bytes per second
            that it reads, rising; between two of them taken to be linear. Empty if nothing is lost.
        read_ahead_s: seconds that such a thread takes longer for a block.
        busy: load average by other processes beside which a part of it was measured; 0 if they were quiet.
    """

    name: str
    source: str
    segments: Mapping[str, _Times] = Field(default_factory=dict)
    load_fixed_s: Cost = 0.0
    load_bytes_per_s: Rate = 1e12
    delta_bytes_per_s: Rate = 1e9
    products_per_s: Rate = 1e12
    store_bytes_per_s: Rate = 1e12
    store_fixed_s: Cost = 0.0
    whole_models: LoadCost | None = None
    page_cache_bytes: Cost = 0.0
    prepare_s: Mapping[str, Cost] = Field(default_factory=dict)
    prepare_start: StartCost = StartCost()
    score: ScoreCost = ScoreCost()
    tier_bytes_per_s: Mapping[_Tier, tuple[Rate, Rate]] = Field(default_factory=dict)
    step_s: Cost = 0.0
    read_ahead_loss: tuple[tuple[Rate, Annotated[float, Field(ge=0, lt=1)]], ...] = ()
    read_ahead_s: Cost = 0.0
    busy: Cost = 0.0

    @property
    def about(self) -> str:
        """Its source, marked if others were busy."""
        return f"{self.source}; {busy_text(self.busy)}" if self.busy else self.source

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        plain: dict[str, Any] = TypeAdapter(Hardware).dump_python(self, mode="json")
        return plain

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Hardware":
        """The inverse of :meth:`as_dict`, after a trip through JSON.

        Raises:
            ConfigError: it is not what :meth:`as_dict` gives.
        """
        try:
            return TypeAdapter(Hardware).validate_python(values)
        except ValidationError as error:
            problems = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise ConfigError(f"not a hardware profile ({'; '.join(problems)})") from None

    @classmethod
    def read(cls, path: Path) -> "Hardware":
        """The profile in the JSON file ``path``.

        Raises:
            ConfigError: it cannot be read, or is none.
        """
        try:
            return cls.from_dict(json.loads(path.read_text()))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path}: not a readable hardware profile ({error})") from None
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None

    def write(self, path: Path) -> None:
        """Write it as JSON, whole or not at all."""
        write_json(path, self.as_dict())
