"""What the numbers say, in sentences that are only as strong as the data."""

from collections.abc import Sequence

import pandas as pd

from alsatian.records import Run, Storage
from alsatian.records.budgets import exceeded
from alsatian.units import count_text, factor_text, format_bytes, printable, seconds_text
from analysis.comparing import sweeps
from analysis.comparing.checks import ScoreCheck
from analysis.comparing.comparable import computed, reference, workload
from analysis.comparing.facts import code
from analysis.comparing.labels import grouped, in_order, some
from analysis.comparing.measurements import wall

# So many runs with one budget are named with their peaks.
PEAKS = 8


def headline(runs: Sequence[Run], checks: Sequence[ScoreCheck]) -> str:
    """The result in one sentence: how much faster than base, and whether the scores are the same."""
    labelled = in_order(runs)
    names = {run.run_id: label for label, run in labelled}
    pairs = [
        (run, base) for _, run in labelled if (base := reference(run, runs, "base")) and run.strategy != "base"
    ]
    there = {run.strategy for run, _ in pairs}
    subject: str | None = next((name for name in ("alsatian", "alsatian_published") if name in there), None)
    if subject is None and pairs:
        subject = min(pairs, key=lambda pair: wall(pair[0]).median / wall(pair[1]).median)[0].strategy
    pairs = [(run, base) for run, base in pairs if run.strategy == subject]
    if not pairs:
        swept = sweeps.find(runs) if len({workload(run) for run in runs}) == 1 else None
        return sweeps.headline(swept, checks) if swept else _without_base(labelled)
    compared = [c for run, base in pairs for c in checks if {c.a, c.b} == {names[run.run_id], names[base.run_id]}]
    return f"{_speed(pairs, names)}; {_scores(compared, len(pairs), checks)}{_winners(pairs)}."


def _speed(pairs: Sequence[tuple[Run, Run]], names: dict[str, str]) -> str:
    """``"alsatian ranks the same 16 models 3.9× faster than base"`` or what holds instead."""
    run, base = pairs[0]
    if any(own.config.get("scale") == "ci" for own, _ in pairs):
        return f"{run.strategy} ranks the same models as base; scale ci is too short for a factor"
    if any(one.disturbed for pair in pairs for one in pair):
        return f"{run.strategy} ranks the same models as base; others disturbed their times, which decides nothing"
    factors = sorted(wall(other).median / wall(own).median for own, other in pairs)
    if len(pairs) > 1:
        span = f"{factor_text(factors[0])} to {factor_text(factors[-1])}"
        how = f"{span} faster than base" if factors[0] > 1 else f"in {span} of base's speed"
        return f"{run.strategy} ranks the same models {how} in {len(pairs)} comparisons"
    models = count_text(run.model_set.models, "model")
    subject, other = names[run.run_id], names[base.run_id]
    if _overlap(run, base):
        return f"{subject} ranks the same {models} about as fast as {other} (their wall times overlap)"
    factor = factors[0]
    how = f"{factor_text(factor)} faster" if factor > 1 else f"{factor_text(1 / factor)} slower"
    return f"{subject} ranks the same {models} {how} than {other}"


def _scores(compared: Sequence[ScoreCheck], pairs: int, checks: Sequence[ScoreCheck]) -> str:
    """What holds for the scores of the runs that the sentence is about."""
    shared = sum(check.shared for check in compared)
    different = sum(len(check.mismatches) for check in compared)
    both = "both" if pairs == 1 else "it and base"
    if different:
        return f"but {different:,} of the {count_text(shared, 'score')} that {both} computed DIFFER"
    if not shared:
        return f"{both} computed no score in common, so none could be compared"
    verb = "is" if shared == 1 else "are"
    same = f"the {count_text(shared, 'score')} that {both} computed {verb} bit-identical"
    return same + ("; scores of other strategies DIFFER" if any(check.mismatches for check in checks) else "")


def _winners(pairs: Sequence[tuple[Run, Run]]) -> str:
    """A schedule that drops models early may choose another model than base; that belongs to the result."""
    other = [(run.winner, base.winner) for run, base in pairs if run.winner != base.winner]
    if not other:
        return ""
    if len(pairs) == 1:
        return f"; their best models differ ({other[0][0]}, base: {other[0][1]})"
    return f"; the best model differs from base's in {len(other)} of {len(pairs)}"


def _without_base(labelled: Sequence[tuple[str, Run]]) -> str:
    label, run = min(labelled, key=lambda pair: (not computed(pair[1]), wall(pair[1]).median))
    took = f"{label} ranks {count_text(run.model_set.models, 'model')} in {seconds_text(wall(run).median)}"
    if all(other.strategy == "base" for _, other in labelled):
        return f"{took}; no other strategy ran on the same models and data to compare with."
    return f"{took}; no run of base on the same models, data and hardware to compare with."


