"""The report's sections as rows of text, for the page to lay out."""

import math
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from alsatian.records import Environment, Run
from alsatian.units import count_text, format_bytes, printable, seconds_text
from analysis.comparing.checks import ScoreCheck, agreement
from analysis.comparing.comparable import workload
from analysis.comparing.labels import grouped, in_order
from analysis.comparing.ties import notes
from analysis.report.findings import storage_text
from analysis.tables.formats import Table

# All of more runs than this are not listed by name.
MANY = 6
# Classes of a dataset that are listed by name.
CLASSES = 100
# Notes on how models were read, likewise.
NOTES = 20


def rounds(runs: Sequence[Run]) -> list[Table]:
    """Rounds of each run: training items, models scored, chunks, the best model and its score.

    Runs that agree share a table.
    """

    def rows(run: Run) -> tuple[tuple[object, ...], ...]:
        return tuple(
            (result.train_items, len(result.scores), result.chunks, *_best(result.scores)) for result in run.rounds
        )

    groups = grouped((rows(run), label) for label, run in in_order(runs))
    names = ["train_items", "models", "chunks", "top_score", "best model"]
    return [Table.of(pd.DataFrame(own, columns=names), _who(labels, runs)) for own, labels in groups.items()]


def rankings(runs: Sequence[Run]) -> list[Table]:
    """Final rankings: models, best first, and their last scores; runs that agree share one."""

    def ranked(run: Run) -> tuple[tuple[str, str], ...]:
        last = {model: f"{score:.4f}" for result in run.rounds for model, score in result.scores.items()}
        beside = {model: f" ({note})" for model, note in notes(run).items()}
        return tuple((model, last.get(model, "–") + beside.get(model, "")) for model in run.ranking)

    groups = grouped(((workload(run), ranked(run)), label) for label, run in in_order(runs))
    return [Table(_who(labels, runs), (), best) for (_, best), labels in groups.items()]


def score_checks(checks: Sequence[ScoreCheck]) -> Table:
    """Every pair of runs that must agree, and whether it does."""
    rows = [
        (check.a, check.b, check.shared, check.fingerprints, agreement(check.shared, len(check.mismatches)))
        for check in checks
    ]
    return Table.of(pd.DataFrame(rows, columns=["run", "and run", "shared scores", "with features", "result"]))


def differences(checks: Sequence[ScoreCheck]) -> Table:
    """Every score or digest of features that differs; at most 100."""
    rows = [
        (check.a, check.b, m.model, f"{m.train_items:,}", repr(m.score_a), repr(m.score_b))
        for check in checks
        for m in check.mismatches
    ]
    header = ("run", "and run", "model", "train items", "score", "other score")
    return Table("", header, rows[:100], numeric=(3, 4, 5))


def facts(runs: Sequence[Run]) -> list[Table]:
    """Facts about each model set and dataset."""
    firsts: dict[tuple[str, str], Run] = {}
    for run in runs:
        firsts.setdefault((run.model_set.digest, run.dataset.digest), run)
    found = []
    for run in firsts.values():
        models, data = run.model_set, run.dataset
        whole, distinct = format_bytes(models.total_bytes), format_bytes(models.distinct_bytes)
        rows = [
            ("models", f"{models.models:,}"),
            ("blocks", f"{models.blocks:,}, of which {models.distinct_blocks:,} distinct"),
            ("size", f"{whole}, of which {distinct} distinct"),
            *[("note", printable(note)) for note in models.notes[:NOTES]],
            ("model set digest", models.digest),
            ("train items", f"{data.train_items:,}"),
            ("test items", f"{data.test_items:,}"),
            ("classes", f"{data.classes:,}" if data.classes else "none: labels are numbers"),
            ("dataset digest", data.digest),
            *([(about, printable(what)) for about, what in data.summary.rows(CLASSES)] if data.summary else []),
        ]
        found.append(Table(f"{models.name} on {data.name}", (), rows))
    return found


def environments(labelled: Iterable[tuple[str, Run]]) -> list[Table]:
    """Code, versions and hardware; one table for all runs, by whatever they are called, if they agree."""
    groups = grouped((tuple(_machine_rows(run.environment)), label) for label, run in labelled)
    return [
        Table(", ".join(dict.fromkeys(who)) if len(groups) > 1 else "", (), list(rows))
        for rows, who in groups.items()
    ]


def provenance(runs: Sequence[Run]) -> Table:
    """Where each row of the table comes from: run id, time, storage and every repeat's wall time."""
    header = ("run", "run id", "started", "storage", "wall time of every repeat")
    rows = [
        (label, run.run_id, run.started, storage_text(run.storage), _walls(run)) for label, run in in_order(runs)
    ]
    return Table("", header, rows)


def commands(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Each distinct command and the runs it made."""
    groups = grouped((run.command, label) for label, run in in_order(runs))
    return [(command, _who(labels, runs)) for command, labels in groups.items()]


def _best(scores: Mapping[str, float]) -> tuple[float, str]:
    """The highest score and its model; of a prediction, which has none, nothing."""
    best = max(scores, key=lambda model: scores[model], default="")
    return scores.get(best, math.nan), best


def _who(labels: Sequence[str], runs: Sequence[Run]) -> str:
    """The runs called ``labels``, in few words if they are many and all that there are."""
    return f"all {len(labels)} runs" if len(labels) == len(runs) > MANY else ", ".join(labels)


def _walls(run: Run) -> str:
    return ", ".join(f"{seconds_text(one.wall_s)}{' (disturbed)' * one.disturbed}" for one in run.repeats)


def _machine_rows(machine: Environment) -> list[tuple[str, ...]]:
    """Code, versions and hardware, a row each."""
    commit = machine.commit or "unknown commit"
    libraries = ", ".join(f"{name} {version or 'unknown'}" for name, version in machine.libraries.items())
    memory = None if machine.memory_bytes is None else format_bytes(machine.memory_bytes)
    rows = [
        ("code", f"{machine.version or 'unknown version'}, {commit}{' with changes' if machine.dirty else ''}"),
        ("Python", machine.python),
        ("libraries", libraries),
        ("platform", machine.platform),
        ("CPU", machine.cpu),
        ("cores", _count(machine.cores, "core")),
        ("threads", _count(machine.threads, "thread")),
        ("memory", memory),
        ("GPU", machine.gpu or "none"),
        ("CUDA", machine.cuda),
        ("driver", machine.driver),
    ]
    return [(name, value) for name, value in rows if value]


def _count(number: int | None, noun: str) -> str | None:
    return None if number is None else count_text(number, noun)
