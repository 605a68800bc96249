"""A picture of a task tree: who shares what, where the time and the memory go, in which order."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from analysis.style import BLUE, DPI, GREEN, GREY, ORANGE, PURPLE, SMALL, VERMILLION, drawing
from analysis.units import bytes_text

# Rows of the picture; larger trees are summarised.
ROWS = 48
# Inches of a row, of a level, and for names.
ROW, LEVEL, NAMES = 0.19, 1.15, 2.1
_COLOURS = {
    "kept": BLUE,
    "fused": ORANGE,
    "recomputed": VERMILLION,
    "features": GREEN,
    "offered to the cache": PURPLE,
}
_FORMATS = {".png": FigureCanvasAgg, ".svg": FigureCanvasSVG, ".pdf": FigureCanvasPdf}


@dataclass
class _Node:
    """A vertex to draw, or several that were summed up.

    Attributes:
        entry: the vertex's description.
        children: below it, in the order of computing.
        hidden: vertices below that are not drawn on their own.
        row, level: where it is drawn.
    """

    entry: Mapping[str, Any]
    children: list["_Node"] = field(default_factory=list)
    hidden: list[Mapping[str, Any]] = field(default_factory=list)
    row: float = 0.0
    level: int = 0


def draw(tree: Sequence[Mapping[str, Any]], suffix: str = ".png") -> bytes:
    """The picture of ``tree`` (see :mod:`alsatian.simulation.explanation`) in the format that ``suffix`` names."""
    with drawing():
        figure = _figure(tree)
        file = io.BytesIO()
        _FORMATS[suffix](figure)
        metadata = {"Date": None} if suffix == ".svg" else {"CreationDate": None} if suffix == ".pdf" else {}
        figure.savefig(file, format=suffix[1:], dpi=DPI, metadata=metadata)
    return file.getvalue()


def _figure(tree: Sequence[Mapping[str, Any]]) -> Figure:
    roots = _nodes(tree)
    summed = _summarise(roots)
    nodes = _placed(roots)
    levels = max(node.level for node in nodes) + 1
    rows = max(node.row for node in nodes) + 1
    width, height = 0.5 + levels * LEVEL + NAMES, 1.15 + rows * ROW
    figure = Figure(figsize=(max(width, 6.4), height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_xlim(-0.2, max(width, 6.4) / LEVEL - 0.3)
    axes.set_ylim(rows - 0.3, -0.9)
    _edges(axes, nodes)
    _vertices(axes, nodes)
    _legend(axes, nodes, summed, len(tree))
    return figure


def _nodes(tree: Sequence[Mapping[str, Any]]) -> list[_Node]:
    nodes = {entry["vertex"]: _Node(entry) for entry in tree}
    roots: list[_Node] = []
    for node in nodes.values():
        parent = node.entry["parent"]
        (roots if parent is None else nodes[parent].children).append(node)
    for siblings in [roots, *(node.children for node in nodes.values())]:
        siblings.sort(key=lambda node: (node.entry["order"] is None, node.entry["order"], node.entry["vertex"]))
    return roots


def _summarise(roots: Sequence[_Node]) -> int:
    """Fold subtrees, smallest first, until the rows fit; returns how many vertices are not drawn."""
    everything: list[tuple[_Node, int]] = []
    stack = [(root, 0) for root in roots]
    while stack:
        node, depth = stack.pop()
        everything.append((node, depth))
        stack.extend((child, depth + 1) for child in node.children)
    sizes: dict[int, int] = {}
    for node, _ in reversed(everything):
        sizes[id(node)] = 1 + sum(sizes[id(child)] for child in node.children)
    leaves = sum(not node.children for node, _ in everything)
    hidden = 0
    # The deepest and smallest subtrees say least about who shares what.
    for node, _ in sorted(everything, key=lambda item: (sizes[id(item[0])], -item[1])):
        if leaves <= ROWS:
            break
        below = _below(node)
        if not below or node.hidden:
            continue
        leaves -= sum(not child.children for child in below) - 1
        hidden += len(below)
        node.hidden = [child.entry for child in below] + [e for child in below for e in child.hidden]
        node.children = []
    return hidden


def _below(node: _Node) -> list[_Node]:
    found, stack = [], list(node.children)
    while stack:
        child = stack.pop()
        found.append(child)
        stack.extend(child.children)
    return found


def _placed(roots: Sequence[_Node]) -> list[_Node]:
    """All nodes to draw, leaves on rows of their own, parents between their children."""
    order: list[_Node] = []
    stack = [(root, 0) for root in reversed(roots)]
    row = 0
    while stack:
        node, level = stack.pop()
        node.level = level
        order.append(node)
        if not node.children:
            node.row = row
            row += 1
        stack.extend((child, node.level + 1) for child in reversed(node.children))
    for node in reversed(order):
        if node.children:
            node.row = (node.children[0].row + node.children[-1].row) / 2
    return order


def _edges(axes: Axes, nodes: Sequence[_Node]) -> None:
    """Width: blocks' bytes."""
    largest = max((node.entry["parameter_bytes"] for node in nodes), default=0) or 1
    above = {id(child): node for node in nodes for child in node.children}
    lines, widths = [], []
    for node in nodes:
        parent = above.get(id(node))
        if parent is not None:
            middle = parent.level + 0.35
            lines.append([(parent.level, parent.row), (middle, node.row), (node.level, node.row)])
            widths.append(0.6 + 4.4 * node.entry["parameter_bytes"] / largest)
    axes.add_collection(LineCollection(lines, linewidths=widths, colors=GREY, alpha=0.6, zorder=1))


