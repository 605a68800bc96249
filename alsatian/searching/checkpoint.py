"""Finished rounds of a search on disk, so that the same search goes on behind them."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from alsatian.errors import ConfigError, StoreError
from alsatian.files import atomic_write, write_json
from alsatian.fingerprint import broken_seal, features_fingerprint, sealed
from alsatian.records import Conditions
from alsatian.records.repeat import WorkerShare, added, largest
from alsatian.runtime.features import Features
from alsatian.runtime.meter.measurement import Measurement
from alsatian.searching.round_result import RoundResult

_STATE = "rounds.json"


@dataclass(frozen=True)
class Progress:
    """What a search had when its last finished round was written down.

    Attributes:
        rounds: the finished rounds.
        failed: excluded models with the reason.
        features: of the models that are still in the search, on the CPU.
        measurement: of the finished rounds, over all attempts; what an attempt lost is not in it.
    """

    rounds: list[RoundResult]
    failed: dict[str, str]
    features: Features
    measurement: Measurement


@dataclass(frozen=True)
class Checkpoint:
    """Progress of the search ``key`` (a digest of all that its results depend on) in ``folder``."""

    folder: Path
    key: str

    def save(self, progress: Progress) -> None:
        """Write ``progress``; until it is whole, what was there before counts.

        Raises:
            StoreError: the disk failed or is full.
        """
        tensors: dict[str, torch.Tensor] = {}
        index: dict[str, dict[str, str]] = {}
        names: dict[int, str] = {}
        for model, batches in progress.features.items():
            for batch, tensor in batches.items():
                name = names.setdefault(id(tensor), str(len(names)))
                tensors[name] = tensor.cpu().contiguous()
                index.setdefault(model, {})[str(batch)] = name
        file = f"features-{len(progress.rounds)}.safetensors"
        state = {
            "key": self.key,
            "rounds": [asdict(finished) for finished in progress.rounds],
            "failed": progress.failed,
            "measurement": asdict(replace(progress.measurement, conditions=None, workers={})),
            "workers": {name: share.plain() for name, share in progress.measurement.workers.items()},
            "conditions": (progress.measurement.conditions or Conditions()).plain(),
            "features": {"file": file, "of": index, "digest": _digest(tensors)},
        }
        try:
            with atomic_write(self.folder / file) as temporary:
                save_file(tensors, temporary)
            write_json(self.folder / _STATE, sealed(state))
            for old in self.folder.glob("features-*.safetensors"):
                if old.name != file:
                    old.unlink()
        except (OSError, SafetensorError) as error:
            raise StoreError(f"{self.folder}: cannot write the finished rounds ({error})") from None

    def load(self) -> Progress | None:
        """What was saved last; None if nothing was.

        Raises:
            ConfigError: it belongs to another search.
            StoreError: it is damaged.
        """
        path = self.folder / _STATE
        if not path.exists():
            return None
        try:
            state = json.loads(path.read_bytes())
            if reason := broken_seal(state):
                raise ValueError(reason)
            if state["key"] != self.key:
                raise ConfigError(f"{self.folder}: finished rounds of another search; remove the folder")
            tensors = load_file(self.folder / state["features"]["file"])
            if state["features"]["digest"] != _digest(tensors):
                raise ValueError("other features than were saved")
            return Progress(
                rounds=[_round_of(finished) for finished in state["rounds"]],
                failed=state["failed"],
                features={
                    model: {int(batch): tensors[name] for batch, name in batches.items()}
                    for model, batches in state["features"]["of"].items()
                },
                measurement=Measurement(
                    **{
                        **state["measurement"],
                        "conditions": Conditions.of(state.get("conditions", {})),
                        "workers": {name: WorkerShare.of(s) for name, s in state.get("workers", {}).items()},
                    }
                ),
            )
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise StoreError(f"{self.folder}: damaged finished rounds ({error}); remove the folder") from None


def _round_of(value: Mapping[str, Any]) -> RoundResult:
    """A round, after a trip through JSON."""
    tuples = {name: {m: tuple(line) for m, line in value[name].items()} for name in ("outcomes", "notes")}
    return RoundResult(**{**value, **tuples})


def _digest(tensors: Mapping[str, torch.Tensor]) -> str:
    """Of features by name: a flipped bit would be another ranking and no error."""
    return features_fingerprint([tensors[name] for name in sorted(tensors)])


def joined(before: Measurement, after: Measurement) -> Measurement:
    """Two stretches of one search as one measurement: times and counters add up, peaks are the larger ones."""
    return replace(
        after,  # what the operating system says is about the last process
        wall_s=before.wall_s + after.wall_s,
        busy_s=added(before.busy_s, after.busy_s),
        stalled_s=added(before.stalled_s, after.stalled_s),
        parts_s=added(before.parts_s, after.parts_s),
        counters=dict(Counter(before.counters) + Counter(after.counters)),
        peaks=largest(before.peaks, after.peaks),
        events=[*before.events, *after.events],
        conditions=(before.conditions or Conditions()).plus(after.conditions or Conditions()),
        workers=before.workers
        | {n: before.workers[n].plus(w) if n in before.workers else w for n, w in after.workers.items()},
    )
