"""The report of a ranking: one HTML file."""

import json
from pathlib import Path
from typing import Any

from alsatian.assembly import STORE
from alsatian.files import write_bytes
from alsatian.pages import render
from alsatian.ranking import tables
from alsatian.records.ranking import BEST, RankedModel, Ranking
from alsatian.units import count_text, duration, format_bytes, printable, seconds_text


def write(record: Ranking, path: Path) -> Path:
    """Write the report of ``record`` to ``path``, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, page(record).encode())
    return path


def page(record: Ranking) -> str:
    """The report as HTML."""
    models = count_text(len(record.ranked), "model")
    return render(
        Path(__file__).parent,
        "report.html",
        title=f"{models} on {record.train_items + record.test_items:,} items",
        heading="Search for the best model to fine-tune",
        record=record,
        best=best_text(record),
        rows=[_row(row, record) for row in record.ranked],
        legend=legend(record),
        snippet="\n".join(snippet(record)),
        facts=facts(record),
        tau_text=tables.tau_text,
        score_text=tables.score_text,
        notes=[*filter(None, [tables.about_layers(record)]), *record.notes, *_proxy_notes(record)],
        further=[*record.proxies[1:], *(["Layer"] if record.layers == BEST else [])],
    )


def best_text(record: Ranking) -> str:
    """The best model and those that cannot be told from it, in one sentence."""
    first, tied = record.ranked[0], [row.model for row in record.ranked if row.tied]
    if first.score is None:
        return f"{first.model} has no score: {first.failed or 'no round scored it'}"
    error = "" if first.standard_error is None else f" ± {first.standard_error:.4f}"
    more = f"; {', '.join(tied[:3])}{' and others' if len(tied) > 3 else ''} cannot be told from it" if tied else ""
    return f"{first.model} is best, with {record.proxies[0]} {tables.score_text(first.score)}{error}{more}"


def legend(record: Ranking) -> str:
    """What the columns mean."""
    error = "± is the standard error over the test items. " if any(r.standard_error for r in record.ranked) else ""
    return (
        f"Models are ranked by the last round they were in, then by {record.proxies[0]} there, on "
        f"{record.test_items:,} test items. {error}{tables.TIED}: the test items do not tell it from the first "
        f"(paired test, 5 %); {tables.EQUAL}: round and score of the one before. Cost: operations of a training "
        "step, relative to the first."
    )


def facts(record: Ranking) -> list[tuple[str, str]]:
    """What the search did, each row with a word that says what it is about."""
    work = record.work
    expected = f", {duration(record.predicted_s)} expected" if record.predicted_s is not None else ""
    parts = sorted(record.parts_s.items(), key=lambda part: -part[1])
    took = ", ".join(f"{name.replace('_', ' ')} {seconds_text(s)}" for name, s in parts if s >= 0.005)
    return [
        *([("command", record.command)] if record.command else []),
        ("strategy", f"{record.strategy}, schedule {record.schedule}"),
        ("computed", f"in {record.numerics} by {record.kernels} kernels"),
        ("time", f"{seconds_text(record.wall_s)}{expected}: {took}"),
        *([("limit", record.limit.text(record.wall_s))] if record.limit is not None else []),
        ("parameters", f"{format_bytes(work.distinct_bytes)} distinct of {format_bytes(work.total_bytes)}"),
        ("work", tables.work_text(work)),
        ("versions", ", ".join(f"{name} {number}" for name, number in record.versions.items())),
    ]


def snippet(record: Ranking) -> list[str]:
    """Lines of Python that load the first model: as a feature extractor, and with a new layer to be trained."""
    first = record.ranked[0]
    word = _quoted(first.source or first.model)
    place = f", store={_quoted(record.store)}" if record.store and record.store != STORE else ""
    if first.modality is not None:
        place += f", modality={_quoted(first.modality)}"
    # One output for numbers.
    classes = max(1, len(record.data.classes)) if record.data else 1
    return [
        "import alsatian",
        f"extractor = alsatian.load({word}{place})",
        f"model = alsatian.load({word}{place}, classes={classes})",
    ]


def _quoted(text: str) -> str:
    """As a string of Python, whose escapes are those of JSON; it neither breaks a line nor steers a terminal."""
    return printable(json.dumps(text, ensure_ascii=False))


def _row(row: RankedModel, record: Ranking) -> dict[str, Any]:
    place, model, score, *rest = tables.cells(row, record)
    further, (number, size, cost) = rest[:-3], rest[-3:]
    return {
        "place": place, "model": model, "score": score, "further": further, "round": number, "size": size,
        "cost": cost, "failed": row.failed, "seen": f"{row.train_items:,}" if row.train_items else "–",
        "parameters": _short(row.parameters), "flops": _short(row.flops), "bar": _bar(row, record),
    }  # fmt: skip


def _bar(row: RankedModel, record: Ranking) -> dict[str, float] | None:
    """Per cent of the width for an accuracy; others have no scale of their own."""
    if row.score is None or row.standard_error is None or not 0 <= row.score <= 1:
        return None
    low, high = max(0.0, row.score - row.standard_error), min(1.0, row.score + row.standard_error)
    return {"width": round(100 * row.score, 2), "low": round(100 * low, 2), "error": round(100 * (high - low), 2)}


def _short(number: int | None) -> str:
    """With a metric prefix and three digits."""
    if number is None:
        return "–"
    power = min(4, max(0, len(f"{number:.0f}") - 1) // 3)
    return f"{number / 1000**power:.3g} {' kMGT'[power]}".strip()


def _proxy_notes(record: Ranking) -> list[str]:
    """What proxies say beside scores, with the models that it is said of."""
    found: dict[str, list[str]] = {}
    for row in record.ranked:
        for note in row.notes:
            if not any(note in line for line in record.notes):
                found.setdefault(note, []).append(row.model)
    return [f"{', '.join(ids[:3])}{f' and {len(ids) - 3} more' if len(ids) > 3 else ''}: {note}"
            for note, ids in found.items()]  # fmt: skip
