"""A picture of a task tree: who shares what, where the time and the memory go, in which order."""

import io
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from alsatian.records.schema import Vertex
from alsatian.units import format_bytes, seconds_text
from analysis.figures import style
from analysis.figures.style import FONT, GREY, INCH, LINE, SMALL
from analysis.figures.tree_marks import COLOURS, MARGIN, Scale, draw_dots, draw_lines
from analysis.figures.tree_rows import Node, laid_out

# Rows of the picture; larger trees are summed up.
ROWS = 48
# Inches of a row, and of the whole at least.
ROW, WIDTH = 0.2, 6.4
FORMATS = (".svg", ".png", ".pdf")


def draw(tree: Sequence[Vertex], suffix: str = ".png", title: str = "") -> bytes:
    """The picture of ``tree`` in the format that ``suffix`` names, one of ``FORMATS``."""
    metadata: dict[str, dict[str, Any]] = {
        ".svg": {"Date": None, "Creator": None},
        ".pdf": {"CreationDate": None, "ModDate": None},
        ".png": {"Software": None},
    }
    with style.drawing():
        file = io.BytesIO()
        draw_tree(tree, title, "").savefig(file, format=suffix[1:], dpi=style.DPI, metadata=metadata[suffix])
    return file.getvalue()


def save(tree: Sequence[Vertex], path_stem: Path, title: str, caption: str) -> list[Path]:
    """Write the picture of ``tree`` and its vertices to ``path_stem`` + .png/.pdf/.csv."""
    with style.drawing():
        return style.save(draw_tree(tree, title, caption), tree_data(tree), path_stem)


def page_image(tree: Sequence[Vertex]) -> tuple[bytes, float]:
    """The picture without title and caption as SVG, and its width in inches."""
    with style.drawing():
        figure = draw_tree(tree, "", "")
        return style.svg(figure), figure.get_figwidth()


def tree_data(tree: Sequence[Vertex]) -> pd.DataFrame:
    """A row for every vertex, also for those that the picture sums up."""
    kinds = {"parent": "Int64", "order": "Int64", "way": "string", "blocks": "Int64", "parameter_bytes": "Int64"}
    kinds |= {"output_bytes": "Int64", "seconds": "Float64"}
    columns = pd.DataFrame({name: [getattr(vertex, name) for vertex in tree] for name in kinds}).astype(kinds)
    columns.insert(0, "vertex", range(len(tree)))
    return columns.assign(models=["; ".join(vertex.models) for vertex in tree])


def draw_tree(tree: Sequence[Vertex], title: str, caption: str) -> Figure:
    """The figure. Call inside ``style.drawing()``."""
    nodes = laid_out(tree, ROWS)
    scale = Scale.of(tree, nodes)
    width = max(WIDTH, max(scale.end(node) for node in nodes) + 0.15)
    head = _filled(title, width, (FONT + 2) * style.BOLD)
    notes = [line for note in _notes(tree, nodes, scale) for line in _filled(note, width, SMALL)]
    foot = [*notes, *_filled(caption, width, SMALL)]
    above = 0.1 + len(head) * LINE * 1.4 / INCH
    rows = (max(node.row for node in nodes) + 1) * ROW
    below = 0.42 + len(foot) * LINE / INCH
    height = above + rows + below
    figure = Figure(figsize=(width, height), dpi=style.DPI)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, below / height, 1, rows / height))
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(rows / ROW - 0.5, -0.5)
    draw_lines(axes, nodes, scale)
    draw_dots(axes, nodes, scale)
    figure.legend(
        handles=list(_legend(nodes)),
        loc="center left",
        bbox_to_anchor=(0.02, (below - 0.18) / height),
        ncols=6,
        frameon=False,
        fontsize=SMALL,
        handletextpad=0.2,
        columnspacing=1.2,
    )
    left = MARGIN / 2 / width
    for i, line in enumerate(head):
        y = 1 - (0.08 + i * LINE * 1.4 / INCH) / height
        figure.text(left, y, line, va="top", fontsize=FONT + 2, fontweight="bold")
    for i, line in enumerate(foot):
        y = (below - 0.36 - i * LINE / INCH) / height
        # How to read the picture comes first, then what is said of this tree.
        figure.text(left, y, line, va="top", fontsize=SMALL, color="black" if i < len(notes) else "#444444")
    return figure


def _notes(tree: Sequence[Vertex], nodes: Sequence[Node], scale: Scale) -> Iterator[str]:
    """How to read the picture."""
    yield f"Numbers: order of computing. Area of dots: bytes per item, up to {format_bytes(scale.largest)}."
    what = "time of computing" if scale.timed else "bytes of parameters"
    most = seconds_text(scale.widest) if scale.timed else format_bytes(scale.widest)
    yield f"Width of lines: {what}, up to {most}."
    summed = sum(len(node.vertices) for node in nodes if node.siblings > 1)
    if summed:
        yield f"Squares sum up siblings with all that is below: {summed:,} of {len(tree):,} vertices."


def _legend(nodes: Sequence[Node]) -> Iterator[Line2D]:
    """What becomes of vertices, and what is summed up."""
    kinds = [node.ways for node in nodes if node.vertices]
    there = {way for ways in kinds if len(ways) == 1 for way in ways}
    for way in (*(way for way in COLOURS if way in there), *sorted(there - COLOURS.keys())):
        yield _entry(way, COLOURS.get(way, GREY), "o")
    if any(len(ways) > 1 for ways in kinds):
        yield _entry("several of these", GREY, "s")


def _entry(label: str, colour: str, marker: str) -> Line2D:
    return Line2D([], [], color=colour, marker=marker, markersize=5.5, markeredgewidth=0, linestyle="", label=label)


def _filled(text: str, inches: float, size: float) -> list[str]:
    return textwrap.wrap(text, max(20, int(inches * INCH / (size * 0.56))))
