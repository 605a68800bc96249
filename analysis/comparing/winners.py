"""Which strategy is the fastest where, and what decides it, of runs of several strategies in several cells."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from alsatian.records import Run
from alsatian.units import count_text, factor_text, format_bytes, seconds_text
from analysis.comparing.comparable import computed, conditions
from analysis.comparing.labels import grouped, some
from analysis.comparing.measurements import PARTS, measured, wall
from analysis.comparing.sweeps import cache_budget

# Up to this factor a strategy is not called slower than another.
CLOSE = 1.05
SUBJECT = "auto"
# The counter that says why a part takes longer, and how it is told.
_WORK: Mapping[str, tuple[str, Callable[[float], str]]] = {
    "inference": ("block_executions", "{:,.0f} block executions".format),
    "prepare_model": ("bytes_read", format_bytes),
    "prepare_data": ("data_bytes", format_bytes),
}


@dataclass(frozen=True)
class Cell:
    """Runs that differ in the strategy alone, the fastest first.

    Attributes:
        models: name of the model set.
        budget: of the cache of intermediates, as asked for.
        runs: one a strategy; those that computed nothing are left out.
    """

    models: str
    budget: str
    runs: tuple[Run, ...]

    @property
    def fastest(self) -> tuple[str, ...]:
        """Names of all that are within ``CLOSE`` of the fastest, it first."""
        return tuple(run.strategy for run in self.runs if _factor(run, self.runs[0]) <= CLOSE)

    @property
    def next(self) -> Run | None:
        """The fastest of the others."""
        others = self.runs[len(self.fastest) :]
        return others[0] if others else None

    @property
    def reason(self) -> str:
        """What the next one spends more on than the fastest, with the work behind it; empty without a next one."""
        return "" if self.next is None else difference(self.next, self.runs[0])

    def behind(self, name: str = SUBJECT) -> tuple[float, str] | None:
        """How many times the fastest other strategy's time ``name`` takes, and what it spends more on, if it does.

        None if one of the two is missing.
        """
        own = next((run for run in self.runs if run.strategy == name), None)
        other = next((run for run in self.runs if run.strategy != name), None)
        if own is None or other is None:
            return None
        factor = _factor(own, other)
        return factor, f"{difference(own, other)} than {other.strategy}" if factor > 1 else ""


def cells(runs: Sequence[Run]) -> list[Cell]:
    """Cells of finished ``runs``, in the order of model sets and rising budgets, that several strategies have."""
    kept = [run for run in runs if run.ok and computed(run)]
    kept.sort(key=lambda run: cache_budget(run).bytes or float("inf"))
    kept.sort(key=lambda run: run.model_set.name)
    groups = grouped(((conditions(run), str(cache_budget(run).requested)), run) for run in kept)
    return [
        Cell(found[0].model_set.name, budget, tuple(sorted(found, key=lambda run: wall(run).median)))
        for (_, budget), found in groups.items()
        if len({run.strategy for run in found}) == len(found) > 1
    ]


def told(runs: Sequence[Run]) -> list[str]:
    """Where each strategy wins and why, a sentence each, and how far ours is behind where it is not the fastest.

    Empty unless several strategies were measured in the same cells.
    """
    found = cells(runs)
    if not found:
        return []
    by_winner = grouped((cell.runs[0].strategy, cell) for cell in found)
    sentences = [_wins(name, own, len(found)) for name, own in sorted(by_winner.items(), key=lambda p: -len(p[1]))]
    return [*sentences, *_subject(found)]


def difference(slower: Run, faster: Run) -> str:
    """The part that ``slower`` spends most on beyond ``faster``: ``"0.4 s more on inference (96 block executions,
    not 48 block executions)"``, or ``"… for the same work"``."""
    a, b = measured(slower), measured(faster)
    excess = {part: a[f"{part}_s"].median - b[f"{part}_s"].median for part in PARTS}
    known = {part: seconds for part, seconds in excess.items() if seconds == seconds}
    if not known:
        return f"{seconds_text(wall(slower).median - wall(faster).median)} more"
    part = max(known, key=lambda name: known[name])
    text = f"{seconds_text(max(0.0, known[part]))} more on {part.replace('_', ' ')}"
    if part in _WORK:
        counter, form = _WORK[part]
        own, other = a[counter].median, b[counter].median
        text += " for the same work" if own == other else f" ({form(own)}, not {form(other)})"
    return text


def _factor(run: Run, other: Run) -> float:
    return wall(run).median / wall(other).median


def _wins(name: str, won: Sequence[Cell], count: int) -> str:
    """In how many of ``count`` cells ``name`` is fastest, who is close, and why others are not."""
    close = dict.fromkeys(other for cell in won for other in cell.fastest if other != name)
    text = f"{name} is the fastest in {len(won)} of {count_text(count, 'cell')} ({_where(won)})"
    text += f", with {some(list(close))} within {CLOSE - 1:.0%}" if close else ""
    ahead = [cell for cell in won if cell.next is not None]
    if not ahead:
        return f"{text}."
    clearest = max(ahead, key=lambda cell: _factor(cell.runs[len(cell.fastest)], cell.runs[0]))
    other = clearest.runs[len(clearest.fastest)]
    where = f"on {clearest.models} at {clearest.budget}"
    factor = factor_text(_factor(other, clearest.runs[0]))
    return f"{text}; most clearly {where}, where {other.strategy} takes {factor} as long, {clearest.reason}."


def _subject(found: Sequence[Cell]) -> list[str]:
    """Whether ours is never slower than the best other by more than ``CLOSE``, and where it is."""
    ratios = [(cell, behind) for cell in found if (behind := cell.behind())]
    if not ratios:
        return []
    slower = [(cell, behind) for cell, behind in ratios if behind[0] > CLOSE]
    limit = f"more than {CLOSE - 1:.0%} slower than the best other strategy"
    if not slower:
        return [f"{SUBJECT} is in no cell {limit} (at most {max(b[0] for _, b in ratios):.2f}× its time)."]
    named = (f"{cell.models} at {cell.budget} ({f:.2f}× its time: {why})" for cell, (f, why) in slower)
    return [f"{SUBJECT} is {limit} in {len(slower)} of {len(ratios)} cells: {'; '.join(named)}."]


def _where(found: Sequence[Cell]) -> str:
    """``"digits at 10%, 30%; families at 10%"``."""
    groups = grouped((cell.models, cell.budget) for cell in found)
    return "; ".join(f"{models} at {', '.join(budgets)}" for models, budgets in groups.items())
