"""A picture of a task tree: who shares what, where the time and the memory go, in which order."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from alsatian.records import Vertex
from alsatian.units import count_text, format_bytes, printable, seconds_text
from analysis.figures import style
from analysis.figures.layout import legend, panels
from analysis.figures.picture import Picture, Spot
from analysis.figures.style import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION
from analysis.figures.tree_layout import Node, layout

# Rows of the picture; larger trees are summed up.
ROWS = 48
# Inches of a row; of a level, the most and the least, and of all levels if they are many.
ROW = 0.2
LEVEL, NARROW, LEVELS = 1.15, 0.42, 11.0
# Inches of names at the end and letters of one, on a page and in a paper.
NAMES, LONGEST = (3.2, 2.4), (36, 20)
# Models that a node names when it is pointed at.
TOLD = 6
# Inches of the figure in a paper at least, and of a level that has room for a number.
LEAST, NUMBERED = 6.0, 0.3
# Of a level, the line from the data to a vertex without a parent.
START = 0.45
COLOURS = {
    "kept": BLUE,
    "spilled": SKY,
    "fused": ORANGE,
    "recomputed": VERMILLION,
    "offered to the cache": PURPLE,
    "features": GREEN,
}


def task_tree(tree: Sequence[Vertex], title: str, caption: str, items: int | None = None) -> Picture:
    """The picture of ``tree``; the data hold every vertex, also those that the picture sums up.

    ``items`` are those that every model sees in its round; None if that is not known.
    """
    notes = " ".join(_notes(tree, layout(tree, ROWS), _timed(tree)))
    text = f"{notes}\n{caption}".rstrip()
    return Picture(title, text, tree_data(tree), partial(_draw, tree), partial(_spots, tree, items))


def tree_data(tree: Sequence[Vertex]) -> pd.DataFrame:
    """A row for every vertex."""
    kinds = {"parent": "Int64", "order": "Int64", "way": "string", "blocks": "Int64", "parameter_bytes": "Int64"}
    kinds |= {"output_bytes": "Int64", "seconds": "Float64"}
    columns = pd.DataFrame({name: [getattr(vertex, name) for vertex in tree] for name in kinds}).astype(kinds)
    columns.insert(0, "vertex", range(len(tree)))
    return columns.assign(models=["; ".join(vertex.models) for vertex in tree])


def weight(node: Node, timed: bool) -> float:
    """What the width of the line to a node stands for: seconds, or bytes of parameters."""
    return sum((vertex.seconds or 0.0) if timed else vertex.parameter_bytes for vertex in node.vertices)


def name(node: Node, timed: bool) -> str:
    """What stands beside a node without children: its place in the order, models, and seconds of a sum."""
    if node.children:
        return ""
    first, last = node.orders or (None, None)
    order = "" if first is None else f"{first}  " if first == last else f"{first}–{last}  "
    if node.siblings == 1:
        shown = [printable(model) for model in node.models[:2]]
        most = LONGEST[style.now().paper]
        names = ", ".join(text if len(text) <= most else f"{text[: most - 1]}…" for text in shown)
        return order + names + (f" +{len(node.models) - 2}" if len(node.models) > 2 else "")
    what = count_text(len(node.models), "model" if node.alone else "more model")
    if node.ways != {"features"}:
        what += f" in {len(node.vertices):,} vertices" if len(node.vertices) > 1 else " in 1 vertex"
    return order + what + (f", {seconds_text(weight(node, timed))}" if timed else "")


def _draw(tree: Sequence[Vertex], title: str, caption: str) -> Figure:
    nodes = layout(tree, ROWS)
    timed = _timed(tree)
    levels = max(node.level for node in nodes) + 1
    rows = max(node.row for node in nodes) + 1
    names = NAMES[style.now().paper]
    _, width = style.now().fit(1, names + levels * max(NARROW, min(LEVEL, LEVELS / levels)), LEAST)
    size = (width, 0.1 + rows * ROW * style.now().tall)
    figure, (axes,) = panels(1, 1, size, title, caption)
    axes.set_axis_off()
    axes.set_xlim(-START, levels - 1)
    axes.set_ylim(rows - 0.5, -0.5)
    _draw_lines(axes, nodes, timed)
    numbered = (width - names) / levels >= NUMBERED
    _draw_nodes(axes, nodes, timed, max(vertex.output_bytes for vertex in tree), numbered)
    legend(figure, list(_legend(nodes)))
    return figure


def _spots(tree: Sequence[Vertex], items: int | None, figure: Figure) -> list[Spot]:
    """What the nodes of the drawn ``figure`` answer."""
    nodes, timed = layout(tree, ROWS), _timed(tree)
    axes, whole = figure.axes[0], figure.bbox
    spots: list[Spot] = []
    ends: dict[int, list[str]] = {}  # models that pass a node
    above: dict[int, int] = {}  # blocks before it
    for node in nodes:
        own = node.vertices[0].blocks if node.siblings == 1 and node.vertices else 0
        for child in node.children:
            above[id(child)] = above.get(id(node), 0) + own
    for node in reversed(nodes):  # children first
        ends[id(node)] = [*node.models, *(model for child in node.children for model in ends[id(child)])]
    for node in nodes:
        x, y = axes.transData.transform((node.level, node.row))
        told = _told(node, ends[id(node)], above.get(id(node), 0), items, timed)
        spots.append(Spot(float(x / whole.width), float(1 - y / whole.height), told))
    return spots


def _told(node: Node, models: Sequence[str], above: int, items: int | None, timed: bool) -> dict[str, str]:
    """All that is known of a node that ``models`` pass, behind ``above`` blocks."""
    shown = ", ".join(printable(model) for model in models[:TOLD])
    told = {"models": f"{shown} and {len(models) - TOLD:,} more" if len(models) > TOLD else shown}
    if not node.vertices:
        return told
    blocks = sum(vertex.blocks for vertex in node.vertices)
    if node.siblings > 1:
        told["blocks"] = f"{blocks:,}, in {len(node.vertices):,} vertices"
    else:
        told["blocks"] = (
            f"number {above + 1:,} to {above + blocks:,}" if blocks > 1 else f"number {above + blocks:,}"
        )
    told["parameters"] = format_bytes(sum(vertex.parameter_bytes for vertex in node.vertices))
    if items is not None:
        told["items"] = f"{items:,}"
    if timed:
        told["time"] = seconds_text(weight(node, timed))
    told["what becomes of it"] = ", ".join(sorted(node.ways))
    if node.siblings == 1:
        told["bytes per item"] = format_bytes(node.vertices[0].output_bytes)
    return told


def _timed(tree: Sequence[Vertex]) -> bool:
    return all(vertex.seconds is not None for vertex in tree) and any(vertex.seconds for vertex in tree)


def _notes(tree: Sequence[Vertex], nodes: Sequence[Node], timed: bool) -> Iterator[str]:
    """How to read the picture."""
    largest = max(vertex.output_bytes for vertex in tree)
    yield f"Numbers: order of computing. Area of dots: bytes per item, up to {format_bytes(largest)}."
    widest = max(weight(node, timed) for node in nodes)
    what = "time of computing" if timed else "bytes of parameters"
    yield f"Width of lines: {what}, up to {seconds_text(widest) if timed else format_bytes(widest)}."
    summed = sum(len(node.vertices) for node in nodes if node.siblings > 1)
    if summed:
        yield f"Squares sum up siblings with all that is below: {summed:,} of {len(tree):,} vertices."


def _draw_lines(axes: Axes, nodes: Sequence[Node], timed: bool) -> None:
    """From every node to its children; only what stands for an edge is wide."""
    widest = max(weight(node, timed) for node in nodes) or 1
    wide, widths, thin, dotted = [], [], [], []
    for node in nodes:
        starts = node.level == 0 and any(vertex.blocks for vertex in node.vertices)
        incoming = [((node.level - START, node.level), node)] if starts else []
        if node.children:
            fork = node.level + 0.3
            thin.append([(node.level, node.row), (fork, node.row)])
            thin.append([(fork, node.children[0].row), (fork, node.children[-1].row)])
            incoming += [((fork, child.level), child) for child in node.children]
        for (start, end), child in incoming:
            line = [(start, child.row), (end, child.row)]
            if child.vertices:
                wide.append(line)
                widths.append(0.6 + 4.4 * weight(child, timed) / widest)
            else:
                dotted.append(line)
    axes.add_collection(LineCollection(thin, linewidths=0.6, colors=GREY, zorder=1))
    axes.add_collection(LineCollection(dotted, linewidths=0.8, colors=GREY, linestyles=":", zorder=1))
    axes.add_collection(LineCollection(wide, linewidths=widths, colors="#BBBBBB", zorder=1))


def _draw_nodes(axes: Axes, nodes: Sequence[Node], timed: bool, largest: int, numbered: bool) -> None:
    """The nodes, with their place in the order, of inner ones if ``numbered``, and the names of models.

    ``largest`` bytes are the largest dot.
    """
    beside: Any = {"textcoords": "offset points", "fontsize": style.now().tiny}
    for node in nodes:
        at = (node.level, node.row)
        several = node.siblings > 1
        area = 36.0 if several else 14 + 110 * sum(v.output_bytes for v in node.vertices) / (largest or 1)
        radius = float(np.sqrt(area) / 2)
        if node.vertices:
            look, marker = _look(node)
            axes.scatter(*at, area, look, marker=marker, linewidths=0, zorder=2, clip_on=False)
        if node.children and node.orders and numbered:
            axes.annotate(f"{node.orders[0]}", at, (-0.8 * radius - 1, 3), ha="right", **beside)
        if text := name(node, timed):
            axes.annotate(text, at, (radius + 4 if node.vertices else 2, 0), va="center", **beside)


def _look(node: Node) -> tuple[str, str]:
    """Colour, by what becomes of the vertices and grey if it differs, and marker, a square for a sum."""
    (way,) = node.ways if len(node.ways) == 1 else ("",)
    return COLOURS.get(way, GREY), "s" if node.siblings > 1 else "o"


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
