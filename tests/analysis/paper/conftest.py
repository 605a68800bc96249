"""Made-up records of the paper's figures: the published times at a twentieth of their length."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.paper.evidence import published

SCALED = ["8 models instead of 35", "20 MB/s instead of 200 MB/s"]
FASTER = 20
# Ours at its best, over alsatian.
BEST = 0.8


def cells_of(number: str, best: bool) -> dict[tuple[str, int, str, str], dict[str, float]]:
    """Published seconds of every component (Fig 5: percent), by workload, items, distribution and approach."""
    found: dict[tuple[str, int, str, str], dict[str, float]] = {}
    for row in published.values(number).to_dict("records"):
        key = (row["workload"], int(row["items"]), row["distribution"], row["approach"] or "base")
        found.setdefault(key, {})[row["component"]] = row["value"]
    for (*place, approach), parts in list(found.items()):
        if best and approach == "alsatian":
            found[*place, "auto"] = {name: BEST * value for name, value in parts.items()}
    return found


def digest(*values: Any) -> str:
    """A digest as records have them."""
    return hashlib.sha256(repr(values).encode()).hexdigest()


@pytest.fixture(scope="session")
def as_published(record: Callable[..., Any]) -> Callable[..., list[Any]]:
    """Makes run records of a figure, as published but for the machine's speed; ``repeats`` over the published."""

    def make(
        number: str, best: bool = False, scale: str = "laptop", repeats: tuple[float, ...] = (1, 1.02, 0.99)
    ) -> list[Any]:
        made = []
        for (workload, items, distribution, approach), parts in cells_of(number, best).items():
            parts = {name: value / FASTER for name, value in parts.items()}
            total = parts.pop("total", sum(parts.values()))
            one = record(approach, tuple(total * factor for factor in repeats))
            one["run_id"] = digest(number, workload, items, distribution, approach)[:16]
            one["experiment"] = f"fig{number}"
            one["config"] |= {
                "name": f"fig{number}",
                "scale": scale,
                "figure": {"number": number},
                "scaled": SCALED,
                "paper": {"workload": workload, "items": items, "distribution": distribution},
            }
            one["model_set"]["digest"] = digest(workload.partition("@")[0], distribution)[:12]
            one["dataset"]["digest"] = digest(items)[:12]
            for repeat in one["repeats"]:
                share = repeat["wall_s"] / total
                repeat["parts_s"] = {name: share * value for name, value in parts.items()}
            made.append(one)
        return made

    return make


@pytest.fixture(scope="session")
def blocks_document() -> Callable[..., Any]:
    """Makes what ``blocks.json`` holds."""

    def make(workload: str, parameters: list[int], *seconds: list[float], scale: str = "laptop") -> Any:
        repeats = seconds if len(seconds) > 1 else [[share * s for s in seconds[0]] for share in (0.9, 1, 1.5)]
        return {
            "schema": 1,
            "config": {
                "name": "fig12",
                "scale": scale,
                "figure": {"number": 12},
                "paper": {"workload": workload},
            },
            "blocks": [
                {"name": f"block{i}", "parameters": count, "inference_s": list(times)}
                for i, (count, *times) in enumerate(zip(parameters, *repeats, strict=True))
            ],
        }

    return make


@pytest.fixture(scope="session")
def overlap_document() -> Callable[..., Any]:
    """Makes what ``overlap.json`` holds."""

    def one(number: int, shared: int) -> Any:
        return {
            "id": f"m{number}", "family": 0, "blocks": 10, "common_blocks": shared, "shared_blocks": shared // 2,
            "shared_fraction": 0.1, "shared_bytes_fraction": 0.1, "parameter_bytes": 10, "partner": None,
            "near_miss": None,
        }  # fmt: skip

    def make(workload: str, sharing: float, models: int = 100, scale: str = "laptop") -> Any:
        sharers = round(sharing * models)
        return {
            "config": {
                "name": "overlap",
                "scale": scale,
                "figure": {"number": "overlap"},
                "paper": {"workload": workload},
            },
            "digest": "made up",
            "models": [one(i, (i < sharers) + (i < sharers / 2)) for i in range(models)],
            "families": [],
            "total_bytes": 1000,
            "distinct_bytes": 400,
            "total_blocks": 10 * models,
            "distinct_blocks": 10,
        }

    return make


@pytest.fixture(scope="session")
def place() -> Callable[..., Path]:
    """Writes documents into a folder as ``<folder>/<number>/<name>``."""

    def put(folder: Path, name: str, *documents: Any) -> Path:
        for i, document in enumerate(documents):
            path = folder / str(i) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(document))
        return folder

    return put
