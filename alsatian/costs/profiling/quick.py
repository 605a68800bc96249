"""What a search will take, roughly, from a few items: enough to say how long it will be and to divide the memory.

:mod:`alsatian.costs.profiling.profile` measures as a search works, for a minute. This takes at most ``SHARE`` of
the search, and nothing where all is known.
"""

import copy
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from alsatian.blocks.candidate import Candidate
from alsatian.costs.hardware import Hardware
from alsatian.costs.profiling.busy import Watch, largest_load, load_section, mark, without_marked
from alsatian.costs.profiling.machine import machine
from alsatian.costs.profiling.profile import segment_keys
from alsatian.costs.profiling.scoring import score_work
from alsatian.costs.profiling.timing import loaded_stages
from alsatian.data.dataset import Dataset
from alsatian.files import write_json
from alsatian.fingerprint import broken_seal, digest_json, sealed
from alsatian.models.flops import kept_flops
from alsatian.models.model_set import ModelSet
from alsatian.proxies.base import Proxy

FORMAT = 3
SHARE = 0.03
"""Of the predicted search, what measuring may take; a step that has begun is finished."""
_ITEMS = 8
# Bytes per second that tiers below the device's memory are taken to write and read.
_TIERS = {"host": (5e9, 5e9), "ssd": (5e8, 1e9)}
# Share of the training items that a proxy is tried with first.
_FIRST = 8


