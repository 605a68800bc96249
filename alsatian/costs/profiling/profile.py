"""Profiles the machine at hand for a model set and its data. What is known already is not measured again."""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import torch

from alsatian.blocks.candidate import Candidate
from alsatian.costs.hardware import Hardware, SegmentCost
from alsatian.costs.keys import keys_for
from alsatian.costs.profiling.busy import Watch, changed, largest_load, load_section, longer, mark, without_marked
from alsatian.costs.profiling.loading import load_times, read_ahead_times
from alsatian.costs.profiling.machine import machine
from alsatian.costs.profiling.scoring import score_cost
from alsatian.costs.profiling.tiers import tier_speeds
from alsatian.costs.profiling.timing import prepare_time, segment_times
from alsatian.data.dataset import Dataset
from alsatian.files import write_json
from alsatian.fingerprint import broken_seal, digest_json, sealed
from alsatian.models.model_set import ModelSet
from alsatian.progress import Progress, unheard
from alsatian.proxies.base import Proxy

# Of what is measured, and how; with another number profiles of before are not used.
FORMAT = 4


def profile(
    models: ModelSet,
    dataset: Dataset,
    proxy: Proxy,
    batch_size: int,
    device: torch.device,
    folder: Path | None,
    progress: Progress = unheard,
    again: bool = False,
) -> Hardware:
    """What this machine needs to search ``models`` over ``dataset``.

    Inference is measured once for every distinct code of a block, for batches of all sizes that the search has and
    some below; loading once a machine, as the models' store verifies reads or does not; preparing and scoring once
    for each data. All is kept below ``folder``, in a file for each machine, if one is given. ``again`` measures
    what is known already. While others use the machine it measures longer; a quiet one measures again what it
    knows from when it was busy.
    """
    path = None if folder is None else profile_path(folder, device)
    wanted = _Wanted.of(models, dataset, proxy, batch_size)
    known, watch = _read(path), Watch()
    before = copy.deepcopy(known)
    if not watch.load:
        known = without_marked(known)
    if again:
        others = {key: times for key, times in known["segments"].items() if key not in wanted.segments.values()}
        known = {**_empty(), "segments": others, "busy": known["busy"]}
    begin = copy.deepcopy(known)
    chains: dict[tuple[str, ...], Candidate] = {}
    for candidate in models.candidates:
        chain = tuple(wanted.segments[block.identity] for block in candidate.blocks)
        if any(wanted.lacks_times(known, key) for key in chain):
            chains.setdefault(chain, candidate)
    for done, candidate in enumerate(chains.values()):
        progress("measuring architectures", done, len(chains))
        found = segment_times(models, candidate, dataset, wanted.sizes, device, longer(watch))
        for key, cost in found.items():
            times = {int(items): seconds for items, seconds in known["segments"].get(key, [])} | dict(cost.times)
            known["segments"][key] = sorted(map(list, times.items()))
    for preprocessing in {c.preprocessing.fingerprint: c.preprocessing for c in models.candidates}.values():
        if (key := wanted.prepare[preprocessing.fingerprint]) not in known["prepare_s"]:
            known["prepare_s"][key] = prepare_time(preprocessing, dataset, batch_size, device, longer(watch))
    if not known[wanted.load]:
        known[wanted.load] = load = load_times(models, device, longer(watch))
        load |= read_ahead_times(models, dataset, batch_size, device, load, longer(watch))
    if not known["tiers"]:
        known["tiers"] = {tier: list(pair) for tier, pair in tier_speeds(device).items()}
    if wanted.score not in known["score"]:
        train, test = len(dataset.train_items), len(dataset.test_items)
        scoring = score_cost(proxy, _dimension(models), dataset.classes, train, test, device, longer(watch))
        known["score"][wanted.score] = asdict(scoring)
    known["machine"] = machine(device)
    mark(known, changed(known, begin), watch.load)
    if known != before:
        known["measured"] = datetime.now(UTC).date().isoformat()
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, sealed(known))
    return wanted.hardware(known)


def kept_profile(
    models: ModelSet, dataset: Dataset, proxy: Proxy, batch_size: int, device: torch.device, folder: Path
) -> Hardware | None:
    """What :func:`profile` measured before; None if it would have to measure something."""
    known, wanted = _read(profile_path(folder, device)), _Wanted.of(models, dataset, proxy, batch_size)
    return None if wanted.lacking(known) else wanted.hardware({**known, "machine": machine(device)})


