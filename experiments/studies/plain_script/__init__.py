"""How long `alsatian search` takes, beside a plain script.

Both rank the same fine-tunes of one ResNet-18 on the same JPEG files, each in a process of its own, in turns, the
page cache emptied before each. The command is timed twice in every turn: with an empty store, and again with what
the first call left there but for the features. Times are from the start of the process to its end.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd

from alsatian.errors import AlsatianError, ConfigError
from alsatian.runtime.storage.page_cache import drop
from experiments.studies.plain_script.material import checkpoints, images, kinds
from experiments.studies.study import Page, Say, spread, table

SCRIPT = Path(__file__).with_name("script.py")
LIMIT, SHARE = 1.3, 0.25
"""Largest time of a second call over its own inference, decoding and scoring, and over the script's time."""
ARCHITECTURE_S, HASHED_PER_S = 1.5, 1e9
"""What a first call may take beyond that limit: seconds for an architecture, and bytes of files a second."""
_NEEDED = ("inference", "prepare_data", "proxy_scoring")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the study's arguments."""
    parser.add_argument("--models", type=int, default=12, help="fine-tunes (default: %(default)s)")
    parser.add_argument("--items", type=int, default=500, help="images (default: %(default)s)")
    parser.add_argument("--side", type=int, default=500, help="pixels of their longer side (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="turns (default: %(default)s)")


def run(options: argparse.Namespace, say: Say) -> Iterator[Page]:
    """Time all, and yield the page after every turn."""
    if options.repeats < 1 or options.models < 2 or options.items < 50:
        raise ConfigError("--repeats must be at least 1, --models at least 2, --items at least 50")
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="alsatian-") as place:
        root = Path(place)
        pictures = images(root / "images", options.items, options.side)
        models = checkpoints(root / "models", pictures, options.models, 224)
        files = [*models.iterdir(), *pictures.rglob("*.jpg")]
        for turn in range(options.repeats):
            ways = ["script", "search"] if turn % 2 == 0 else ["search", "script"]
            for way in ways:
                drop(files)
                load = os.getloadavg()[0]
                if way == "script":
                    seconds, _ = timed([sys.executable, str(SCRIPT), str(models), str(pictures)], root)
                    rows.append({"turn": turn, "way": "plain script", "seconds": seconds, "load": load})
                else:
                    rows += searched(turn, models, pictures, files, root)
            say(f"turn {turn + 1} of {options.repeats}: " + ", ".join(
                f"{row['way']} {row['seconds']:.1f} s" for row in rows if row["turn"] == turn))  # fmt: skip
            yield page(pd.DataFrame(rows), options)


def searched(turn: int, models: Path, pictures: Path, files: Sequence[Path], root: Path) -> list[dict[str, Any]]:
    """Two calls of the command: with an empty store, and with what that one left but for features."""
    store, out, rows = root / "store", root / "out", []
    shutil.rmtree(store, ignore_errors=True)
    command = [
        sys.executable, "-m", "alsatian", "search", str(models), "--data", str(pictures), "--store", str(store),
        "--out", str(out), "--no-reuse",
    ]  # fmt: skip
    size = sum(path.stat().st_size for path in models.iterdir())
    for way in ("first call", "second call"):
        drop([*files, *(path for path in store.rglob("*") if path.is_file())])
        load = os.getloadavg()[0]
        seconds, _ = timed(command, root)
        record = json.loads((out / "ranking.json").read_text())
        parts = record["parts_s"]
        rows.append({
            "turn": turn, "way": way, "seconds": seconds, "load": load, "file_bytes": size,
            "wall_s": record["wall_s"],
            "predicted_s": record["predicted_s"], "needed_s": sum(parts.get(part, 0.0) for part in _NEEDED),
            **{part: parts.get(part, 0.0) for part in _NEEDED},
        })  # fmt: skip
    return rows


def timed(command: Sequence[str], folder: Path) -> tuple[float, str]:
    """Seconds from the start of ``command`` to its end, and what it printed.

    Raises:
        AlsatianError: it failed.
    """
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise AlsatianError(f"{' '.join(command[1:4])} failed: {done.stderr.strip().splitlines()[-1:]}")
    return seconds, done.stdout


def page(rows: pd.DataFrame, options: argparse.Namespace) -> Page:
    """Times, ratios turn by turn, and whether the aims are reached."""
    by_turn = rows.pivot(index="turn", columns="way", values="seconds")
    second = rows[rows["way"] == "second call"].set_index("turn")
    over = (second["seconds"] / second["needed_s"]).tolist()
    share = {way: (by_turn[way] / by_turn["plain script"]).tolist() for way in ("first call", "second call")}
    lines = [
        {
            "what": way,
            "N": len(by_turn[way]),
            "seconds": spread(by_turn[way], "{:.1f}"),
            "of the script's": "" if way == "plain script" else spread(share[way]),
        }
        for way in ("plain script", "first call", "second call")
    ]
    first = rows[rows["way"] == "first call"].set_index("turn")
    beyond = (first["seconds"] - LIMIT * first["needed_s"]).tolist()
    allowed = ARCHITECTURE_S + first["file_bytes"].median() / HASHED_PER_S
    parts = ", ".join(f"{part.replace('_', ' ')} {spread(second[part], '{:.2f}')} s" for part in _NEEDED)
    aims = {LIMIT: over, SHARE: share["second call"], float(allowed): beyond}
    good = all(median(found) <= aim for aim, found in aims.items())
    predicted = (second["predicted_s"] / second["wall_s"]).dropna()
    return Page(
        "A ranking, beside a plain script",
        [
            f"{options.models} fine-tunes of one ResNet-18 ({', '.join(kinds(options.models))}) as files, "
            f"{options.items} JPEG files of {options.side} by {options.side * 3 // 4} pixels, 224 pixels for the "
            "models. The script runs each model over all images and fits scikit-learn's logistic regression; the "
            "command halves the models over rounds, shares their first blocks and fits the same. Median and range.",
            table(lines),
            f"The second call over its own inference of distinct blocks, decoding and scoring ({parts}): "
            f"**{spread(over)}** (aim: at most {LIMIT}). Its share of the script's time: "
            f"**{spread(share['second call'])}** (aim: at most {SHARE}). What it predicted over what the search "
            f"took: {spread(predicted)}.",
            f"The first call beyond {LIMIT} times its own (it reads, hashes and stores {options.models} files and "
            f"exports an architecture): **{spread(beyond)} s** (aim: at most {allowed:.2f} s, {ARCHITECTURE_S} s "
            "of them for the architecture, the rest for hashing at 1 GB/s).",
            f"Load average before each: {spread(rows['load'], '{:.1f}')}.",
        ],
        data=rows.round(4),
        good=good,
    )
