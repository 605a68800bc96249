"""What two sweeps left behind, compared: everything but times has to be equal."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from alsatian.records import reading
from alsatian.store.maintenance import open_store, verify

TIMES = ("wall_s", "wall_min", "wall_max", "speedup", "over_limit", "stalled_share")


def records(results: Path) -> list[Path]:
    """Run records below ``results``, finished or not."""
    return sorted(results.glob("*/*/run.json"))


def finished(results: Path) -> dict[Path, bytes]:
    """The records of finished runs below ``results``, as bytes."""
    contents = {path: path.read_bytes() for path in records(results)}
    return {path: content for path, content in contents.items() if json.loads(content)["status"] == "ok"}


def differences(one: Path, other: Path) -> list[str]:
    """One line for everything but times in which the sweeps in two folders differ, or that is not right."""
    lines = _table(one / "results", other / "results")
    ours, theirs = _found(one / "results"), _found(other / "results")
    if ours.keys() != theirs.keys():
        lines.append(f"other runs: {sorted(ours.keys() ^ theirs.keys())}")
    for run in ours.keys() & theirs.keys():
        lines += [f"{run}: another {key}" for key in ours[run] if ours[run][key] != theirs[run][key]]
    for folder in (one, other):
        lines += [f"left behind: {path}" for path in folder.joinpath("results").rglob(".*.tmp")]
        for path, kind in reading.files(folder / "results").items():
            lines += reading.problems(path, kind)
        for path in folder.joinpath("results").glob("*/sweeps/*.json"):
            manifest = json.loads(path.read_bytes())
            lines += [
                f"{path}: {run['label']}: {run['status']}" for run in manifest["runs"] if run["status"] != "ok"
            ]
        lines += verify(open_store(folder / "store"))
    return lines


def _found(results: Path) -> dict[str, dict[str, Any]]:
    """What every run found, by run id."""
    found = {}
    for path in records(results):
        record = json.loads(path.read_bytes())
        keys = ("status", "rounds", "ranking", "winner", "model_set", "dataset", "excluded", "resolved")
        found[record["run_id"]] = {key: record[key] for key in keys}
    return found


def _table(one: Path, other: Path) -> list[str]:
    """Differences between the summary tables of the experiments in two results folders."""
    lines = []
    tables = {path.relative_to(one): path for path in one.glob("*/summary.csv")}
    if tables.keys() != {path.relative_to(other) for path in other.glob("*/summary.csv")} or not tables:
        return ["the experiments are not the same"]
    for name, path in tables.items():
        ours, theirs = (_facts(table) for table in (path, other / name))
        if list(ours) != list(theirs) or len(ours) != len(theirs):
            lines.append(f"{name}: other columns or another number of rows")
            continue
        lines += [f"{name}: column {column} differs" for column in ours if not ours[column].equals(theirs[column])]
    return lines


def _facts(table: Path) -> pd.DataFrame:
    """A summary table without its times, every cell as the text it is."""
    read = pd.read_csv(table, dtype=str, keep_default_na=False)
    columns = [str(name) for name in read.columns]
    return read[[name for name in columns if name not in TIMES and not name.endswith("_s")]]