def _vertices(axes: Axes, nodes: Sequence[_Node]) -> None:
    """Area: bytes per item; colour: what becomes of it; number: place in the order."""
    largest = max((node.entry["output_bytes"] for node in nodes), default=0) or 1
    for node in nodes:
        entry = node.entry
        area = 14 + 130 * entry["output_bytes"] / largest
        colour = _COLOURS.get(entry["way"], GREY)
        axes.scatter([node.level], [node.row], s=area, color=colour, zorder=2, linewidths=0)
        if entry["order"] is not None and node.children:
            axes.annotate(
                str(entry["order"]),
                (node.level, node.row),
                xytext=(0, np.sqrt(area) / 2 + 1),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=SMALL - 2,
            )
        if text := _name(node):
            axes.annotate(
                text,
                (node.level, node.row),
                xytext=(np.sqrt(area) / 2 + 4, 0),
                textcoords="offset points",
                va="center",
                fontsize=SMALL - 1.5,
            )


def _name(node: _Node) -> str:
    entry = node.entry
    if node.hidden:
        models = [model for hidden in (entry, *node.hidden) for model in hidden["models"]]
        return f"{len(models)} models in {len(node.hidden)} more vertices"
    names = ", ".join(entry["models"][:2]) + (f" +{len(entry['models']) - 2}" if len(entry["models"]) > 2 else "")
    if node.children:
        return ""
    return f"{entry['order']}  {names}" if entry["order"] is not None else names


def _legend(axes: Axes, nodes: Sequence[_Node], summed: int, vertices: int) -> None:
    for way in dict.fromkeys(node.entry["way"] for node in nodes):
        axes.scatter([], [], s=30, color=_COLOURS.get(way, GREY), label=way)
    outputs = max(node.entry["output_bytes"] for node in nodes)
    parameters = max(node.entry["parameter_bytes"] for node in nodes)
    text = (
        f"numbers: order of computing; area: bytes an item, up to {bytes_text(outputs)}; "
        f"width: parameters, up to {bytes_text(parameters)}"
    )
    if summed:
        text += f"\n{summed} of {vertices} vertices are summed up"
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        ncols=4,
        frameon=False,
        fontsize=SMALL,
        title=text,
        title_fontsize=SMALL,
    )
