"""From the fields of a JSON document to a run."""

from collections.abc import Mapping, Sequence
from typing import Any

from alsatian.records.fields import FieldError, Fields
from alsatian.records.schema import (
    STATUSES,
    Budget,
    Dataset,
    Environment,
    ModelSet,
    Prediction,
    Repeat,
    Round,
    Run,
    Storage,
    Vertex,
)


def parse_run(record: Fields) -> Run:
    """The run that a record of schema 2 describes.

    Raises:
        FieldError: a field is missing or not what the schema says.
    """
    status = record.text("status")
    if status not in STATUSES:
        raise record.error("status", f"one of {', '.join(STATUSES)}")
    config = record.object("config")
    config.object("strategy").text("name")
    run = Run(
        run_id=record.text("run_id"),
        experiment=record.text("experiment"),
        status=status,
        error=record.optional_text("error"),
        command=record.text("command"),
        started=record.text("started"),
        finished=record.optional_text("finished"),
        config=config.values,
        model_set=_model_set(record.object("model_set")),
        dataset=_dataset(record.object("dataset")),
        environment=_environment(record.object("environment")),
        storage=_storage(record.object("storage")),
        resolved=_budgets(record.object("resolved")),
        excluded=_texts(record.object("excluded")),
        repeats=tuple(_repeat(fields) for fields in record.objects("repeats")),
        rounds=tuple(_round(fields) for fields in record.objects("rounds")),
        ranking=record.texts("ranking"),
        winner=record.optional_text("winner"),
        tree=None if record.values.get("tree") is None else parse_tree(record.objects("tree")),
        kind=record.optional_text("kind") or "measured",
        prediction=None if record.values.get("prediction") is None else _prediction(record.object("prediction")),
    )
    if run.ok:
        _check_finished(record, run)
    return run


def parse_tree(entries: Sequence[Fields]) -> tuple[Vertex, ...]:
    """The vertices of a task tree.

    Raises:
        FieldError: a field is missing or not what it should be, or a parent does not come before its child.
    """
    return tuple(_vertex(number, entry) for number, entry in enumerate(entries))


def _vertex(number: int, fields: Fields) -> Vertex:
    parent = fields.optional_count("parent")
    if fields.count("vertex") != number:
        raise fields.error("vertex", f"{number}, its place in the list")
    if parent is not None and parent >= number:
        raise fields.error("parent", f"a vertex before {number}")
    seconds = fields.optional_number("seconds")
    if seconds is not None and seconds < 0:
        raise fields.error("seconds", "at least 0")
    return Vertex(
        parent=parent,
        order=fields.optional_count("order"),
        way=fields.text("way"),
        blocks=fields.count("blocks"),
        parameter_bytes=fields.count("parameter_bytes"),
        output_bytes=fields.count("output_bytes"),
        models=fields.texts("models"),
        seconds=seconds,
    )


def _check_finished(record: Fields, run: Run) -> None:
    """What the schema promises of a run that ended well."""
    for name in ("repeats", "rounds", "ranking"):
        if not record.values[name]:
            raise FieldError(f"{name} is empty although the status is ok")
    if run.winner != run.ranking[0]:
        raise FieldError(f"winner: {run.winner!r} is not the first of the ranking, {run.ranking[0]!r}")
    if not all(repeat.valid for repeat in run.repeats):
        raise FieldError("a repeat is not valid although the status is ok")


def _prediction(fields: Fields) -> Prediction:
    return Prediction(fields.text("hardware"), fields.text("source"), fields.text("scores"))


def _model_set(fields: Fields) -> ModelSet:
    return ModelSet(
        name=fields.text("name"),
        digest=fields.text("digest"),
        models=fields.count("models"),
        blocks=fields.count("blocks"),
        distinct_blocks=fields.count("distinct_blocks"),
        total_bytes=fields.count("total_bytes"),
        distinct_bytes=fields.count("distinct_bytes"),
    )


def _dataset(fields: Fields) -> Dataset:
    return Dataset(
        name=fields.text("name"),
        digest=fields.text("digest"),
        train_items=fields.count("train_items"),
        test_items=fields.count("test_items"),
        classes=fields.count("classes"),
    )


def _environment(fields: Fields) -> Environment:
    code = fields.object("code")
    libraries = fields.object("libraries")
    return Environment(
        version=code.optional_text("version"),
        commit=code.optional_text("commit"),
        dirty=code.optional_flag("dirty"),
        python=fields.optional_text("python"),
        platform=fields.optional_text("platform"),
        libraries={name: libraries.optional_text(name) for name in libraries.values},
        cpu=fields.optional_text("cpu"),
        cores=fields.optional_count("cores"),
        threads=fields.optional_count("threads"),
        memory_bytes=fields.optional_count("memory_bytes"),
        gpu=fields.optional_text("gpu"),
        cuda=fields.optional_text("cuda"),
        driver=fields.optional_text("driver"),
        determinism=dict(fields.object("determinism").values),
    )


def _storage(fields: Fields) -> Storage:
    return Storage(bandwidth=fields.optional_number("bandwidth"), cold=fields.flag("cold"))


def _budgets(fields: Fields) -> dict[str, Budget]:
    budgets = {}
    for name in fields.values:
        budget = fields.object(name)
        requested = budget.values.get("requested")
        if requested is not None and not isinstance(requested, str):
            requested = budget.number("requested")
        budgets[name] = Budget(requested, budget.optional_count("bytes"))
    return budgets


def _repeat(fields: Fields) -> Repeat:
    process = _optional(fields, "process")
    wall = fields.number("wall_s")
    if wall <= 0:
        raise fields.error("wall_s", "a positive number of seconds")
    return Repeat(
        wall_s=wall,
        parts_s=_numbers(fields.object("parts_s")),
        counters=_counts(fields, "counters"),
        peaks=_counts(fields, "peaks"),
        valid=fields.flag("valid"),
        busy_s=_numbers(_optional(fields, "busy_s")),
        stalled_s=_numbers(_optional(fields, "stalled_s")),
        process={name: process.optional_number(name) for name in process.values},
        events=_objects(fields, "events"),
        level=fields.optional_text("level") or "parts",
    )


def _round(fields: Fields) -> Round:
    scores, failed = fields.object("scores"), _texts(_optional(fields, "failed"))
    if not (scores.values or failed):
        raise fields.error("scores", "at least one model's score")
    return Round(
        train_items=fields.count("train_items"),
        chunks=fields.count("chunks"),
        scores=_numbers(scores),
        fingerprints=_texts(_optional(fields, "fingerprints")),
        failed=failed,
    )


def _optional(fields: Fields, name: str) -> Fields:
    """A nested object; an empty one if it is absent."""
    return Fields({}) if fields.values.get(name) is None else fields.object(name)


def _objects(fields: Fields, name: str) -> tuple[Mapping[str, Any], ...]:
    """A list of objects as they are; an empty one if it is absent."""
    return () if fields.values.get(name) is None else tuple(item.values for item in fields.objects(name))


def _texts(fields: Fields) -> dict[str, str]:
    return {name: fields.text(name) for name in fields.values}


def _numbers(fields: Fields) -> dict[str, float]:
    return {name: fields.number(name) for name in fields.values}


def _counts(fields: Fields, name: str) -> dict[str, int]:
    """Counters that never counted may be absent, all of them too."""
    counts = _optional(fields, name)
    return {key: counts.count(key) for key in counts.values}
