"""How the paper arranges its figures, and the words that stand in them."""

from dataclasses import dataclass

from analysis.paper import published

# Kinds: how a figure is drawn.
TOTALS, PARTS, SHARES, CURVES, FAMILIES = "totals", "parts", "shares", "curves", "families"
DISTRIBUTIONS = {"FIFTY_PERCENT": "Top 50%", "TWENTY_FIVE_PERCENT": "Top 25%", "TOP_LAYERS": "Top Layers"}
COMPONENTS = {
    "prepare_model": "prepare model",
    "prepare_data": "prepare data",
    "inference": "inference",
    "proxy_scoring": "proxy scoring",
    "total": "total",
}
APPROACHES = ("base", "shift", "alsatian")
# Ours at its best, drawn as one more bar wherever the paper compares strategies.
BEST = "auto"


@dataclass(frozen=True)
class Figure:
    """One figure of the paper.

    Attributes:
        number: as the paper has it, ``"5"`` to ``"17"``, or ``"overlap"``.
        kind: how it is drawn.
        title: what it shows.
        claim: what to look for, a sentence.
        columns: panels side by side.
        reference: what relative times refer to: ``"cell"`` (base of the same cell), ``"panel"`` (the first bar
            of the panel) or ``"figure"`` (the first bar of the figure).
    """

    number: str
    kind: str
    title: str
    claim: str
    columns: int
    reference: str = "cell"


FIGURES = {
    figure.number: figure
    for figure in (
        Figure(
            "5", SHARES, "Where the time of scoring one model goes",
            "inference rules on many items; preparing the model rules on few items and where the input of the "
            "last three blocks is cached; for ResNet-18 preparing the data rules.",
            4,
        ),
        Figure(
            "10", TOTALS, "End-to-end time of a search",
            "Alsatian is faster than SHiFT, and SHiFT than Base; the more models overlap, the more Alsatian "
            "gains, while Base and SHiFT do not change.",
            2,
        ),
        Figure(
            "11", PARTS, "The four parts of a search",
            "Alsatian shrinks preparing models, preparing data and inference; proxy scoring stays as with SHiFT.",
            2, "panel",
        ),
        Figure(
            "12", CURVES, "Parameters and inference time by block",
            "ViT-L-32 is flat; ResNet-152 computes early and has its parameters late.",
            2,
        ),
        Figure(
            "13", TOTALS, "End-to-end time of a search, trained models",
            "the same as with synthetic models (Fig 10c).",
            1,
        ),
        Figure(
            "14", TOTALS, "End-to-end time of a search, Hugging Face models of one architecture",
            "Alsatian is faster than SHiFT, and SHiFT than Base, for every architecture and size of data.",
            2,
        ),
        Figure(
            "15", TOTALS, "End-to-end time of a search, all Hugging Face models together",
            "Alsatian is faster than Base and SHiFT; SHiFT gains on Base only with much data.",
            2,
        ),
        Figure(
            "16", PARTS, "A search in less memory",
            "Alsatian stays ahead of Base and SHiFT under a tight budget.",
            2, "figure",
        ),
        Figure(
            "17", TOTALS, "End-to-end time of a search, BERT",
            "the more models overlap, the more Alsatian gains; Base and SHiFT do not change.",
            3,
        ),
        Figure(
            "overlap", FAMILIES, "How many fine-tunes share blocks with another model",
            "most fine-tunes of DETR share blocks; of ResNet and DINOv2-L up to two thirds do.",
            1,
        ),
    )
}  # fmt: skip


def panel_title(letter: str, items: int | None, distribution: str) -> str:
    """E.g. ``"(a) Top 50%, 2,000 items"``."""
    told = [] if items is None else [f"{items:,} items"]
    if distribution == "cache_after_3rd_last_block":
        told.append("cached before the last 3 blocks")
    elif distribution in DISTRIBUTIONS:
        told.insert(0, DISTRIBUTIONS[distribution])
    return f"{f'({letter}) ' if letter else ''}{', '.join(told)}"


def number_of(written: object) -> str | None:
    """The number of a figure however it is written (10, ``"10"``, ``"05"``); None if the paper has none such."""
    text = str(written).strip().lower().removeprefix("fig").lstrip("0")
    return text if text in FIGURES else None


def parts_of(figure: str) -> tuple[str, ...]:
    """Components that the paper draws in ``figure``, in its order."""
    return tuple(published.values(figure)["component"].unique())
