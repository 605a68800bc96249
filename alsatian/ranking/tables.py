"""A ranking as tables: for notebooks, files and terminals."""

from typing import TYPE_CHECKING, Any

from alsatian.records.ranking import BEST, LAST, MEAN, Agreement, RankedModel, Ranking, Work
from alsatian.units import count_text, factor_text, format_bytes, printable

if TYPE_CHECKING:
    import pandas as pd

TIED, EQUAL = "≈", "="
"""Beside a place: the score cannot be told from the first one's; it equals that of the model before."""


def frame(record: Ranking) -> "pd.DataFrame":
    """One row a model, best first, indexed by place; scores of further proxies under their names."""
    import pandas as pd

    rows = []
    for row in record.ranked:
        plain = row.plain()
        plain |= {"notes": "; ".join(row.notes), **plain.pop("further")}
        rows.append(plain)
    left_out = {LAST: {"layer", "layers"}, MEAN: {"layer"}, BEST: set()}[record.layers] | {"further"}
    names = [name for name in RankedModel.model_fields if name not in left_out]
    return pd.DataFrame(rows, columns=[*names, *record.proxies[1:]]).set_index("place")


def html(record: Ranking) -> str:
    """The table for notebooks."""
    layer = ["layer"] if record.layers == BEST else []
    shown = frame(record)[
        ["model", "score", "standard_error", "tied", *layer, "round", "bytes", *record.proxies[1:]]
    ]
    styled: Any = shown.rename(columns={"score": record.proxies[0], "standard_error": "± standard error"})
    return str(styled.to_html(float_format="%.4f", na_rep="–"))


def cells(row: RankedModel, record: Ranking) -> list[str]:
    """A row for people: place, model, score, further scores, round, size, cost."""
    mark = (TIED if row.tied else "") + (EQUAL if row.equal else "")
    score = "–" if row.score is None else score_text(row.score)
    if row.standard_error is not None:
        score = f"{score} ±{row.standard_error:.4f}"
    further = [f"{row.further[name]:.4g}" if name in row.further else "–" for name in record.proxies[1:]]
    further += _layer(row, record)
    cost = "–" if row.relative_cost is None else factor_text(row.relative_cost)
    return [
        f"{row.place}{mark}",
        printable(row.model),
        score,
        *further,
        "–" if not row.round else str(row.round),
        format_bytes(row.bytes) if row.bytes else "–",
        cost,
    ]


def score_text(score: float) -> str:
    """With four digits behind the point; with four digits in all where these would be too many or only zeros."""
    return f"{score:.4f}" if score == 0 or 0.001 <= abs(score) < 100 else f"{score:.4g}"


def titles(record: Ranking) -> list[str]:
    """Of :func:`cells`."""
    return ["", "model", *record.proxies, *(["layer"] if record.layers == BEST else []), "round", "size", "cost"]


def tau_text(pair: Agreement) -> str:
    """Weighted Kendall's tau of two rankings."""
    return "undefined: one gives all models the same score" if pair.tau is None else f"{pair.tau:.2f}"


def work_text(work: Work) -> str:
    """What sharing and earlier searches saved."""
    parts = []
    if work.alone:
        parts.append(f"sharing saved {work.saved:.0%} of {work.alone:,} runs of a block on an item")
    if work.reused_items:
        parts.append(f"{count_text(work.reused_items, 'feature')} taken from earlier searches")
    return "; ".join(parts) or "nothing was computed"


def about_layers(record: Ranking) -> str | None:
    """Whose features were scored, where it is not a model's own."""
    counts = sorted({row.layers for row in record.ranked if row.layers is not None})
    if record.layers == LAST or not counts:
        return None
    many = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    if record.layers == MEAN:
        return f"Features are the mean over a model's {many} layers."
    return (
        f"A score is the best of a model's {many} layers: the highest of several is optimistic, and the more so "
        "the more there are."
    )


def _layer(row: RankedModel, record: Ranking) -> list[str]:
    """The layer that was chosen, of how many, where layers were chosen."""
    if record.layers != BEST:
        return []
    return ["–" if row.layer is None else f"{row.layer}/{row.layers}"]
