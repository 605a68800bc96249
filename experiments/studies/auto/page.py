"""What comes of comparing ``auto`` with ``alsatian``."""

from collections.abc import Iterator, Mapping
from statistics import median
from typing import Any

import pandas as pd

from alsatian.units import format_bytes
from experiments.studies.study import Page, spread, table

USUAL, AUTO = "alsatian", "auto"
GOAL = 1.05
"""Most of the usual time that ``auto`` may take."""
TIGHT = 10.0
"""Percent; memory is tight where one of the shares is at most that."""
NONE = "does not fit"
SHOWN = ["cache", "blocks", "both", "N", f"`{USUAL}` s", f"`{AUTO}` s", "ratio", "MB read", "MB held"]
COLUMNS = ["cache", "blocks", "schedule", "memory", "both", "tight", "N", USUAL, AUTO, "ratio", "planning"]
COLUMNS += ["MB read", "MB held", "reason"]
"""Of pairs; the others are those of the page's tables."""


def page(samples: pd.DataFrame) -> Page:
    """Verdicts, tables by schedule, and every search as data.

    ``samples`` has a line a search: its budgets (``cache`` and ``blocks`` as shares, ``cache_bytes`` and
    ``block_bytes``), ``schedule``, ``strategy``, ``wall_s`` (missing if no plan fits), ``planning_s`` of them,
    ``profile_s`` in which the machine was measured before them,
    ``bytes_read`` of block files, ``memory_bytes`` (the most that intermediates and resident blocks had together),
    ``schedule_chosen`` by an adaptive schedule, and ``notes``, what the plans of all rounds say about themselves.
    """
    found = pairs(samples)
    blocks = [
        "The quickstart's models, searched with `alsatian` and with `auto`. Shares of the cache are of all that an "
        "exhaustive round could use again, those of the blocks of all distinct ones; `auto` divides the sum of "
        "both as it likes. At each pair of shares all kinds of search take turns, in changing order. *Ratio* is of "
        "`auto` over `alsatian` in the same turn. Times and ratios are medians with their range. *MB read* and "
        "*MB held* (the most that intermediates and resident blocks had together) are of `alsatian` → of `auto`. "
        "All searches found the same scores and features, and none held more than both budgets together.",
        "\n".join(f"- {line}" for line in verdicts(found)),
    ]
    shown = found.assign(ratio=found["ratio"].map(spread))
    for name in (USUAL, AUTO):
        shown[f"`{name}` s"] = [spread(walls, none=NONE) for walls in found[name]]
    for schedule, rows in shown.groupby("schedule", sort=False):
        reasons = [f"- {row['memory']}: {row['reason']}." for row in rows.to_dict("records")]
        blocks += [f"## {str(schedule).capitalize()}", table(rows[SHOWN].astype(str))]
        blocks += ["What `auto` chose in the first round, and why:", "\n".join(reasons)]
    planned = samples[samples["strategy"] == AUTO].groupby(["cache", "blocks"], sort=False)
    if adaptive := [_adaptive(own) for _, own in planned if "adaptive" in set(own["schedule"])]:
        blocks += ["## Adaptive", "Seconds of `auto` by schedule; the faster one should have been chosen."]
        blocks.append(table(adaptive))
    data = samples.assign(notes=samples["notes"].map(" | ".join))
    return Page("Planning by predicted time against the usual plans", blocks, data)


def pairs(samples: pd.DataFrame) -> pd.DataFrame:
    """A line for every memory and schedule that both strategies were run with, in the same turns.

    Columns: ``alsatian`` and ``auto`` (seconds of the searches that fit), their ``ratio`` turn by turn (none if one
    of both does not fit), ``planning`` (shares of the time of ``auto``), ``tight``, and what tables show.
    """
    lines = []
    for _, some in samples.groupby(["cache", "blocks", "schedule"], sort=False):
        both = [some[some["strategy"] == name] for name in (USUAL, AUTO)]
        if any(own.empty for own in both):
            continue
        fits = [own.dropna(subset="wall_s") for own in both]
        usual, auto = (own["wall_s"].tolist() for own in fits)
        first: dict[Any, Any] = some.iloc[0].to_dict()
        line = {name: first[name] for name in ("cache", "blocks", "schedule")} | {USUAL: usual, AUTO: auto}
        line["memory"] = "cache {cache}, blocks {blocks}".format_map(line)
        line["both"] = format_bytes(first["cache_bytes"] + first["block_bytes"])
        line["tight"] = min(float(first[name].rstrip("%")) for name in ("cache", "blocks")) <= TIGHT
        line["N"] = min(len(usual), len(auto))
        line["ratio"] = [b / a for a, b in zip(usual, auto, strict=False)]
        line["planning"] = (fits[1]["planning_s"] / fits[1]["wall_s"]).tolist()
        for title, name in {"MB read": "bytes_read", "MB held": "memory_bytes"}.items():
            line[title] = " → ".join(f"{own[name].median() / 1e6:.1f}" if len(own) else "–" for own in fits)
        notes = [one[0] for one in both[1]["notes"] if one]
        line["reason"] = notes[0] if notes else "as usual" if auto else "no plan fits"
        lines.append(line)
    return pd.DataFrame(lines, columns=COLUMNS)


def verdicts(found: pd.DataFrame) -> Iterator[str]:
    """Whether ``auto`` is never slower, and how much faster where memory is tight."""
    where = found["memory"] + ", " + found["schedule"]
    compared = found[found["ratio"].map(bool)]
    if compared.empty:
        yield "Nothing fits both, so nothing is compared."
        return
    ratios = compared["ratio"].map(median)
    worst, kept = int(ratios.argmax()), int((ratios <= GOAL).sum())
    yield (
        f"Goal, never more than {GOAL - 1:.0%} slower: {'kept' if kept == len(ratios) else 'not kept'}, at {kept} "
        f"of {len(ratios)} pairs and schedules; the largest ratio is {spread(compared['ratio'].iloc[worst])}, "
        f"at {where[compared.index].iloc[worst]}."
    )
    for name, tight in ((f"tight (a share of at most {TIGHT:g} %)", True), ("ample", False)):
        if some := ratios[compared["tight"] == tight].tolist():
            yield f"Where memory is {name} the ratio is {spread(some)}, the medians of {len(some)}."
    if only := where[found[AUTO].map(bool) & ~found[USUAL].map(bool)].tolist():
        yield f"Only `auto` finds a plan that fits: {'; '.join(only)}."
    share = compared["planning"].explode()
    yield f"Planning takes {share.median():.1%} of the time of `auto`, at most {share.max():.1%}."


def _adaptive(own: pd.DataFrame) -> Mapping[str, Any]:
    """What an adaptive schedule chose beside what the schedules themselves took, of searches by ``auto``."""
    times = {name: own.loc[own["schedule"] == name, "wall_s"] for name in ("halving", "exhaustive", "adaptive")}
    *both, adaptive = (walls.median() for walls in times.values() if len(walls))
    known = all(walls.notna().any() for walls in times.values())
    return {
        **own[["cache", "blocks"]].iloc[0],
        **{f"{name} s": spread(w.dropna(), none=NONE if len(w) else "–") for name, w in times.items()},
        "chosen": ", ".join(dict.fromkeys(filter(None, own["schedule_chosen"]))),
        "over the faster": f"{adaptive / min(both):.2f}" if known else "–",
    }
