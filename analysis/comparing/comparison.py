"""Any runs side by side: each beside a reference that had the same models and data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from alsatian.records.paths import Source
from alsatian.records.reading import Run
from alsatian.units import count_text
from analysis.comparing.checks import compare_two
from analysis.comparing.comparable import arithmetic, conditions, settings, workload
from analysis.comparing.labels import UNSET, in_order
from analysis.comparing.measurements import MEASURED, NOT_MEASURED, Spread, measured


@dataclass(frozen=True)
class Row:
    """One run.

    Attributes:
        label: unique; with several paths it starts with the letter of its path.
        path: that the run was found at.
        run: the run.
        reference: label of the run that it is compared with; its own label for a reference.
        values: each of ``MEASURED`` over the repeats, in seconds, bytes or counts.
        factors: the reference's value over the run's own: above 1 is less time, fewer bytes. The spread is that of
            the extremes: the reference's fastest over the own slowest repeat, and the other way round.
        scores: what the scores that both computed say.
        wrong: whether scores differ that must be bit-identical.
        comparable: whether all was equal that must be before wall times are compared.
        differs: settings, hardware and versions that differ from the reference's, each as a text.
    """

    label: str
    path: str
    run: Run
    reference: str
    values: Mapping[str, Spread]
    factors: Mapping[str, Spread]
    scores: str
    wrong: bool
    comparable: bool
    differs: tuple[str, ...]

    @property
    def is_reference(self) -> bool:
        """Whether others are compared with it."""
        return self.label == self.reference


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    Attributes:
        groups: by models and data, which are named by the key: runs of different groups are not compared.
        lines: what has to be said about them: which path has which letter, what cannot be compared, and why.
    """

    groups: Mapping[str, Sequence[Row]]
    lines: tuple[str, ...]

    @property
    def rows(self) -> list[Row]:
        """All rows of all groups."""
        return [row for rows in self.groups.values() for row in rows]


@dataclass(frozen=True)
class _Named:
    """A run with its label and the position of its path."""

    label: str
    place: int
    path: str
    run: Run


def compare(sources: Sequence[Source]) -> Comparison:
    """Compare the runs of ``sources``.

    Runs of the same models and data are compared. References are those of the first path that has such runs: the
    first in the order of tables if all come from one path, else for each run of a later path the one with the most
    settings in common.
    """
    named = _named(sources)
    groups: dict[str, list[_Named]] = {}
    for one in named:
        groups.setdefault(workload(one.run), []).append(one)
    titles = _titles(groups)
    return Comparison(
        {titles[key]: _rows(inside) for key, inside in groups.items()}, tuple(_lines(sources, named, titles))
    )


def _named(sources: Sequence[Source]) -> list[_Named]:
    found = []
    for place, source in enumerate(sources):
        prefix = f"{letter(place)} " if len(sources) > 1 else ""
        experiments = dict.fromkeys(run.experiment for run in source.runs)
        for name in experiments:
            inner = f"{name} " if len(experiments) > 1 else ""
            own = [run for run in source.runs if run.experiment == name]
            found += [
                _Named(f"{prefix}{inner}{label}", place, str(source.path), run) for label, run in in_order(own)
            ]
    return found


def letter(place: int) -> str:
    """A, B, …, Z, AA, AB, … for 0, 1, …"""
    high, low = divmod(place, len(ascii_uppercase))
    return (letter(high - 1) if high else "") + ascii_uppercase[low]


def _rows(group: Sequence[_Named]) -> list[Row]:
    """References, each with the runs that are compared with it behind it."""
    first = [one for one in group if one.place == group[0].place]
    later = [one for one in group if one.place != group[0].place]
    if not later:
        return [_row(one, first[0]) for one in first]
    matched = [(one, _closest(one, first)) for one in later]
    rows = []
    for reference in first:
        rows += [
            _row(one, reference) for one in (reference, *(own for own, other in matched if other is reference))
        ]
    return rows


def _closest(one: _Named, candidates: Sequence[_Named]) -> _Named:
    own = settings(one.run)

    def closeness(candidate: _Named) -> tuple[bool, bool, int]:
        other = settings(candidate.run)
        common = sum(other.get(key) == value for key, value in own.items())
        return candidate.run.run_id == one.run.run_id, candidate.run.strategy == one.run.strategy, common

    return max(candidates, key=closeness)  # of equal ones the first


def _row(one: _Named, reference: _Named) -> Row:
    values, others = measured(one.run), measured(reference.run)
    check = compare_two(one.label, one.run, reference.label, reference.run)
    expected = arithmetic(one.run) == arithmetic(reference.run)
    alone = one is reference
    scores = "reference" if alone else _scores(check.shared, len(check.mismatches), expected)
    return Row(
        label=one.label,
        path=one.path,
        run=one.run,
        reference=reference.label,
        values=values,
        factors={name: NOT_MEASURED if alone else others[name].over(values[name]) for name in MEASURED},
        scores=scores,
        wrong=expected and bool(check.mismatches),
        comparable=conditions(one.run) == conditions(reference.run),
        differs=() if alone else tuple(_differences(one.run, reference.run)),
    )


def _scores(shared: int, different: int, expected: bool) -> str:
    if not shared:
        return "nothing shared"
    if not different:
        return f"identical ({count_text(shared, 'score')})"
    return f"DIFFERENT: {different} of {shared}" if expected else f"{different} of {shared} differ, as they may"


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
        "code": machine.commit and f"{machine.commit[:12]}{' with changes' if machine.dirty else ''}",
        "CPU": machine.cpu,
        "cores": machine.cores,
        "threads": machine.threads,
        "GPU": machine.gpu,
        "Python": machine.python,
        "torch": machine.libraries.get("torch"),
    }
    return settings(run) | {name: str(value) for name, value in facts.items() if value is not None}


def _titles(groups: Mapping[str, Sequence[_Named]]) -> dict[str, str]:
    """A name for each group: models and data, with the digest where names are equal."""
    plain = {key: f"{own[0].run.model_set.name} on {own[0].run.dataset.name}" for key, own in groups.items()}
    names = list(plain.values())
    return {key: f"{name} ({key})" if names.count(name) > 1 else name for key, name in plain.items()}


def _lines(sources: Sequence[Source], named: Sequence[_Named], titles: Mapping[str, str]) -> list[str]:
    lines = [f"{letter(i)} = {source.path}" for i, source in enumerate(sources)] if len(sources) > 1 else []
    first = {workload(one.run) for one in named if one.place == 0}
    for place in range(1, len(sources)):
        own = [one for one in named if one.place == place]
        alone = dict.fromkeys(workload(one.run) for one in own if workload(one.run) not in first)
        if alone:
            what = "nothing" if len(alone) == len({workload(one.run) for one in own}) else "not all"
            reason = _other(own, [one for one in named if one.place == 0])
            told = "; ".join(titles[key] for key in alone)
            lines.append(f"Not comparable: {letter(place)} has {what} in common with A: {reason} ({told})")
    return lines + [f"Not used: {line}" for source in sources for line in source.problems]


def _other(own: Sequence[_Named], theirs: Sequence[_Named]) -> str:
    """Whether it is the models or the data that the two have not in common."""
    models = {one.run.model_set.digest for one in own} <= {one.run.model_set.digest for one in theirs}
    data = {one.run.dataset.digest for one in own} <= {one.run.dataset.digest for one in theirs}
    if models and data:
        return "other combinations of models and data"
    return " and ".join([*([] if models else ["other models"]), *([] if data else ["other data"])])
