"""What a machine needs for the parts of a search: plain data, measured or published."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from math import ceil, isfinite
from pathlib import Path
from typing import Any

from alsatian.errors import ConfigError
from alsatian.files import write_json

TIERS = ("device", "host", "ssd")


def _check(values: list[float], what: str) -> None:
    if not all(isfinite(value) and value >= 0 for value in values):
        raise ConfigError(f"{what} must be finite numbers, at least 0")


@dataclass(frozen=True)
class SegmentCost:
    """Inference time of a block's code; its parameters do not change it.

    Attributes:
        times: seconds for one batch by its items, both rising; at least one. Between two of them time is taken
            to be linear, beyond the last in proportion, below the first on the line through the first two.
    """

    times: tuple[tuple[int, float], ...]

    def __post_init__(self) -> None:
        items = [count for count, _ in self.times]
        if not items or items[0] < 1 or any(a >= b for a, b in pairwise(items)):
            raise ConfigError("inference times need rising numbers of items, at least one and from 1 on")
        _check([seconds for _, seconds in self.times], "inference times")

    def seconds(self, items: int) -> float:
        """Seconds for a batch of ``items``."""
        for (x0, y0), (x1, y1) in pairwise(self.times):
            if items <= x1:
                # Below the first, a batch costs no less than its share of the first.
                return max(y0 + (items - x0) * (y1 - y0) / (x1 - x0), min(y0 * items / x0, y0))
        last, seconds = self.times[-1]
        return seconds * items / last


@dataclass(frozen=True)
class ScoreCost:
    """Time of the proxy on features of ``D`` values: fixed, by training steps, and by items times values.

    Attributes:
        fixed_s: seconds for every score.
        step_items: training items of a step (a mini-batch in every epoch); 0 if there are no steps.
        step_s: seconds per step, whatever its size.
        train_value_s: seconds per value of a training item's features.
        test_value_s: seconds per value of a test item's features.
    """

    fixed_s: float = 0.0
    step_items: float = 0
    step_s: float = 0.0
    train_value_s: float = 0.0
    test_value_s: float = 0.0

    def __post_init__(self) -> None:
        _check(list(asdict(self).values()), "score")

    def seconds(self, train_items: int, test_items: int, dimension: int) -> float:
        """Seconds to train and test once."""
        steps = ceil(train_items / self.step_items) if self.step_items else 0
        values = train_items * self.train_value_s + test_items * self.test_value_s
        return self.fixed_s + steps * self.step_s + dimension * values


@dataclass(frozen=True)
class StartCost:
    """Time until the first of some items are there, each time that a step reads test or training items.

    It is that of a reader that works ahead in processes of its own: they have to be started, and the first batch
    has to be waited for.

    Attributes:
        fixed_s: seconds, whatever is read.
        item_s: seconds per item that is waited for.
        items: of a batch of the reader; no more are waited for.
    """

    fixed_s: float = 0.0
    item_s: float = 0.0
    items: float = 0

    def __post_init__(self) -> None:
        _check(list(asdict(self).values()), "prepare_start")

    def seconds(self, items: int) -> float:
        """Seconds until the first of ``items`` are there."""
        return self.fixed_s + min(items, self.items) * self.item_s


@dataclass(frozen=True)
class Hardware:
    """What a machine needs for each part of a search.

    Attributes:
        name: for tables.
        source: where the numbers come from: measured (when, with which versions) or published, and what was
            assumed.
        segments: inference time by segment fingerprint, or by architecture, input and position, e.g.
            ``"resnet152@224/17"``, for sets without code.
        load_fixed_s: seconds to bring one block to the device, beside its bytes.
        load_bytes_per_s: the same for its bytes: verify, copy, move to the device; reading not included.
        store_bytes_per_s: the store's own speed, where the storage regime sets none.
        store_fixed_s: seconds to open a file of the store.
        page_cache_bytes: of files that were read and are not waited for again, where every search starts cold but
            not every read is cold; 0 if the storage regime says all.
        prepare_s: seconds per item by preprocessing fingerprint; ``""`` stands for any other.
        prepare_start: seconds before that, for every step that begins with the data.
        score: of the proxy.
        tier_bytes_per_s: write and read of each tier of the cache of intermediates.
        step_s: overhead of one step of a plan.
        read_ahead_loss: share of computing that is lost while another thread reads blocks, by the bytes per second
            that it reads, rising; between two of them taken to be linear. Empty if nothing is lost.
        read_ahead_s: seconds that such a thread takes longer for a block.
    """

    name: str
    source: str
    segments: Mapping[str, SegmentCost] = field(default_factory=dict)
    load_fixed_s: float = 0.0
    load_bytes_per_s: float = 1e12
    store_bytes_per_s: float = 1e12
    store_fixed_s: float = 0.0
    page_cache_bytes: float = 0.0
    prepare_s: Mapping[str, float] = field(default_factory=dict)
    prepare_start: StartCost = StartCost()
    score: ScoreCost = ScoreCost()
    tier_bytes_per_s: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    step_s: float = 0.0
    read_ahead_loss: tuple[tuple[float, float], ...] = ()
    read_ahead_s: float = 0.0

    def __post_init__(self) -> None:
        _check(
            [self.load_fixed_s, self.store_fixed_s, self.step_s, self.read_ahead_s, *self.prepare_s.values()],
            "times",
        )
        _check([self.page_cache_bytes], "page_cache_bytes")
        speeds = [
            self.load_bytes_per_s,
            self.store_bytes_per_s,
            *(s for t in self.tier_bytes_per_s.values() for s in t),
        ]
        _check(speeds, "bytes per second")
        if not all(speeds):
            raise ConfigError(f"hardware {self.name}: bytes per second must be above 0")
        if any(not 0 <= share < 1 for _, share in self.read_ahead_loss):
            raise ConfigError(f"hardware {self.name}: the share of computing that is lost must be in [0, 1)")
        if unknown := set(self.tier_bytes_per_s) - set(TIERS):
            raise ConfigError(
                f"hardware {self.name}: there is no tier '{min(unknown)}'; there are {', '.join(TIERS)}"
            )

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        values = asdict(self)
        values["segments"] = {key: [list(pair) for pair in cost.times] for key, cost in self.segments.items()}
        values["read_ahead_loss"] = [list(pair) for pair in self.read_ahead_loss]
        values["tier_bytes_per_s"] = {tier: list(pair) for tier, pair in self.tier_bytes_per_s.items()}
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Hardware":
        """The inverse of :meth:`as_dict`, after a trip through JSON.

        Raises:
            ConfigError: it is not what :meth:`as_dict` gives.
        """
        try:
            plain = dict(values)
            segments = {
                str(key): SegmentCost(tuple((int(items), float(seconds)) for items, seconds in times))
                for key, times in plain.pop("segments", {}).items()
            }
            tiers = {str(t): (float(w), float(r)) for t, (w, r) in plain.pop("tier_bytes_per_s", {}).items()}
            prepare = {str(key): float(seconds) for key, seconds in plain.pop("prepare_s", {}).items()}
            loss = tuple((float(rate), float(share)) for rate, share in plain.pop("read_ahead_loss", ()))
            score = ScoreCost(**{key: float(seconds) for key, seconds in plain.pop("score", {}).items()})
            start = StartCost(**{key: float(value) for key, value in plain.pop("prepare_start", {}).items()})
            fields: dict[str, Any] = {key: str(plain.pop(key)) for key in ("name", "source")}
            fields |= {"segments": segments, "tier_bytes_per_s": tiers, "prepare_s": prepare, "score": score}
            fields |= {"read_ahead_loss": loss, "prepare_start": start}
            fields |= {key: float(value) for key, value in plain.items()}
            return cls(**fields)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigError(f"not a hardware profile ({type(error).__name__}: {error})") from None

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
