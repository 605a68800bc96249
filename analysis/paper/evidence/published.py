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
def rows() -> pd.DataFrame:
    """All rows of all figures, in the paper's order."""
    with resources.files("analysis.paper").joinpath(FILE).open(encoding="utf-8") as file:
        found = pd.read_csv(file, dtype=str, keep_default_na=False)
    items = pd.to_numeric(found["items"], errors="coerce").astype("Int64")
    return found.assign(items=items, value=found["value"].astype(float))


@cache
def values(figure: str) -> pd.DataFrame:
    """The measured heights of ``figure``, e.g. ``"10"``, without printed labels; times in seconds.

    Empty for a figure that the paper has not.
    """
    found = rows()
    found = found[(found["figure"] == figure) & (found["source"] != "label")]
    return found.assign(value=found["value"] * found["unit"].map(SECONDS).astype(float).fillna(1.0))