@dataclass(frozen=True)
class _Wanted:
    """What a search needs of a profile, as keys in its sections.

    Attributes:
        segments: by block identity.
        prepare: by preprocessing.
        sizes: of the batches that times are needed for.
        load: the section of what loading takes.
    """

    segments: Mapping[str, str]
    prepare: Mapping[str, str]
    score: str
    sizes: Sequence[int]
    load: str

    @classmethod
    def of(cls, models: ModelSet, dataset: Dataset, proxy: Proxy, batch_size: int) -> "_Wanted":
        data = digest_json([dataset.name, str(dataset.train_items.dtype), list(dataset.train_items.shape[1:])])
        prints = {candidate.preprocessing.fingerprint for candidate in models.candidates}
        # A proxy of steps costs a time for each, however many there are in all.
        items = "" if hasattr(proxy, "batch_size") else f" {len(dataset.train_items)}"
        score = f"{proxy!r} {_dimension(models)} {dataset.classes} {len(dataset.test_items)}{items}"
        keys = {own: f"{own} {data}" for own in prints}
        sizes = batch_sizes(dataset, batch_size, len(models.candidates))
        return cls(segment_keys(models), keys, score, sizes, load_section(models.store.verify))

    def lacks_times(self, known: Mapping[str, Any], key: str) -> bool:
        """Whether ``known`` has not all times of a segment."""
        return not set(self.sizes) <= {int(items) for items, _ in known["segments"].get(key, [])}

    def lacking(self, known: Mapping[str, Any]) -> bool:
        """Whether ``known`` has not everything."""
        return (
            any(self.lacks_times(known, key) for key in self.segments.values())
            or not known["prepare_s"].keys() >= set(self.prepare.values())
            or not (known[self.load] and known["tiers"] and self.score in known["score"])
        )

    def hardware(self, known: Mapping[str, Any]) -> Hardware:
        """The part of ``known``, which lacks nothing, that the search needs."""
        facts = ", ".join(f"{k} {v}" for k, v in known["machine"].items() if v)
        used = {"segments": self.segments.values(), "prepare_s": self.prepare.values(), "score": [self.score]}
        return Hardware.from_dict(
            {
                "name": "measured",
                "source": f"measured on {known['measured']}: {facts}",
                "segments": {key: known["segments"][key] for key in set(self.segments.values())},
                "prepare_s": {own: known["prepare_s"][key] for own, key in self.prepare.items()},
                "score": known["score"][self.score],
                "tier_bytes_per_s": known["tiers"],
                "busy": largest_load(known, {**used, self.load: known[self.load], "tiers": known["tiers"]}),
                **known[self.load],
            }
        )


def profile_path(folder: Path, device: torch.device) -> Path:
    """Where the profile of this machine is kept below ``folder``."""
    return folder / f"{digest_json([FORMAT, machine(device)])[:16]}.json"


def segment_keys(models: ModelSet) -> dict[str, str]:
    """The fingerprint of the code of every block, by its identity."""
    return {
        block.identity: models.segments[block.identity].fingerprint for c in models.candidates for block in c.blocks
    }


def batch_sizes(dataset: Dataset, batch_size: int, models: int) -> list[int]:
    """Sizes to measure: of the smallest and the largest of the data's batches, and of an eighth and a half of the
    latter. Times of other sizes lie between them."""
    sizes = [batch.items for part in dataset.batches(batch_size, models) for batch in part]
    return sorted({min(sizes), max(sizes), *(max(1, max(sizes) // part) for part in (8, 2))})


def _dimension(models: ModelSet) -> int:
    """Values of the largest features."""
    return max([c.dimension for c in models.candidates if c.blocks], default=1)


def _read(path: Path | None) -> dict[str, Any]:
    """What is known of this machine; nothing if the file is missing or damaged, so that it is measured anew."""
    empty = _empty()
    try:
        known = json.loads(path.read_text()) if path is not None else {}
        if broken_seal(known):
            return empty
        for times in known.get("segments", {}).values():
            SegmentCost(tuple((int(items), float(seconds)) for items, seconds in times))
        return empty | {key: known[key] for key in empty if key in known}
    except (OSError, ValueError, TypeError, AttributeError):
        return empty


def _empty() -> dict[str, Any]:
    sections = ("segments", "prepare_s", "score", "load", "load_verified", "tiers", "machine", "busy")
    return {**{section: {} for section in sections}, "measured": ""}


def as_table(models: ModelSet, hardware: Hardware, keys: Mapping[str, str], items: int) -> list[dict[str, Any]]:
    """One row a position of every distinct architecture of ``models``, for batches of ``items``."""
    rows, seen = [], set()
    for candidate in models.candidates:
        chain = tuple(keys[block.identity] for block in candidate.blocks)
        if chain in seen:
            continue
        seen.add(chain)
        name = candidate.architecture.name if candidate.architecture else candidate.id
        for position, (block, key) in enumerate(zip(candidate.blocks, chain, strict=True)):
            load = hardware.load_fixed_s + block.parameter_bytes / hardware.load_bytes_per_s
            rows.append(
                {
                    "architecture": name,
                    "position": position,
                    "parameter_bytes": block.parameter_bytes,
                    "load_s": load,
                    "infer_s_per_item": hardware.segments[key].seconds(items) / items,
                    "output_bytes_per_item": block.output_bytes,
                }
            )
    return rows


def portable(hardware: Hardware, models: ModelSet) -> Hardware:
    """``hardware``, measured for ``models``, with blocks called by architecture, input and position.

    Data of other kinds are taken to need what these do.
    """
    names = keys_for(replace(hardware, segments={}), models.candidates)
    segments: dict[str, SegmentCost] = {}
    for identity, name in names.items():
        segments[name] = hardware.segments[models.segments[identity].fingerprint]
    prepare = dict(hardware.prepare_s)
    if prepare:
        prepare.setdefault("", median(prepare.values()))
    return replace(hardware, segments=segments, prepare_s=prepare)


def merged(profiles: Sequence[Hardware], name: str) -> Hardware:
    """One profile called ``name`` of several of one machine; what they differ in is that of the last."""
    segments = {key: cost for hardware in profiles for key, cost in hardware.segments.items()}
    prepare = {key: seconds for hardware in profiles for key, seconds in hardware.prepare_s.items()}
    busy = max(hardware.busy for hardware in profiles)
    return replace(profiles[-1], name=name, segments=segments, prepare_s=prepare, busy=busy)
