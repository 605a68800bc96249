"""Any runs side by side: each beside a reference that had the same models and data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

import pandas as pd

from alsatian.records import Records, Run
from analysis.comparing import disturbances
from analysis.comparing.checks import ScoreCheck, agreement, compare_two
from analysis.comparing.comparable import arithmetic, conditions, in_common, settings, workload
from analysis.comparing.facts import UNSET, code, titles
from analysis.comparing.labels import in_order
from analysis.comparing.measurements import NOT_MEASURED, measured


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    Attributes:
        frame: one row for each run, references before the runs that are compared with them. Columns: ``group``
            (models and data; runs of different groups are not compared), ``models``, ``data``, ``workload`` (digest
            of both), ``run`` (unique label; with several paths it starts with the letter of its path), ``path``,
            ``run_id``, ``strategy``, ``reference`` (a ``run``; its own for a reference), ``comparable`` (whether
            all was equal that must be before wall times are compared), ``scores`` (what the scores of both say),
            ``wrong`` (whether scores differ that must be bit-identical), ``disturbed`` (see
            ``Run.disturbed``), ``differs`` (settings, hardware and
            versions that differ from the reference's), and for each of ``MEASURED`` its ``_median``, ``_min``,
            ``_max``, ``_repeats`` and its ``_factor``, ``_factor_min`` and ``_factor_max``: the reference's value
            over the run's own, above 1 for less time or fewer bytes; NaN for a reference. The spread of factors is
            that of the extremes: the reference's fastest over the own slowest repeat, and the other way round.
        lines: what has to be said about them: which path has which letter, what cannot be compared, and why.
    """

    frame: pd.DataFrame
    lines: tuple[str, ...]


@dataclass(frozen=True)
class _Named:
    """A run with its label and the position of its path."""

    label: str
    place: int
    path: str
    run: Run


def compare(sources: Sequence[Records]) -> Comparison:
    """Compare the runs of ``sources``.

    Runs of the same models and data are compared. References are those of the first path that has such runs: the
    first in the order of tables if all come from one path, else for each run of a later path the one with the most
    settings in common.
    """
    named = _named(sources)
    groups: dict[str, list[_Named]] = {}
    for one in named:
        groups.setdefault(workload(one.run), []).append(one)
    names = titles({key: [one.run for one in own] for key, own in groups.items()})
    rows = [row for key, inside in groups.items() for row in _rows(inside, names[key])]
    return Comparison(pd.DataFrame(rows), tuple(_lines(sources, named, names)))


def _named(sources: Sequence[Records]) -> list[_Named]:
    found = []
    for place, source in enumerate(sources):
        prefix = f"{letter(place)} " if len(sources) > 1 else ""
        experiments = dict.fromkeys(run.experiment for run in source.finished)
        for name in experiments:
            inner = f"{name} " if len(experiments) > 1 else ""
            own = [run for run in source.finished if run.experiment == name]
            found += [
                _Named(f"{prefix}{inner}{label}{run.origin}", place, str(source.path), run)
                for label, run in in_order(own)
            ]
    return found


def letter(place: int) -> str:
    """A, B, …, Z, AA, AB, … for 0, 1, …"""
    high, low = divmod(place, len(ascii_uppercase))
    return (letter(high - 1) if high else "") + ascii_uppercase[low]


def _rows(group: Sequence[_Named], title: str) -> list[dict[str, object]]:
    """References, each with the runs that are compared with it behind it."""
    first = [one for one in group if one.place == group[0].place]
    later = [one for one in group if one.place != group[0].place]
    if not later:
        return [_row(one, first[0], title) for one in first]
    matched = [(one, _closest(one, first)) for one in later]
    return [
        _row(one, reference, title)
        for reference in first
        for one in (reference, *(own for own, other in matched if other is reference))
    ]


def _closest(one: _Named, candidates: Sequence[_Named]) -> _Named:
    def closeness(other: _Named) -> tuple[bool, bool, int]:
        same = other.run.run_id == one.run.run_id, other.run.strategy == one.run.strategy
        return *same, in_common(one.run, other.run)

    return max(candidates, key=closeness)  # of equal ones the first


