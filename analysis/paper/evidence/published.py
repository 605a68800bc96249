"""The numbers that the paper published, ``analysis/paper.csv``.

Columns: ``figure``, ``panel``, ``workload``, ``items``, ``distribution``, ``approach`` (base, shift, alsatian),
``component`` (total or a part; Fig 12: params, inference), ``value``, ``unit`` and ``source``: read off the vector
graphics (svg), printed in the figure (label) or said in the text (text).
"""

from functools import cache
from importlib import resources

import pandas as pd

FILE = "paper.csv"
# Seconds of each unit of time.
SECONDS = {"seconds": 1.0, "minutes": 60.0, "milliseconds": 1e-3}


@cache
def _all() -> pd.DataFrame:
    with resources.files("analysis.paper").joinpath(FILE).open(encoding="utf-8") as file:
        found = pd.read_csv(file, dtype=str, keep_default_na=False)
    items = pd.to_numeric(found["items"], errors="coerce").astype("Int64")
    return found.assign(items=items, value=found["value"].astype(float))


def rows(figure: str) -> pd.DataFrame:
    """All rows of ``figure``, e.g. ``"10"``; empty for a figure that the paper has not."""
    found = _all()
    return found[found["figure"] == figure].reset_index(drop=True)


def figures() -> list[str]:
    """Numbers of the figures, in the paper's order."""
    return list(_all()["figure"].unique())


def values(figure: str) -> pd.DataFrame:
    """The measured heights of ``figure``, without printed labels; times in seconds (unit ``seconds``)."""
    found = rows(figure)
    found = found[found["source"] != "label"].reset_index(drop=True)
    factors = found["unit"].map(SECONDS)
    times = factors.notna()
    return found.assign(
        value=found["value"].where(~times, found["value"] * factors.fillna(1.0)),
        unit=found["unit"].where(~times, "seconds"),
    )


def labels(figure: str) -> pd.DataFrame:
    """The speed-ups over base that are printed in ``figure``."""
    found = rows(figure)
    return found[found["unit"] == "speedup"].reset_index(drop=True)
