"""The marks of a drawn task tree: dots, lines and names."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from alsatian.records.schema import Vertex
from alsatian.units import count_text, printable, seconds_text
from analysis.figures.style import BLUE, GREEN, GREY, INCH, ORANGE, PURPLE, SKY, SMALL, VERMILLION
from analysis.figures.tree_rows import Node

# Inches of a level: the most and the least, and of all levels if they are many.
LEVEL, NARROW, LEVELS = 1.15, 0.42, 11.0
# Inches of the line from the data to a vertex without a parent, and of the margin.
START, MARGIN = 0.5, 0.42
NAME, NUMBER = SMALL - 1.5, SMALL - 2
# Letters of a model's name.
LONGEST = 36
COLOURS = {
    "kept": BLUE,
    "spilled": SKY,
    "fused": ORANGE,
    "recomputed": VERMILLION,
    "offered to the cache": PURPLE,
    "features": GREEN,
}


@dataclass(frozen=True)
class Scale:
    """How a tree is drawn.

    Attributes:
        left, step: inches to the first level, and between levels.
        timed: whether lines are as wide as their seconds, and not as their parameters.
        widest: the largest of what widths stand for.
        largest: the most bytes of an item.
    """

    left: float
    step: float
    timed: bool
    widest: float
    largest: int

    @classmethod
    def of(cls, tree: Sequence[Vertex], nodes: Sequence[Node]) -> "Scale":
        starts = any(node.level == 0 and any(vertex.blocks for vertex in node.vertices) for node in nodes)
        levels = max(node.level for node in nodes) + 1
        timed = all(vertex.seconds is not None for vertex in tree) and any(vertex.seconds for vertex in tree)
        step = max(NARROW, min(LEVEL, LEVELS / levels))
        widest = max(weight(node, timed) for node in nodes)
        return cls(MARGIN + START * starts, step, timed, widest, max(vertex.output_bytes for vertex in tree))

    @property
    def starts(self) -> bool:
        """Whether there are lines from the data."""
        return self.left > MARGIN

    def x(self, node: Node) -> float:
        """Inches from the left."""
        return self.left + node.level * self.step

    def width(self, node: Node) -> float:
        """Of the line to a node, in points."""
        return 0.6 + 4.4 * weight(node, self.timed) / (self.widest or 1)

    def beside(self, node: Node) -> float:
        """Points from a node to its name."""
        return float(np.sqrt(self.area(node)) / 2 + 4) if node.vertices else 2.0

    def end(self, node: Node) -> float:
        """Inches from the left to the end of its name."""
        width, _, _ = text_to_path.get_text_width_height_descent(
            name(node, self.timed), FontProperties(size=NAME), False
        )
        return self.x(node) + (self.beside(node) + float(width)) / INCH

    def area(self, node: Node) -> float:
        """Of a node, in square points."""
        if node.siblings > 1:
            return 36.0
        return 14 + 110 * sum(vertex.output_bytes for vertex in node.vertices) / (self.largest or 1)


def weight(node: Node, timed: bool) -> float:
    """What the width of the line to a node stands for."""
    return sum((vertex.seconds or 0.0) if timed else vertex.parameter_bytes for vertex in node.vertices)


def colour(ways: set[str]) -> str:
    """Of what becomes of vertices, grey if it differs."""
    (way,) = ways if len(ways) == 1 else ("",)
    return COLOURS.get(way, GREY)


def name(node: Node, timed: bool) -> str:
    """What stands beside a node without children: its place in the order, models, and seconds of a sum."""
    if node.children:
        return ""
    first, last = node.orders or (None, None)
    order = "" if first is None else f"{first}  " if first == last else f"{first}–{last}  "
    if node.siblings == 1:
        shown = [printable(model) for model in node.models[:2]]
        names = ", ".join(text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…" for text in shown)
        return order + names + (f" +{len(node.models) - 2}" if len(node.models) > 2 else "")
    what = count_text(len(node.models), "model" if node.alone else "more model")
    if node.ways != {"features"}:
        what += f" in {len(node.vertices):,} vertices" if len(node.vertices) > 1 else " in 1 vertex"
    return order + what + (f", {seconds_text(weight(node, timed))}" if timed else "")


def draw_lines(axes: Axes, nodes: Sequence[Node], scale: Scale) -> None:
    """From every node to its children; only what stands for an edge is wide."""
    wide, widths, thin, dotted = [], [], [], []
    for node in nodes:
        x = scale.x(node)
        if node.level == 0 and any(vertex.blocks for vertex in node.vertices):
            wide.append([(x - START, node.row), (x, node.row)])
            widths.append(scale.width(node))
        if not node.children:
            continue
        fork = x + 0.3 * scale.step
        thin.append([(x, node.row), (fork, node.row)])
        thin.append([(fork, node.children[0].row), (fork, node.children[-1].row)])
        for child in node.children:
            line = [(fork, child.row), (scale.x(child), child.row)]
            if child.vertices:
                wide.append(line)
                widths.append(scale.width(child))
            else:
                dotted.append(line)
    axes.add_collection(LineCollection(thin, linewidths=0.6, colors=GREY, zorder=1))
    axes.add_collection(LineCollection(dotted, linewidths=0.8, colors=GREY, linestyles=":", zorder=1))
    axes.add_collection(LineCollection(wide, linewidths=widths, colors="#BBBBBB", zorder=1))


def draw_dots(axes: Axes, nodes: Sequence[Node], scale: Scale) -> None:
    """The nodes, with their place in the order and the names of models."""
    for node in nodes:
        area, x = scale.area(node), scale.x(node)
        if node.vertices:
            marker = "s" if node.siblings > 1 else "o"
            axes.scatter([x], [node.row], s=area, color=colour(node.ways), marker=marker, linewidths=0, zorder=2)
        if node.children and node.orders:
            radius = np.sqrt(area) / 2
            axes.annotate(
                f"{node.orders[0]}",
                (x, node.row),
                (-0.8 * radius - 1, 3),
                textcoords="offset points",
                ha="right",
                fontsize=NUMBER,
            )
        if text := name(node, scale.timed):
            at = (scale.beside(node), 0)
            axes.annotate(text, (x, node.row), at, textcoords="offset points", va="center", fontsize=NAME)
