"""Run records for the tests. All numbers in them are made up; nothing here was measured."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alsatian.records import reading

MADE_UP_PARTS = {
    "planning": 0.01,
    "prepare_model": 1.0,
    "prepare_data": 0.25,
    "inference": 2.0,
    "proxy_scoring": 0.5,
    "cache_io": 0.04,
    "other": 0.2,
}
# Base sees all items at once; the others halve and end on all items.
MADE_UP_SCORES = {"m0": 0.5, "m1": 0.625, "m2": 0.75, "m3": 0.1 + 0.2}
EVERY_STRATEGY = {"base": 16.0, "shift": 8.0, "shared_prefix": 5.0, "alsatian": 4.0}


def made_up_record(strategy: str = "alsatian", walls: tuple[float, ...] = (4.0, 4.1, 4.3), **changes: Any) -> Any:
    """A whole record of schema 2; ``changes`` replace values by dotted key (``__`` for a dot)."""
    halves = strategy != "base"
    last = {"m2": 0.75, "m1": 0.625} if halves else dict(MADE_UP_SCORES)
    rounds = [{"train_items": 960, "chunks": 1, "scores": last, "fingerprints": {m: f"fp-{m}" for m in last}}]
    if halves:
        first = {model: score - 0.125 for model, score in MADE_UP_SCORES.items()}
        digests = {model: f"half-{model}" for model in first}
        rounds.insert(0, {"train_items": 480, "chunks": 2, "scores": first, "fingerprints": digests})
    record: dict[str, Any] = {
        "schema": 2,
        "run_id": f"id-{strategy}",
        "experiment": "made_up",
        "status": "ok",
        "error": None,
        "command": "alsatian run experiment=made_up",
        "started": "2026-01-02T03:04:05+00:00",
        "finished": "2026-01-02T03:05:05+00:00",
        "config": {
            "name": "made_up",
            "title": "Made-up numbers, not a measurement",
            "strategy": {"_target_": f"somewhere.{strategy.title()}", "name": strategy},
            "schedule": {"_target_": f"schedules.{'Halving' if halves else 'Exhaustive'}"},
            "sharing": "prefix" if strategy in ("shared_prefix", "alsatian") else "none",
            "order": {"_target_": "orders.Given"},
            "cache": {"policy": {"_target_": "policies.Lru"}, "budget": "16MiB", "block_budget": "1GiB"},
            "proxy": {"_target_": "proxies.Linear", "epochs": 100},
            "dataset": {"_target_": "data.digits", "items": 1200},
            "model_set": {"_target_": "models.Trained", "name": "digits_finetunes", "count": 4},
            "device": {"name": "cpu", "threads": None},
            "batch_size": 64,
            "seed": 0,
            "scale": "laptop",
            "repeats": len(walls),
            "results_dir": "results",
        },
        "model_set": {
            "name": "digits_finetunes",
            "digest": "aaaaaaaaaaaa",
            "models": 4,
            "blocks": 36,
            "distinct_blocks": 20,
            "total_bytes": 187_000_000,
            "distinct_bytes": 90_000_000,
        },
        "dataset": {
            "name": "digits",
            "digest": "dddddddddddd",
            "train_items": 960,
            "test_items": 240,
            "classes": 10,
        },
        "environment": {
            "code": {"version": "0.1.0", "commit": "abc123", "dirty": False},
            "python": "3.11.7",
            "platform": "Made-up-OS",
            "libraries": {"torch": "2.15.0", "numpy": "2.3.0"},
            "cpu": "Made-up CPU",
            "cores": 2,
            "threads": 2,
            "memory_bytes": 8_000_000_000,
            "gpu": None,
            "cuda": None,
            "driver": None,
            "determinism": {"cudnn_benchmark": False, "OMP_NUM_THREADS": None},
        },
        "storage": {"bandwidth": 200_000_000, "cold": True},
        "resolved": {"cache.budget": {"requested": "16MiB", "bytes": 16 * 1024**2}},
        "excluded": {},
        "repeats": [
            {
                "wall_s": wall,
                "parts_s": {part: seconds * wall / 4 for part, seconds in MADE_UP_PARTS.items()},
                "counters": {"bytes_read": 180_000_000, "block_executions": 5400, "hits": 10},
                "peaks": {"cache_bytes": 12_000_000, "resident_block_bytes": 1, "feature_bytes": 2},
                "valid": True,
            }
            for wall in walls
        ],
        "rounds": rounds,
        "ranking": ["m2", "m1", "m0", "m3"],
        "winner": "m2",
    }
    for key, value in changes.items():
        *folders, name = key.split("__")
        place = record
        for folder in folders:
            place = place[folder]
        place[name] = copy.deepcopy(value)
    return record


def write_records(folder: Path, *records: Any) -> Path:
    """Write records as the runner does, each under its run id."""
    for record in records:
        path = folder / record["run_id"] / "run.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(record))
    return folder


@pytest.fixture(scope="session")
def record() -> Callable[..., Any]:
    """The factory of made-up records."""
    return made_up_record


@pytest.fixture(scope="session")
def write() -> Callable[..., Path]:
    """Writes records into a folder."""
    return write_records


@pytest.fixture
def load_runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Writes records and loads them as runs."""

    def load(*made_up: Any) -> Any:
        return reading.load(write_records(tmp_path_factory.mktemp("results"), *made_up)).runs

    return load


@pytest.fixture(scope="session")
def four_records() -> list[Any]:
    """The four strategies; base needs 16 s, alsatian 4 s."""
    return [made_up_record(name, (wall, wall + 1, wall * 0.5)) for name, wall in EVERY_STRATEGY.items()]


WORKING_SET = 4_000_000
# Of every line its block executions at each budget; the same numbers of hits, of 30 requests, are made up.
EXECUTIONS = {
    "none": {"2%": 9000, "10%": 9000, "50%": 9000, "100%": 9000},
    "lru": {"2%": 9000, "10%": 8000, "50%": 3000, "100%": 2000},
    "belady": {"2%": 9000, "10%": 6000, "50%": 2000, "100%": 2000},
    "planned": {"2%": 2000, "10%": 2000, "50%": 2000, "100%": 2000},
}


def budget_bytes(budget: str | int) -> int:
    """Bytes of a share of the made-up working set, or of what is bytes already."""
    return int(WORKING_SET * float(budget.rstrip("%")) / 100) if isinstance(budget, str) else budget


def made_up_sweep(executions: Any = None, **changes: Any) -> list[Any]:
    """A record for each line and budget of ``executions``."""
    made_up = []
    for line, points in (executions or EXECUTIONS).items():
        for budget, count in points.items():
            wall = count / 1000
            record = made_up_record(
                line, (wall, wall * 1.25, wall * 0.75), run_id=f"{line}-{budget}",
                config__cache={"policy": {"_target_": f"policies.{line}.{line.title()}"}, "budget": budget},
                config__schedule={"_target_": "schedules.Halving"}, config__sharing="prefix", **changes,
            )  # fmt: skip
            record["resolved"] = {"cache.budget": {"requested": budget, "bytes": budget_bytes(budget)}}
            for repeat in record["repeats"]:
                hits = 30 - count // 300
                repeat["counters"] |= {"block_executions": count, "hits": hits, "misses": 30 - hits}
                repeat["peaks"] = {"cache_bytes": min(1_000, budget_bytes(budget))}
            made_up.append(record)
    return made_up


@pytest.fixture(scope="session")
def sweep_records() -> Callable[..., list[Any]]:
    """The factory of a made-up sweep's records."""
    return made_up_sweep
