"""Run records: one JSON file a run, written atomically, readable without this code."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alsatian.blocks.fingerprint import digest_json
from alsatian.data.dataset import Dataset
from alsatian.errors import ConfigError
from alsatian.files import write_json
from alsatian.models.model_set import ModelSet
from alsatian.runtime.meter import Measurement
from alsatian.searching.api import SearchResult
from alsatian.searching.rounds import RoundResult

SCHEMA = 1
# Settings that say where or how a run is carried out, not what it measures.
NOT_IDENTITY = ("results_dir", "store_dir", "force", "title", "sweep", "targets")


def run_id(config: Mapping[str, Any], model_set: ModelSet, dataset: Dataset) -> str:
    """Identity of a run: digest over its configuration, its model set and its data."""
    measured = {key: value for key, value in config.items() if key not in NOT_IDENTITY}
    return digest_json([measured, model_set.digest, dataset.digest])[:16]


def path_of(results: Path, experiment: str, identity: str) -> Path:
    """Where the record of a run lies."""
    return results / experiment / identity / "run.json"


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
    config: dict[str, Any],
    command: str,
    models: ModelSet,
    dataset: Dataset,
    environment: dict[str, Any],
) -> dict[str, Any]:
    """The record of a run that starts now."""
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
        "repeats": [],
        "rounds": [],
        "ranking": [],
        "winner": None,
    }


def repeat(measurement: Measurement) -> dict[str, Any]:
    """One repeat's raw values."""
    return {
        "wall_s": measurement.wall_s,
        "parts_s": measurement.parts_s,
        "counters": measurement.counters,
        "peaks": measurement.peaks,
        "valid": measurement.valid,
    }


def findings(result: SearchResult) -> dict[str, Any]:
    """Rounds, ranking and winner of a search."""
    return {
        "rounds": [_round(r) for r in result.rounds],
        "ranking": list(result.ranking),
        "winner": result.winner,
    }


def save(path: Path, record: Mapping[str, Any]) -> None:
    """Write ``record``; what was there before stays until the new one is whole.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        write_json(path, record)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); choose another results_dir") from None


def _round(result: RoundResult) -> dict[str, Any]:
    return {
        "train_items": result.train_items,
        "chunks": result.chunks,
        "scores": result.scores,
        "fingerprints": result.fingerprints,
    }
