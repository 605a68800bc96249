"""In what runs differ, in words: settings as typed on a command line, models, data, machines and code."""

from collections.abc import Iterable, Mapping, Sequence

from alsatian.records import Run
from alsatian.records.settings import compact
from analysis.comparing.comparable import computed, machine, settings

UNSET = "unset"
# Facts that no setting says. Each is named only where no setting tells the runs apart.
HIDDEN = ("models", "data", "machine", "source", "computed")
Facts = Mapping[str, str]
# What a strategy chooses, which sets no group of comparable runs apart.
CHOSEN = ("strategy", "schedule", "sharing", "order", "cache")
# For each run the first one that is like it.
Division = tuple[int, ...]


def facts(runs: Sequence[Run]) -> list[dict[str, str]]:
    """For each run its settings by dotted key, and the ``HIDDEN`` facts.

    A component is called as it was typed for one of ``runs``. Models and data of equal settings are told apart by
    their number, or by when they were first used.
    """
    typed = {
        (group, compact(part)): choice
        for run in runs
        for group, _, choice in (word.partition("=") for word in run.label.split(" "))
        if choice and (part := _part(run, group)) is not None
    }
    models = _told(runs, [(run.model_set.digest, str(run.model_set.models)) for run in runs])
    data = _told(
        runs, [(run.dataset.digest, str(run.dataset.train_items + run.dataset.test_items)) for run in runs]
    )
    sources = _told(runs, [(compact(run.sources), "") for run in runs])
    found = []
    for place, run in enumerate(runs):
        parts = {group: typed.get((group, compact(_part(run, group)))) for group in run.config}
        where = "_".join(str(value) for value in machine(run) if value is not None).replace(" ", "_")
        extent = "features" if computed(run) else "nothing"
        hidden = dict(zip(HIDDEN, (models[place], data[place], where, sources[place], extent), strict=True))
        found.append(settings(run.config) | {key: word for key, word in parts.items() if word is not None} | hidden)
    return found


def code(run: Run) -> str:
    """The code that made a run: ``"1a2b3c4d5e6f with changes"``, or the version where no commit is known."""
    where = run.environment
    if not where.commit:
        return f"version {where.version}" if where.version else "unknown version"
    return f"{where.commit[:12]}{' with changes' if where.dirty else ''}"


def _part(run: Run, group: str) -> object:
    """The configuration of what a group's choice is, without settings that are not the choice's own."""
    part = run.config.get(group)
    if group == "strategy" or not isinstance(part, Mapping):
        return None
    return part.get("policy") if group == "cache" else part


def _told(runs: Sequence[Run], things: Sequence[tuple[str, str]]) -> list[str]:
    """A word for the thing of each run, given by digest and how many it holds."""
    first: dict[str, tuple[str, str]] = {}
    for run, (digest, count) in zip(runs, things, strict=True):
        first[digest] = min(first.get(digest, (run.started, count)), (run.started, count))
    ways: list[dict[str, str]] = [
        {digest: count for digest, (_, count) in first.items()},
        {digest: started[:16] for digest, (started, _) in first.items()},
    ]
    words = next((way for way in ways if len(set(way.values())) == len(first)), {key: key[:8] for key in first})
    return [words[digest] for digest, _ in things]


def chosen(key: str) -> bool:
    """Whether a strategy chooses the setting ``key``, as its order and its cache's policy; budgets it is given."""
    group = key.partition(".")[0]
    return key == group == "cache" or (group in CHOSEN and group != "cache")


def division(found: Sequence[Facts], keys: Iterable[str]) -> Division:
    """Which runs are alike in all ``keys``."""
    wanted = tuple(keys)
    values = [tuple(fact.get(key, UNSET) for key in wanted) for fact in found]
    first: dict[tuple[str, ...], int] = {}
    return tuple(first.setdefault(value, place) for place, value in enumerate(values))


def follows(own: Division, other: Division) -> bool:
    """Whether runs that are alike in ``other`` are alike in ``own``."""
    return len(set(zip(other, own, strict=True))) == len(set(other))


def distinguishing(found: Sequence[Facts]) -> list[str]:
    """Keys in which ``found`` differ.

    A component's name speaks for its other settings where they follow from it (``model_set`` for its architecture,
    ``dataset`` for settings that only one kind of data has), and ``scale`` for all that it presets. ``HIDDEN``
    facts are left out where they follow from any setting, for that is why they differ.
    """
    kept: dict[str, Division] = {}
    for key in ordered(found):
        own = division(found, [key])
        group = key.partition(".")[0]
        speaking = [other for name, other in kept.items() if key in HIDDEN or name in ("scale", group)]
        if any(own) and not any(follows(own, other) for other in speaking):
            kept[key] = own
    return list(kept)


def ordered(found: Sequence[Facts]) -> list[str]:
    """All keys: ``scale`` first, then components, their settings, and the ``HIDDEN``."""
    return sorted({key for fact in found for key in fact}, key=_rank)


def _rank(key: str) -> tuple[bool, bool, bool, str]:
    return key != "scale", key in HIDDEN, "." in key, key


def titles(groups: Mapping[str, Sequence[Run]]) -> dict[str, str]:
    """A title for each group of runs: the names of its models and data, and in what it differs from the others.

    Where nothing that is recorded says how two groups differ, they are numbered.
    """
    runs = [run for group in groups.values() for run in group]
    found = dict(zip(map(id, runs), facts(runs), strict=True))
    alike = {key: _alike([found[id(run)] for run in group]) for key, group in groups.items()}
    names = {key: f"{group[0].model_set.name} on {group[0].dataset.name}" for key, group in groups.items()}
    told = {}
    for key, name in names.items():
        others = [other for other, own in names.items() if own == name]
        # What differs inside one of the groups is no difference between them.
        mixed = {k for other in others for run in groups[other] for k in found[id(run)] if k not in alike[other]}
        differing = distinguishing([{k: v for k, v in alike[other].items() if k not in mixed} for other in others])
        told[key] = " · ".join([name, *(f"{k}={alike[key].get(k, UNSET)}" for k in differing)])
    written = list(told.values())
    return {key: f"{t} ({list(told).index(key) + 1})" if written.count(t) > 1 else t for key, t in told.items()}


def _alike(found: Sequence[Facts]) -> dict[str, str]:
    keys = {key for fact in found for key in fact}
    alike = {key: found[0].get(key, UNSET) for key in keys if not any(division(found, [key]))}
    return {key: value for key, value in alike.items() if key.partition(".")[0] not in CHOSEN}
