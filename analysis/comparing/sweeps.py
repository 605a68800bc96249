"""Sweeps over the cache budget: which runs make lines, the numbers of their points, and what they say."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

import pandas as pd

from alsatian.records import Budget, Run
from alsatian.units import format_bytes, size_of
from analysis.comparing.checks import ScoreCheck
from analysis.comparing.comparable import computed
from analysis.comparing.labels import in_order, short
from analysis.comparing.measurements import median_count

SETTING = "cache.budget"
# What is drawn over it if nobody asks for something else.
METRICS = ("wall_s", "block_executions", "hit_ratio")
# Budgets that a line needs to say more than two bars would.
LEAST = 3
# More lines than this are not called by name where "the others" will do.
MANY = 4


@dataclass(frozen=True)
class Sweep:
    """Runs that differ in the cache budget, as lines.

    Attributes:
        points: a row for each run, by line and rising budget; the line with the most block executions
            comes first. Columns: ``line`` (what the runs have in common), ``budget_bytes``,
            ``budget_share`` of the working set (NaN unless all budgets were asked for as shares), and the median
            of ``block_executions``.
        runs: in the order of ``points``.
    """

    points: pd.DataFrame
    runs: tuple[Run, ...]

    @property
    def axis(self) -> str:
        """The column that budgets are read from: shares of the working set if all are, else bytes."""
        return "budget_share" if self.points["budget_share"].notna().all() else "budget_bytes"

    @property
    def budgets(self) -> list[float]:
        """All budgets of ``axis``, rising."""
        return sorted(self.points[self.axis].unique())

    @property
    def lines(self) -> list[str]:
        """Names of the lines."""
        return list(self.points["line"].unique())

    @property
    def middle(self) -> float:
        """The middle one of the budgets, the larger one of two."""
        return self.budgets[len(self.budgets) // 2]

    def beside(self, budget: float) -> frozenset[str]:
        """Ids of the runs with another one than ``budget``."""
        other = self.points[self.axis] != budget
        return frozenset(run.run_id for run, there in zip(self.runs, other, strict=True) if there)

    def text(self, budget: float) -> str:
        """A budget of ``axis`` for people, as it was asked for: ``"25%"``, ``"8MiB"``, or ``"8.39 MB"``."""
        points = zip(self.points[self.axis], self.runs, strict=True)
        written = {cache_budget(run).requested for place, run in points if place == budget}
        only = written.pop() if len(written) == 1 else None
        return only if isinstance(only, str) and not only.isdigit() else format_bytes(budget)


def find(runs: Sequence[Run]) -> Sweep | None:
    """The sweep in finished ``runs`` of one workload; None unless some differ in nothing but the budget.

    At least one line has three budgets or more. Runs without a limit, those that no other budget goes with, and
    those that computed nothing are left out.
    """
    lines: dict[str, dict[int, Run]] = {}
    for label, run in in_order(runs):
        size = cache_budget(run).bytes
        if size is not None and computed(run):
            lines.setdefault(without_budget(label), {})[size] = run
    lines = {name: dict(sorted(line.items())) for name, line in lines.items() if len(line) > 1}
    if not any(len(line) >= LEAST for line in lines.values()):
        return None
    names = dict(zip(lines, short(list(lines)), strict=True))
    executions = {
        name: [median_count(r, "block_executions") for r in line.values()] for name, line in lines.items()
    }
    in_turn = sorted(lines, key=lambda name: -mean(executions[name]))
    drawn = [(names[name], run) for name in in_turn for run in lines[name].values()]
    points = pd.DataFrame([_point(name, run) for name, run in drawn])
    if points["budget_share"].isna().any():
        points["budget_share"] = float("nan")
    return Sweep(points, tuple(run for _, run in drawn))


def crossing(sweep: Sweep) -> str:
    """From which budget on each line has the fewest block executions of all, in one sentence."""
    points = sweep.points
    fewest = points["block_executions"].min()
    reached: dict[float, list[str]] = {}
    never: list[str] = []
    for line in sweep.lines:
        own = points[points["line"] == line]
        above = own.loc[own["block_executions"] > fewest, sweep.axis].max()  # NaN if it never is
        enough = own.loc[~(own[sweep.axis] <= above), sweep.axis]
        (never if enough.empty else reached.setdefault(enough.min(), [])).append(line)
    told = [f"{_names(who)} from {sweep.text(budget)} on" for budget, who in sorted(reached.items())]
    if never:
        told.append(f"never: {_names(never) if len(never) <= MANY else f'the other {len(never)}'}")
    by = "share of the working set" if sweep.axis == "budget_share" else "bytes"
    return f"Fewest block executions ({fewest:,}) by cache budget ({by}): {'; '.join(told)}"


def headline(sweep: Sweep, checks: Sequence[ScoreCheck]) -> str:
    """The result in one sentence: what a budget buys, and whether all scores are the same."""
    scores = "no scores could be compared"
    if any(check.mismatches for check in checks):
        scores = "but scores DIFFER"
    elif any(check.shared for check in checks):
        scores = "all scores that two runs share are bit-identical"
    return f"{crossing(sweep)}; {scores}."


def _point(line: str, run: Run) -> dict[str, object]:
    budget = cache_budget(run)
    share = share_of_working_set(budget)
    return {
        "line": line,
        "budget_bytes": budget.bytes,
        "budget_share": float("nan") if share is None else share,
        "block_executions": median_count(run, "block_executions"),
    }


def _names(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def cache_budget(run: Run) -> Budget:
    """As asked for and in bytes: what the record resolved, else what the configuration says."""
    if SETTING in run.resolved:
        return run.resolved[SETTING]
    cache = run.config.get("cache")
    written = cache.get("budget") if isinstance(cache, Mapping) else None
    size = size_of(written)
    return Budget(requested=written, bytes=None if size is None else int(size))


def share_of_working_set(budget: Budget) -> float | None:
    """0.25 for a budget that was asked for as ``"25%"``; None for one in bytes."""
    written = str(budget.requested).strip()
    if not written.endswith("%"):
        return None
    try:
        return float(written.removesuffix("%")) / 100
    except ValueError:
        return None


def without_budget(label: str) -> str:
    """The label of a run without the word about its cache budget."""
    return " ".join(word for word in label.split(" ") if not word.startswith(f"{SETTING}="))