@dataclass
class _Quick:
    """Measures into ``known``, as long as it may.

    Attributes:
        work: runs of one block on one item in the search.
        fresh: the part of ``known`` that need not be measured.
        measured: section and key of what was.
        block_s: seconds of such a run, in the mean of the segments that are known; None if none is.
    """

    models: ModelSet
    dataset: Dataset
    device: torch.device
    work: float
    known: dict[str, Any]
    watch: Watch
    measured: set[tuple[str, str]] = field(default_factory=set, init=False)
    block_s: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._begin = time.perf_counter()
        self.fresh = self.known if self.watch.load else without_marked(self.known)
        self.keys = segment_keys(self.models)
        alike: dict[tuple[str, ...], list[Candidate]] = {}
        for candidate in self.models.candidates:
            alike.setdefault((*self.chain(candidate), self.prepare_key(candidate)), []).append(candidate)
        # One of each architecture and input, the most common first.
        self.examples = [same[0] for same in sorted(alike.values(), key=len, reverse=True)]
        self._average()

    def chain(self, candidate: Candidate) -> list[str]:
        """The keys of its segments."""
        return [self.keys[block.identity] for block in candidate.blocks]

    def prepare_key(self, candidate: Candidate) -> str:
        data = self.dataset
        kind = "files" if data.in_files else list(data.train_items.shape[1:])
        return f"{candidate.preprocessing.fingerprint} {data.name} {kind}"

    def score_key(self, proxy: Proxy) -> str:
        data = self.dataset
        return f"{proxy!r} {_dimension(self.models)} {len(data.train_items)} {len(data.test_items)} {data.classes}"

    def measure(self, proxies: Sequence[Proxy]) -> None:
        """Architectures first, then proxies."""
        segments, prepared = self.fresh["segments"].keys(), self.fresh["prepare_s"]
        lacking = [
            one for one in self.examples if self.prepare_key(one) not in prepared or set(self.chain(one)) - segments
        ]
        for number, candidate in enumerate(lacking):
            runs = SHARE * self.work if self.block_s is None else self._left_s() / self.block_s
            # Once to warm up, and once that counts; a third is for loading, preparing and scoring.
            items = int(2 / 3 * runs / (2 * len(candidate.blocks) * (len(lacking) - number)))
            if items >= 1:
                self._run(candidate, min(items, _ITEMS))
                self._average()
        for proxy in proxies:
            if self.score_key(proxy) not in self.fresh["score"]:
                self._score(proxy)

    def _left_s(self) -> float:
        """Seconds that measuring may still take."""
        return SHARE * self.work * (self.block_s or 0.0) - (time.perf_counter() - self._begin)

    def _average(self) -> None:
        found = [self.known["segments"].get(key) for one in self.examples for key in self.chain(one)]
        per_item = [times[-1][1] / times[-1][0] for times in found if times]
        self.block_s = sum(per_item) / len(per_item) if per_item else None

    @torch.no_grad()
    def _run(self, candidate: Candidate, count: int) -> None:
        """Enter what every segment of ``candidate`` takes for ``count`` items, and preparing one of them."""
        items = self.dataset.train_items[:count]
        candidate.preprocessing(items[:1])  # the first time libraries are imported
        start = time.perf_counter()
        state = candidate.preprocessing(items)
        self._enter("prepare_s", self.prepare_key(candidate), (time.perf_counter() - start) / len(items))
        # One of several blocks with the same code does for all.
        distinct = {self.keys[block.identity]: block for block in candidate.blocks}
        one = replace(candidate, blocks=tuple(distinct.values()))
        start = time.perf_counter()
        stages = dict(zip(distinct, loaded_stages(self.models, one, self.device), strict=True))
        rate = one.parameter_bytes / max(time.perf_counter() - start, 1e-9)
        self._enter(load_section(self.models.store.verify), "load_bytes_per_s", max(rate, 1.0))
        first = tuple(tensor.to(self.device) for tensor in state)
        for _ in range(2):  # the first one warms up
            seconds: dict[str, list[float]] = {key: [] for key in distinct}
            state = first
            for key in self.chain(candidate):
                segment, parameters = stages[key]
                begin = time.perf_counter()
                state = segment(state, parameters)
                if self.device.type == "cuda":
                    torch.cuda.synchronize(self.device)
                seconds[key].append(time.perf_counter() - begin)
        for key, own in seconds.items():
            self._enter("segments", key, [[len(first[0]), sum(own) / len(own)]])

    def _score(self, proxy: Proxy) -> None:
        """Enter what ``proxy`` takes by value of the training features, from made-up ones: few, then all."""
        data, wide = self.dataset, _dimension(self.models)
        count, expected = len(data.train_items), 0.0
        for items in (min(count, max(2, data.classes, count // _FIRST)), count):
            if (left := self._left_s()) <= 0 or expected > left:
                break
            work, scored = score_work(proxy, items, len(data.test_items), wide, data.classes, self.device)
            start = time.perf_counter()
            work()
            expected = (time.perf_counter() - start) / scored * count / items
            self._enter("score", self.score_key(proxy), expected / (count * wide))

    def _enter(self, section: str, key: str, value: Any) -> None:
        self.known[section][key] = value
        self.measured.add((section, key))

    def estimated(self) -> dict[str, Any]:
        """Times of segments that were not measured: by their operations, if these are known and so are those of
        some that were; else they are taken to be as long as these."""
        known, flops = self.known["segments"], dict[str, int]()
        if not set(self.keys.values()) - known.keys():
            return {}
        for one in self.examples:
            flops |= dict(zip(self.chain(one), kept_flops(one, self.models), strict=False))
        both = [key for key in flops if key in known]
        took = sum(known[key][-1][1] / known[key][-1][0] for key in both)
        done = sum(flops[key] for key in both)
        return {
            key: [[1, flops[key] * took / done if done and key in flops else self.block_s]]
            for key in self.keys.values()
            if key not in known
        }


def quick_profile(
    models: ModelSet,
    dataset: Dataset,
    proxies: Sequence[Proxy],
    device: torch.device,
    folder: Path | None,
    work: float,
) -> Hardware | None:
    """What this machine needs to search ``models`` over ``dataset``, from passes over a few items.

    Measuring stops where it has taken ``SHARE`` of what the search takes by what was measured up to then; the rest
    is estimated. None if nothing is known and not one item may be measured. What was measured is kept below
    ``folder``, if one is given, in a file for each machine; a quiet machine measures again what it knows from when
    it was busy.

    Args:
        proxies: whose times are needed.
        work: runs of one block on one item in the search.
    """
    facts = machine(device)
    path = None if folder is None else folder / f"quick-{digest_json([FORMAT, facts])[:16]}.json"
    known, watch = _read(path), Watch()
    before = copy.deepcopy(known)
    quick = _Quick(models, dataset, device, work, known, watch)
    quick.measure(proxies)
    mark(known, quick.measured, watch.load)
    if path is not None and known != before:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, sealed(known))
    if quick.block_s is None:
        return None
    prepares = {c.preprocessing.fingerprint: quick.prepare_key(c) for c in quick.examples}
    scores = [quick.score_key(proxy) for proxy in proxies]
    segments, used = {**quick.estimated(), **known["segments"]}, set(quick.keys.values())
    load = load_section(models.store.verify)
    return Hardware.from_dict(
        {
            "name": "measured",
            "source": f"a few items, {', '.join(f'{k} {v}' for k, v in facts.items() if v)}",
            "segments": {key: segments[key] for key in used},
            "prepare_s": {own: known["prepare_s"].get(key, 0.0) for own, key in prepares.items()},
            "score": {"train_value_s": sum(known["score"].get(key, 0.0) for key in scores)},
            "tier_bytes_per_s": _TIERS,
            "busy": largest_load(
                known, {"segments": used, "prepare_s": prepares.values(), "score": scores, load: known[load]}
            ),
            **known[load],
        }
    )  # fmt: skip


def _dimension(models: ModelSet) -> int:
    return max(c.dimension for c in models.candidates)


def _read(path: Path | None) -> dict[str, Any]:
    """What is known of this machine; nothing if the file is missing or damaged, so that it is measured anew."""
    sections = ("segments", "prepare_s", "score", "load", "load_verified", "busy")
    empty: dict[str, Any] = {section: {} for section in sections}
    try:
        known = json.loads(path.read_text()) if path is not None else {}
    except (OSError, ValueError):
        return empty
    whole = isinstance(known, dict) and known.keys() >= empty.keys() and not broken_seal(known)
    return {key: known[key] for key in empty} if whole else empty
