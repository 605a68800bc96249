"""The report's sections as rows of text, for the page to lay out."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from alsatian.records.reading import Run
from alsatian.records.schema import Environment
from alsatian.units import count_text, format_bytes, seconds_text
from analysis.comparing.checks import ScoreCheck
from analysis.comparing.comparable import workload
from analysis.comparing.labels import in_order
from analysis.report.findings import storage_text
from analysis.tables.formats import Table

# Longer lists are folded.
SHOWN = 20
# All of more runs than this are not listed by name.
MANY = 6


@dataclass(frozen=True)
class Ranking:
    """Models, best first, as ``(model, its last score)``, and the runs that ranked them so."""

    title: str
    first: Sequence[tuple[str, str]]
    rest: Sequence[tuple[str, str]]


def rounds(runs: Sequence[Run]) -> list[Table]:
    """Rounds of each run: training items, models scored, chunks, the best model and its score.

    Runs that agree share a table.
    """
    groups: dict[tuple[tuple[object, ...], ...], list[str]] = {}
    for label, run in in_order(runs):
        rows = []
        for result in run.rounds:
            best = max(result.scores, key=lambda model: result.scores[model])
            rows.append((result.train_items, len(result.scores), result.chunks, result.scores[best], best))
        groups.setdefault(tuple(rows), []).append(label)
    names = ["train_items", "models", "chunks", "top_score", "best model"]
    return [Table.of(pd.DataFrame(rows, columns=names), _who(labels, runs)) for rows, labels in groups.items()]


def rankings(runs: Sequence[Run]) -> list[Ranking]:
    """Final rankings; runs that agree share one."""
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], list[str]] = {}
    for label, run in in_order(runs):
        last = {model: f"{score:.4f}" for result in run.rounds for model, score in result.scores.items()}
        models = tuple((model, last.get(model, "–")) for model in run.ranking)
        groups.setdefault((workload(run), models), []).append(label)
    return [Ranking(_who(labels, runs), ranked[:SHOWN], ranked[SHOWN:]) for (_, ranked), labels in groups.items()]


def score_checks(checks: Sequence[ScoreCheck]) -> Table:
    """Every pair of runs that must agree, and whether it does."""
    rows = [(check.a, check.b, check.shared, check.fingerprints, _verdict(check)) for check in checks]
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
            (
                "size",
                f"{whole}, of which {distinct} distinct",
            ),
            ("model set digest", models.digest),
            ("train items", f"{data.train_items:,}"),
            ("test items", f"{data.test_items:,}"),
            ("classes", f"{data.classes:,}"),
            ("dataset digest", data.digest),
        ]
        found.append(Table(f"{models.name} on {data.name}", (), rows))
    return found


def environments(runs: Sequence[Run]) -> list[Table]:
    """Code, versions and hardware; one table for all runs if they agree."""
    groups: dict[tuple[tuple[str, ...], ...], list[str]] = {}
    for label, run in in_order(runs):
        groups.setdefault(tuple(machine_rows(run.environment)), []).append(label)
    return [Table(", ".join(who) if len(groups) > 1 else "", (), list(rows)) for rows, who in groups.items()]


def provenance(runs: Sequence[Run]) -> Table:
    """Where each row of the table comes from: run id, time, storage and every repeat's wall time."""
    header = ("run", "run id", "started", "storage", "wall time of every repeat")
    rows = [
        (label, run.run_id, run.started, storage_text(run.storage), _walls(run)) for label, run in in_order(runs)
    ]
    return Table("", header, rows)


def commands(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Each distinct command and the runs it made."""
    found: dict[str, list[str]] = {}
    for label, run in in_order(runs):
        found.setdefault(run.command, []).append(label)
    return [(command, _who(labels, runs)) for command, labels in found.items()]


def _who(labels: Sequence[str], runs: Sequence[Run]) -> str:
    """The runs called ``labels``, in few words if they are many and all that there are."""
    return f"all {len(labels)} runs" if len(labels) == len(runs) > MANY else ", ".join(labels)


def _verdict(check: ScoreCheck) -> str:
    if not check.shared:
        return "nothing shared"
    return f"DIFFERENT: {len(check.mismatches)} of {check.shared}" if check.mismatches else "identical"


def _walls(run: Run) -> str:
    return ", ".join(seconds_text(repeat.wall_s) for repeat in run.repeats)


def machine_rows(machine: Environment) -> list[tuple[str, ...]]:
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