def _row(one: _Named, reference: _Named, title: str) -> dict[str, object]:
    run, alone = one.run, one is reference
    check = compare_two(one.label, run, reference.label, reference.run)
    expected = arithmetic(run) == arithmetic(reference.run) and not (run.prediction or reference.run.prediction)
    row: dict[str, object] = {
        "group": title,
        "models": run.model_set.name,
        "data": run.dataset.name,
        "workload": workload(run),
        "run": one.label,
        "path": one.path,
        "run_id": run.run_id,
        "strategy": run.strategy,
        "reference": reference.label,
        "comparable": conditions(run) == conditions(reference.run),
        "scores": "reference" if alone else _scores(run, reference.run, check, expected),
        "wrong": expected and bool(check.mismatches),
        "disturbed": run.disturbed,
        "differs": "; ".join(_differences(run, reference.run)),
    }
    others = measured(reference.run)
    for name, value in measured(run).items():
        factor = NOT_MEASURED if alone else others[name].over(value)
        row |= {f"{name}_median": value.median, f"{name}_min": value.low, f"{name}_max": value.high}
        row |= {f"{name}_repeats": value.count, f"{name}_factor": factor.median}
        row |= {f"{name}_factor_min": factor.low, f"{name}_factor_max": factor.high}
    return row


def _scores(run: Run, reference: Run, check: ScoreCheck, expected: bool) -> str:
    if run.prediction:
        return run.prediction.scores
    different = len(check.mismatches)
    if different and not expected:
        return f"{different} of {check.shared} differ, as they may"
    return agreement(0 if reference.prediction else check.shared, different)


def _differences(own: Run, other: Run) -> list[str]:
    mine, theirs = _facts(own), _facts(other)
    return [
        f"{key}={mine.get(key, UNSET)} (reference: {theirs.get(key, UNSET)})"
        for key in sorted(mine.keys() | theirs.keys())
        if mine.get(key, UNSET) != theirs.get(key, UNSET)
    ]


def _facts(run: Run) -> dict[str, str]:
    """Settings, hardware and versions."""
    machine = run.environment
    facts = {
        "code": code(run),
        "CPU": machine.cpu,
        "cores": machine.cores,
        "threads": machine.threads,
        "GPU": machine.gpu,
        "Python": machine.python,
        "torch": machine.libraries.get("torch"),
    }
    return settings(run.config) | {name: str(value) for name, value in facts.items() if value is not None}


def _lines(sources: Sequence[Records], named: Sequence[_Named], names: Mapping[str, str]) -> list[str]:
    lines = [f"{letter(i)} = {source.path}" for i, source in enumerate(sources)] if len(sources) > 1 else []
    first = {workload(one.run) for one in named if one.place == 0}
    for place in range(1, len(sources)):
        own = [one for one in named if one.place == place]
        alone = dict.fromkeys(workload(one.run) for one in own if workload(one.run) not in first)
        if alone:
            what = "nothing" if len(alone) == len({workload(one.run) for one in own}) else "not all"
            reason = _other(own, [one for one in named if one.place == 0])
            told = "; ".join(names[key] for key in alone)
            lines.append(f"Not comparable: {letter(place)} has {what} in common with A: {reason} ({told})")
    lines += disturbances.lines([one.run for one in named])
    return lines + [f"Not used: {line}" for source in sources for line in source.left_out]


def _other(own: Sequence[_Named], theirs: Sequence[_Named]) -> str:
    """Whether it is the models or the data that the two have not in common."""
    models = {one.run.model_set.digest for one in own} <= {one.run.model_set.digest for one in theirs}
    data = {one.run.dataset.digest for one in own} <= {one.run.dataset.digest for one in theirs}
    if models and data:
        return "other combinations of models and data"
    return " and ".join([*([] if models else ["other models"]), *([] if data else ["other data"])])
