"""Run records: one JSON file a run, written atomically, readable without this code.

``run.schema.json`` beside this file says what a record holds; every record is checked against it.
"""

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alsatian.api import SearchResult
from alsatian.data.dataset import Dataset
from alsatian.models.model_set import CandidateSet
from alsatian.runtime.meter.measurement import Measurement
from alsatian.runtime.storage.regime import Storage
from experiments.runs import saving, validation

SCHEMA = 2
# The peak that each budget bounds, by the budget's setting.
PEAKS = {
    "cache.budget": "cache_bytes",
    "cache.host_budget": "cache_host_bytes",
    "cache.ssd_budget": "cache_ssd_bytes",
    "cache.block_budget": "resident_block_bytes",
    "cache.block_host_budget": "host_block_bytes",
    "cache.block_ssd_budget": "ssd_block_bytes",
    "cache.memory": "memory_bytes",
}
# Budgets that only count together where there is one of their sum.
_DIVIDED = ("cache.budget", "cache.block_budget")


def path_of(folder: Path, identity: str, name: str = "run.json") -> Path:
    """Where the record of a run lies in its experiment's ``folder``."""
    return folder / identity / name


def finished(path: Path) -> bool:
    """Whether ``path`` is the record of a run that ended well."""
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(record, dict) and record.get("schema") == SCHEMA and record.get("status") == "ok"


def now() -> str:
    """The time, for people, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def opening(
    identity: str,
    config: Mapping[str, Any],
    command: str,
    models: CandidateSet,
    dataset: Dataset,
    storage: Storage,
    environment: Mapping[str, Any],
) -> dict[str, Any]:
    """The record of a run that starts now. ``config`` and ``command`` hold no secrets any more."""
    blocks = {b.identity for c in models.candidates for b in c.blocks}
    return {
        "schema": SCHEMA,
        "run_id": identity,
        "experiment": config["name"],
        "status": "running",
        "error": None,
        "command": command,
        "started": now(),
        "finished": None,
        "config": config,
        "model_set": {
            "name": config["model_set"]["name"],
            "digest": models.digest,
            "models": len(models.candidates),
            "blocks": sum(len(c.blocks) for c in models.candidates),
            "distinct_blocks": len(blocks),
            "total_bytes": models.total_bytes,
            "distinct_bytes": models.distinct_bytes,
        },
        "dataset": {
            "name": dataset.name,
            "digest": dataset.digest,
            "train_items": len(dataset.train_items),
            "test_items": len(dataset.test_items),
            "classes": dataset.classes,
        },
        "environment": environment,
        "storage": {"bandwidth": storage.bytes_per_second, "cold": storage.cold},
        "resolved": {},
        "excluded": {},
        "repeats": [],
        "rounds": [],
        "ranking": [],
        "winner": None,
        "tree": None,
    }


def repeat(measurement: Measurement) -> dict[str, Any]:
    """One repeat's raw values: everything that the measurement holds but the timeline, a file of its own."""
    found = {**_fields(measurement), "valid": measurement.valid}
    del found["timeline"]
    return found


def over_budget(entry: Mapping[str, Any]) -> list[str]:
    """One text for every repeat and tier of ``entry`` whose peak exceeds its budget: there should be none."""
    return [
        f"{PEAKS[name]} reached {repeat['peaks'][PEAKS[name]]} where {name} allows {budget['bytes']}"
        for name, budget in entry["resolved"].items()
        for repeat in entry["repeats"]
        if not ("cache.memory" in entry["resolved"] and name in _DIVIDED)
        and budget["bytes"] is not None
        and repeat["peaks"].get(PEAKS[name], 0) > budget["bytes"]
    ]


def findings(result: SearchResult) -> dict[str, Any]:
    """What a search found, beside its measurement and its tree: rounds, ranking, winner and so on."""
    return {
        "excluded": result.excluded,
        "resolved": {name: _fields(budget) for name, budget in result.resolved.items()},
        "rounds": [_fields(round_) for round_ in result.rounds],
        "ranking": list(result.ranking),
        "winner": result.winner,
    }


def save(path: Path, record: Mapping[str, Any]) -> None:
    """Write ``record``; what was there before stays until the new one is whole.

    Raises:
        AlsatianError: it does not fit the schema, or cannot be written.
    """
    validation.check(record)
    saving.save(path, record)


def _fields(value: Any) -> dict[str, Any]:
    """The fields of a dataclass by name, their values as they are."""
    return {field.name: getattr(value, field.name) for field in fields(value)}
