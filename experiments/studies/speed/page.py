"""The page of the study of speed: times, ratios turn by turn, and what is aimed at."""

from collections.abc import Iterator, Mapping

import pandas as pd

from experiments.studies.speed.cells import AUTO, BEYOND, PUBLISHED, USUAL
from experiments.studies.study import Page, spread, table

BUSY = 0.5
"""Cores that other programs may keep busy before times are doubtful."""
OVER, STALLED, SCORING, LOSS, GROWTH = 1.15, 0.10, 0.10, 0.03, 1.2
"""Aims, at most: wall over limit; shares of waiting and, in the quickstart, of scoring; what a search may lose to
the published system; cost of a model among 500 over that among 50."""
RATIO = "faster"
LEAST = 0.02
"""Share of the wall time that is worth naming."""


def with_ratios(rows: pd.DataFrame) -> pd.DataFrame:
    """``rows`` with a column ``faster``: the published system's time over that of the row, in the same turn."""
    published = rows[rows["strategy"] == PUBLISHED].set_index(["cell", "turn"])["wall_s"]
    keys = pd.MultiIndex.from_frame(rows[["cell", "turn"]])
    return rows.assign(**{RATIO: published.reindex(keys).to_numpy() / rows["wall_s"].to_numpy()})


def page(rows: pd.DataFrame, load: float, references: bool, failed: Mapping[str, str] | None = None) -> Page:
    """The page of ``rows``, one a search.

    ``load`` is the load average before the study; ``references`` says whether searches that share nothing are among
    the scores that were compared; cells that ``failed`` stand with their reasons.
    """
    rows = with_ratios(rows)
    identical, kept = bool(rows["identical"].all()), bool(rows["kept"].all())
    against = "those of `base` with the same rounds and " if references else ""
    facts = [
        f"Scores and digests of features: {'all' if identical else 'NOT all'} of {rows['scores'].sum():,} that "
        f"could be compared equal {against}each other's.",
        "Budgets: kept in every search." if kept else f"Budgets: EXCEEDED in {_cells(rows, ~rows['kept'])}.",
        *aims(rows),
        *(f"FAILED: {cell}: {reason}." for cell, reason in (failed or {}).items()),
        *warnings(rows, load),
    ]
    blocks = [
        f"`{PUBLISHED}` stands for the published system, by eager kernels; others use `layout`. *Faster* is its "
        "time over that of the row, turn by turn. In each cell all take turns in one process, in changing order; "
        "short ones take more. Medians with their range. *Over limit* is wall time over the least that reading and "
        "computing need with all cores; the least to *read* and to *compute* stands beside it, in seconds. "
        "*Before* are seconds around the search's own clock, those of profiling among them, in the first turn.",
        "\n".join(f"- {line}" for line in facts),
    ]
    for cell, own in rows.groupby("cell", sort=False):
        blocks += [f"## {cell}", table(_line(name, some) for name, some in own.groupby("strategy", sort=False))]
    return Page("Speed", blocks, rows.drop(columns=RATIO).round(6), good=identical and kept and not failed)


def _line(name: object, own: pd.DataFrame) -> dict[str, object]:
    terms = own[["least_inference_s", "least_decoding_s", "least_scoring_s"]].sum(axis=1)
    return {
        "search": f"`{name}`",
        "N": len(own),
        "wall s": spread(own["wall_s"]),
        RATIO: "" if name == PUBLISHED else spread(own[RATIO], "{:.2f}×"),
        "over limit": spread(own["over_limit"].dropna(), "{:.2f}×"),
        "read": f"{own['least_reading_s'].median():.2f}",
        "compute": f"{terms.median():.2f}",
        "stalled": spread(own["stalled"], "{:.0%}"),
        "scoring": spread(own["scoring"], "{:.0%}"),
        "before s": f"{own['before_s'].iloc[0]:.2f}",
    }


def aims(rows: pd.DataFrame) -> Iterator[str]:
    """What is aimed at, where it was measured, and whether it is reached."""
    of = {
        str(cell): {str(name): some.median(numeric_only=True) for name, some in own.groupby("strategy", sort=False)}
        for cell, own in rows.groupby("cell", sort=False)
    }
    auto = {cell: found[AUTO] for cell, found in of.items() if AUTO in found}
    tight = {cell: found for cell, found in auto.items() if cell == "quickstart" or cell.startswith("fig10/")}
    yield from _aim(
        f"`{AUTO}` is never slower than `{PUBLISHED}` by more than {LOSS:.0%}",
        {cell: f"{found[RATIO]:.2f}×" for cell, found in auto.items() if found[RATIO] < 1 - LOSS}, auto,
    )  # fmt: skip
    yield from _aim(
        f"`{AUTO}` takes at most {OVER}× the limit",
        {cell: _missed(found) for cell, found in tight.items() if found["over_limit"] > OVER}, tight,
    )  # fmt: skip
    yield from _aim(
        f"`{AUTO}` waits for under {STALLED:.0%} of its time",
        {cell: f"{found['stalled']:.0%}" for cell, found in tight.items() if found["stalled"] >= STALLED}, tight,
    )  # fmt: skip
    scoring = {name: found["scoring"] for name, found in of.get("quickstart", {}).items() if name in (AUTO, USUAL)}
    yield from _aim(
        f"Scoring takes at most {SCORING:.0%} of the quickstart",
        {f"`{name}`": f"{share:.0%}" for name, share in scoring.items() if share > SCORING}, scoring,
    )  # fmt: skip
    grown = {}
    for name in (USUAL, AUTO):
        many, few = (of.get(f"models/{count}", {}).get(name) for count in (500, 50))
        if many is not None and few is not None:
            grown[f"`{name}`"] = (many["wall_s"] / many["models"]) / (few["wall_s"] / few["models"])
    yield from _aim(
        f"A model among 500 costs at most {GROWTH}× one among 50",
        {name: f"{growth:.2f}×" for name, growth in grown.items() if growth > GROWTH}, grown,
    )  # fmt: skip


def _missed(found: "pd.Series[float]") -> str:
    """How far the limit was missed, and what for: the largest shares of the wall time that are not in it."""
    beyond = found[[name for name in found.index if str(name).startswith(BEYOND)]].nlargest(3)
    told = [f"{str(name).removeprefix(BEYOND)} {share:.0%}" for name, share in beyond.items() if share >= LEAST]
    return f"{found['over_limit']:.2f}×" + (f" ({', '.join(told)})" if told else "")


def _aim(what: str, missed: dict[str, str], of: object) -> Iterator[str]:
    """A line on what is aimed at, unless there was nothing ``of`` which to tell."""
    if of:
        told = ", ".join(f"{name} {value}" for name, value in missed.items())
        yield f"{what}: {f'NOT REACHED: {told}' if missed else 'reached'}."


def warnings(rows: pd.DataFrame, load: float) -> Iterator[str]:
    """What makes the times doubtful."""
    if load > BUSY:
        yield f"WARNING: the load average was {load:.1f} before the study; times are doubtful."
    busy = rows["others"].astype(float) > BUSY
    if busy.any():
        yield (
            f"WARNING: other programs kept more than {BUSY} cores busy in {busy.sum()} of {len(rows)} searches "
            f"({_cells(rows, busy)}): {spread(rows.loc[busy, 'others'])} cores."
        )


def _cells(rows: pd.DataFrame, which: "pd.Series[bool]") -> str:
    return ", ".join(dict.fromkeys(map(str, rows.loc[which, "cell"])))
