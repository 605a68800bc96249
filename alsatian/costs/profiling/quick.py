"""What a search will take, roughly, from a few items: enough to say how long it will be and to divide the memory.

:mod:`alsatian.costs.profiling.profile` measures as a search works, for a minute. This takes a fraction of a second
for every architecture that the machine has not met, and nothing where all is known.
"""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from alsatian.blocks.candidate import Candidate
from alsatian.costs.hardware import Hardware
from alsatian.costs.profiling.machine import machine
from alsatian.costs.profiling.scoring import score_work
from alsatian.costs.profiling.timing import loaded_stages
from alsatian.data.dataset import Dataset
from alsatian.files import write_json
from alsatian.fingerprint import broken_seal, digest_json, sealed
from alsatian.models.model_set import ModelSet
from alsatian.proxies.base import Proxy

FORMAT = 2
_ITEMS = 8


def quick_profile(
    models: ModelSet, dataset: Dataset, proxies: Sequence[Proxy], device: torch.device, folder: Path | None
) -> Hardware:
    """What this machine needs to search ``models`` over ``dataset``, from one pass over a few items.

    What was measured is kept below ``folder``, if one is given, in a file for each machine.
    """
    facts = machine(device)
    path = None if folder is None else folder / f"quick-{digest_json([FORMAT, facts])[:16]}.json"
    known = _read(path)
    before = json.dumps(known)
    items = dataset.train_items[:_ITEMS]
    prepare: dict[str, float] = {}
    for candidate in models.candidates:
        preprocessing = candidate.preprocessing
        keys = [models.segments[block.identity].fingerprint for block in candidate.blocks]
        data = (
            f"{preprocessing.fingerprint} {dataset.name} {'files' if dataset.in_files else list(items.shape[1:])}"
        )
        if data not in known["prepare_s"] or not all(key in known["segments"] for key in keys):
            preprocessing(items)  # the first time libraries are imported
            start = time.perf_counter()
            state = preprocessing(items)
            known["prepare_s"][data] = (time.perf_counter() - start) / len(items)
            known["load_bytes_per_s"] = _run(models, candidate, state, known["segments"], device)
        prepare[preprocessing.fingerprint] = known["prepare_s"][data]
    known["score"] = {**known["score"], **_scores(models, dataset, proxies, device, known["score"])}
    if path is not None and json.dumps(known) != before:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, sealed(known))
    wanted = {models.segments[block.identity].fingerprint for c in models.candidates for block in c.blocks}
    return Hardware.from_dict(
        {
            "name": "measured",
            "source": f"a few items, {', '.join(f'{k} {v}' for k, v in facts.items() if v)}",
            "segments": {key: known["segments"][key] for key in wanted},
            "prepare_s": prepare,
            "load_bytes_per_s": known["load_bytes_per_s"],
            "score": {"train_value_s": sum(known["score"][_key(p, models, dataset)] for p in proxies)},
        }
    )  # fmt: skip


@torch.no_grad()
def _run(
    models: ModelSet,
    candidate: Candidate,
    state: tuple[torch.Tensor, ...],
    segments: dict[str, Any],
    device: torch.device,
) -> float:
    """Enter the seconds of every segment of ``candidate`` for one batch, the second of two; the bytes per second at
    which its blocks were loaded."""
    start = time.perf_counter()
    stages = loaded_stages(models, candidate, device)
    rate = candidate.parameter_bytes / max(time.perf_counter() - start, 1e-9)
    first = tuple(tensor.to(device) for tensor in state)
    for _ in range(2):  # the first one warms up
        state = first
        for segment, parameters in stages:
            begin = time.perf_counter()
            state = segment(state, parameters)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            segments[segment.fingerprint] = [[len(first[0]), time.perf_counter() - begin]]
    return max(rate, 1.0)


def _scores(
    models: ModelSet, dataset: Dataset, proxies: Sequence[Proxy], device: torch.device, known: Mapping[str, float]
) -> dict[str, float]:
    """Seconds of each proxy by value of the training features, from made-up features of the right size."""
    found = {}
    for proxy in proxies:
        key = _key(proxy, models, dataset)
        if key in known:
            continue
        sizes = (len(dataset.train_items), len(dataset.test_items), _dimension(models), dataset.classes)
        work, scored = score_work(proxy, *sizes, device)
        start = time.perf_counter()
        work()
        found[key] = (time.perf_counter() - start) / scored / (sizes[0] * sizes[2])
    return found


def _key(proxy: Proxy, models: ModelSet, dataset: Dataset) -> str:
    sizes = (len(dataset.train_items), len(dataset.test_items), dataset.classes)
    return f"{proxy!r} {_dimension(models)} {' '.join(map(str, sizes))}"


def _dimension(models: ModelSet) -> int:
    return max(c.dimension for c in models.candidates)


def _read(path: Path | None) -> dict[str, Any]:
    """What is known of this machine; nothing if the file is missing or damaged, so that it is measured anew."""
    empty: dict[str, Any] = {"segments": {}, "prepare_s": {}, "score": {}, "load_bytes_per_s": 1e12}
    try:
        known = json.loads(path.read_text()) if path is not None else {}
    except (OSError, ValueError):
        return empty
    whole = isinstance(known, dict) and known.keys() >= empty.keys() and not broken_seal(known)
    return {key: known[key] for key in empty} if whole else empty