def score_line(checks: Sequence[ScoreCheck]) -> str:
    """The verdict over all pairs of runs."""
    compared = [check for check in checks if check.shared]
    wrong = [check for check in compared if check.mismatches]
    if not compared:
        return "Scores: no two runs computed the same score, so none could be compared"
    total = sum(check.shared for check in compared)
    digests = sum(check.fingerprints for check in compared)
    if not wrong:
        pairs = "the one pair" if len(compared) == 1 else f"all {len(compared)} pairs"
        return (
            f"Scores: bit-identical in {pairs} of runs that share any "
            f"({count_text(total, 'comparison')}, {digests:,} of them with the features' digests)"
        )
    first, where = wrong[0], wrong[0].mismatches[0]
    what = f"{where.score_a!r} against {where.score_b!r}"
    if where.score_a == where.score_b:
        what = f"both {where.score_a!r}, but from different features"
    return printable(
        f"Scores: DIFFERENT in {len(wrong)} of {count_text(len(compared), 'pair')} of runs; first: {first.a} and "
        f"{first.b}, model {where.model} at {where.train_items} training items: {what}"
    )


def code_lines(runs: Sequence[Run]) -> list[str]:
    """Which runs were made by which code, if not all by the same."""
    groups = grouped((code(run), label) for label, run in in_order(runs))
    return [f"Code of {name}: {some(labels)}" for name, labels in groups.items()] if len(groups) > 1 else []


def cache_lines(runs: Sequence[Run], summary: pd.DataFrame) -> list[str]:
    """The largest size of the cache of intermediates in each run, a line for each budget.

    Of many runs with one budget those above it are named, and between what the peaks of all lie.
    """
    peaks = dict(zip(summary["strategy"], summary["cache_peak_bytes"], strict=True))
    lines: dict[str, list[tuple[float, str, bool]]] = {}
    for label, run in in_order(runs):
        limit = sweeps.cache_budget(run)
        # As it was written and in the decimal units of everything else.
        budget = "no budget" if limit.bytes is None else f"budget {limit.requested} = {format_bytes(limit.bytes)}"
        more = limit.bytes is not None and peaks[label] > limit.bytes
        told = f"{sweeps.without_budget(label)} {format_bytes(peaks[label])}"
        if more:
            told += _beyond(run)
        lines.setdefault(budget, []).append((peaks[label], told, more))
    return [printable(f"Cache peak ({budget}): {', '.join(_peaks(found))}") for budget, found in lines.items()]


def _beyond(run: Run) -> str:
    """What it means that the cache held more than its budget: a strategy that divides memory keeps to a sum."""
    memory = run.resolved.get("cache.memory")
    if memory is None or memory.bytes is None or any(exceeded(run.resolved, r.peaks) for r in run.repeats):
        return " OVER BUDGET"
    held = max(repeat.peaks.get("memory_bytes", 0) for repeat in run.repeats)
    return f" (with blocks {format_bytes(held)} of {format_bytes(memory.bytes)} in all, divided anew)"


def _peaks(found: Sequence[tuple[float, str, bool]]) -> list[str]:
    """What is told of runs with one budget: of each its peak, what to say of it, and whether it is too much."""
    if len(found) <= PEAKS:
        return [told for _, told, _ in found]
    sizes = [size for size, _, _ in found]
    span = f"{format_bytes(min(sizes))} to {format_bytes(max(sizes))} in {len(found):,} runs"
    return [span, *(told for _, told, over in found if over)]


def excluded_lines(runs: Sequence[Run]) -> list[str]:
    """Models that could not be used, a line for each with the runs that left it out and the first reason."""
    found: dict[str, list[tuple[str, str]]] = {}
    for label, run in in_order(runs):
        for model, reason in run.excluded.items():
            found.setdefault(model, []).append((label, reason))
    return [
        printable(f"Left out, ranked last: {model} in {some([label for label, _ in cases])}: {cases[0][1]}")
        for model, cases in found.items()
    ]


def storage_lines(runs: Sequence[Run]) -> list[str]:
    """The storage regime; where there are several, each with the runs it belongs to."""
    regimes = grouped((storage_text(run.storage), label) for label, run in in_order(runs))
    if len(regimes) == 1:
        return list(regimes)
    return [printable(f"{regime}: {some(labels)}") for regime, labels in regimes.items()]


def storage_text(storage: Storage) -> str:
    """E.g. ``"200 MB/s, cold page cache"``."""
    speed = "the disk's own speed" if storage.bandwidth is None else f"{format_bytes(storage.bandwidth)}/s"
    return f"{speed}, {'cold page cache' if storage.cold else 'page cache not emptied'}"


def _overlap(a: Run, b: Run) -> bool:
    """Whether the ranges of the wall times overlap; single measurements have none."""
    if len(a.quiet) == len(b.quiet) == 1:
        return False
    one, other = wall(a), wall(b)
    return one.low <= other.high and other.low <= one.high
