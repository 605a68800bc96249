"""Whether a figure is laid out well: what its texts cover, and how large they are."""

from typing import Any

from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from analysis.figures import style
from analysis.figures.picture import Picture

# The least size of a text in a paper, in points.
LEAST = 7.0


def texts(figure: Figure) -> list[Text]:
    """Every text that is not empty: labels, numbers, titles, legends."""
    found: list[Any] = [*figure.texts, *(text for one in figure.subfigs[0].legends for text in one.get_texts())]
    for axes in figure.axes:
        found += [*axes.texts, axes.title, axes._left_title]  # type: ignore[attr-defined]
        if not axes.axison:
            continue
        found += [axes.xaxis.label, axes.yaxis.label]
        for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            inside = (min(low, high), max(low, high))
            found += [t.label1 for t in axis.get_major_ticks() if inside[0] <= t.get_loc() <= inside[1]]
    return [text for text in found if text.get_text()]


def marks(figure: Figure) -> list[Bbox]:
    """Where the published marks are."""
    found = []
    for axes in figure.axes:
        for line in axes.lines:
            if line.get_marker() in ("D", "v") and len(line.get_xdata()) == 1:
                (x, y), half = axes.transData.transform(line.get_xydata()[0]), line.get_markersize() * 0.7
                reach = half * figure.dpi / style.INCH
                found.append(Bbox([[x - reach, y - reach], [x + reach, y + reach]]))
    return found


def check_layout(figure: Figure) -> None:
    """No text leaves the figure, covers another one, or touches a published mark."""
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts(figure)]
    inside = figure.bbox.padded(0.5)
    assert [t for t, b in boxes if not (inside.contains(*b.min) and inside.contains(*b.max))] == []
    # Numbers stand close to each other: what counts is the ink, which is a little smaller than its box.
    shrunk = [(text, box.padded(-1.5)) for text, box in boxes]
    clash = [(a, b) for i, (a, x) in enumerate(shrunk) for b, y in shrunk[:i] if x.overlaps(y)]
    assert clash == []
    assert [text for text, box in shrunk if any(box.overlaps(mark) for mark in marks(figure))] == []


def check_paper(picture: Picture, columns: int | None = None) -> Figure:
    """``picture`` for a paper has its widths, no title and no caption, and texts that can be read; the figure."""
    look = style.named({"style": "paper", "columns": columns})
    with style.drawing(look):
        figure = picture.draw("", "")
        figure.draw_without_rendering()
        width = figure.get_figwidth()
        assert width in ([style.COLUMNS[columns]] if columns else list(style.COLUMNS.values()))
        assert not figure.texts
        assert not figure.get_suptitle()
        assert not figure.get_supxlabel()
        small = {text.get_text(): text.get_fontsize() for text in texts(figure) if text.get_fontsize() < LEAST}
        assert small == {}
        check_layout(figure)
    return figure
