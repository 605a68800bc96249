"""Curves over a column of the runs: panels by metric, row and column, for every figure that words ask for."""

import textwrap
from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from analysis.figures import layout, style
from analysis.figures.picture import Picture
from analysis.grammar.charts import Chart
from analysis.tables.metrics import METRICS, TEXTS

# Inches of a panel: of the only one, of one among others, and of the narrowest.
ALONE, AMONG, LEAST = (3.5, 2.7), (2.7, 2.4), 1.6
# Inches of a category at least, and of a line of small text; letters of a line.
EACH, LINE, LETTERS = 0.24, 0.15, 30
# Up to so many curves are explained above the panels, and have bands; of more, whiskers.
FEW = 7
# Values that are written at an axis, and inches between two at least.
WRITTEN, SLANTED = 6, 0.17
# Curves that nowhere differ by more than this share of a panel's height are drawn once.
SAME = 0.005


def curves(chart: Chart, title: str, caption: str) -> Picture:
    """The curves of ``chart``; the data are the drawn points."""
    return Picture(title, caption, chart.points, lambda title, caption: _Drawing(chart).draw(title, caption))


def coinciding(points: pd.DataFrame, metrics: Sequence[str]) -> list[list[str]]:
    """The curves of ``points`` in groups that ``metrics`` do not tell apart, the highest first."""
    if points.empty:
        return []
    tables = []
    for metric in metrics:
        table = points.pivot_table(index="curve", columns=["row", "column", "place"], values=metric, dropna=False)
        height = max(np.nanmax(table.to_numpy(float), initial=0.0), 1e-12)
        tables.append(table / height)
    shares = pd.concat(tables, axis=1).astype(float)
    highest = shares.iloc[:, : tables[0].shape[1]].mean(axis=1)
    groups: list[list[str]] = []
    for name in sorted(shares.index, key=lambda name: -highest[name]):
        own = shares.loc[name].to_numpy()
        for group in groups:
            if np.allclose(own, shares.loc[group[0]].to_numpy(), rtol=0, atol=SAME, equal_nan=True):
                group.append(name)
                break
        else:
            groups.append([name])
    return groups


class _Drawing:
    """One figure on its way."""

    def __init__(self, chart: Chart) -> None:
        self.x, self.words, self.points = chart.x, chart.words, chart.points
        y, rows, columns = chart.words.y, chart.values("row"), chart.values("column")
        # Metrics are rows where columns are taken, else columns.
        down = list(product(rows, y)) if self.words.column and not self.words.row else [(row, "") for row in rows]
        across = [(column, "") for column in columns] if len(down) > len(rows) else list(product(columns, y))
        self.panels = [(row, column, one or other) for row, one in down for column, other in across]
        self.alone = len(self.panels) == 1
        self.subject = chart.subject
        self.names = sorted(chart.values("curve"), key=lambda name: name != self.subject)
        # The first of each is whose look the whole group has.
        self.groups = [self._in_turn(group) for group in coinciding(chart.points, y)]
        looks = style.looks(chart.points["curve"])
        self.styles = {group[0]: self._style(group[0], looks[group[0]]) for group in self.groups}

        self.shown = [self._wrapped(", ".join(group), LETTERS) for group in self.groups]
        self._place(len(across))

    def _place(self, across: int) -> None:
        """Decide on panels side by side, their width in inches, and where curves are explained."""
        now, names = style.now(), self.shown
        categories = now.scale * EACH * len(self.x.ticks) * (self.x.kind == "category")
        wide, least = max(ALONE[0] if self.alone else AMONG[0], categories), max(LEAST, categories)
        several = len(self.names) > 1
        self.ends = several and self.alone and self.x.joined
        self.beside = several and (self.ends or len(names) > FEW or max(map(len, names)) > LETTERS)
        longest = max(len(line) for name in names for line in name.split("\n"))
        self.room = self.beside * (0.5 + now.inches(longest))
        if now.paper and self.room + least > style.COLUMNS[now.columns or 2]:  # then above
            self.ends, self.beside, self.room = False, False, 0.0
        self.across, self.wide = now.fit(across, wide, least, self.room)
        # Texts that are slanted reach as far to the left as down.
        slanted = max(0.0, self._slant() - 0.6)
        self.size = self.wide + self.room / self.across + (0.0 if now.paper else slanted)

    def draw(self, title: str, caption: str) -> Figure:
        """With its legend, if there is more than one curve."""
        names, tall = self.shown, style.now().tall
        lines = sum(name.count("\n") + 1 for name in names)
        headings = [self._heading(*panel) for panel in self.panels]
        down = len(self.panels) / self.across
        high = tall * max(ALONE[1] if self.alone else AMONG[1], self.beside * (LINE * lines + 0.9) / down)
        high += LINE * max(heading.count("\n") + bool(heading) for heading in headings) + self._slant()
        figure, panels = layout.panels(len(self.panels), self.across, (self.size, high), title, caption)
        for place, (axes, panel, heading) in enumerate(zip(panels, self.panels, headings, strict=True)):
            self._panel(axes, *panel)
            axes.set_title(heading, fontsize=style.now().small, loc="left")
            if place < len(panels) - self.across:
                axes.set_xlabel("")
            if place % self.across and panel[2] == self.panels[place - 1][2]:
                axes.set_ylabel("")
        handles = [
            Line2D([], [], label=name, **self.styles[group[0]])
            for name, group in zip(names, self.groups, strict=True)
        ]
        if self.ends:
            self._label_ends(figure, panels[0], names)
        elif len(self.names) > 1:
            (layout.legend_beside if self.beside else layout.legend)(figure, handles)
        return figure

    def _in_turn(self, group: Iterable[str]) -> list[str]:
        return sorted(group, key=self.names.index)

    def _wrapped(self, text: str, letters: int) -> str:
        return textwrap.fill(text, letters, break_on_hyphens=False)

    def _heading(self, row: str, column: str, y: str) -> str:
        """Row and column of a panel, and which curves are one in it alone."""
        groups = coinciding(self._own(row, column, y), [y])
        joint = [self._in_turn(set(group) & set(self.styles)) for group in groups]
        lines = [row, column, *(f"coincide: {', '.join(names)}" for names in joint if len(names) > 1)]
        return "\n".join(self._wrapped(line, style.now().letters(self.wide - 0.6)) for line in lines if line)

    def _own(self, row: str, column: str, y: str) -> pd.DataFrame:
        points = self.points
        return points[(points["row"] == row) & (points["column"] == column) & points[y].notna()]

    def _style(self, name: str, look: style.Look) -> dict[str, Any]:
        strong = name == self.subject
        return {
            "color": look.colour, "marker": look.marker,
            "linestyle": look.line if self.x.joined else "none",
            "linewidth": 2.6 if strong else 1.3, "markersize": 7.5 if strong else 5,
            "markeredgecolor": "white", "markeredgewidth": 0.5, "zorder": 5 if strong else 3,
        }  # fmt: skip

    def _panel(self, axes: Axes, row: str, column: str, y: str) -> None:
        unit, own = METRICS[y].unit, self._own(row, column, y)
        scale = 100 if unit == "share" else 1
        names = [self._in_turn(set(group) & set(self.styles))[0] for group in coinciding(own, [y])]
        for i, name in enumerate(names):
            line = own[own["curve"] == name]
            x = line["place"].to_numpy(float)
            if self.x.kind == "category" and len(names) > 1:
                x = x + 0.7 * (i / (len(names) - 1) - 0.5)
            middle, low, high = (scale * line[f"{y}{end}"].to_numpy(float) for end in ("", "_min", "_max"))
            axes.plot(x, middle, label=name, **self.styles[name])
            colour = self.styles[name]["color"]
            if len(names) <= FEW and self.x.kind != "category":
                if (high > low).any():
                    axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0, zorder=2)
            else:
                axes.vlines(x, low, high, color=colour, linewidth=0.9, alpha=0.7, zorder=2)
        if not names:
            axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", color=style.GREY)
        axes.set_ylabel(METRICS[y].axis)
        axes.yaxis.set_major_locator(MaxNLocator(6))
        if unit in ("bytes", "count"):
            axes.yaxis.set_major_formatter(FuncFormatter(lambda number, _: TEXTS[unit](number)))
        if unit == "share":
            axes.set_ylim(-4, 104)
        elif unit != "score":
            axes.set_ylim(0, 1.06 * (own[f"{y}_max"].max() if names else 0) or 1)
        self._x_axis(axes)

    def _x_axis(self, axes: Axes) -> None:
        """A tick at every value that was set; of many, some are written, with both ends."""
        axes.grid(**style.GRID)
        name = self.x.name
        axes.set_xlabel(name.replace(" (", "\n(") if len(name) > style.now().letters(self.wide) - 6 else name)
        if self.x.log:
            axes.set_xscale("log")
        if not self.x.ticks:
            axes.xaxis.set_major_locator(MaxNLocator(5))
            unit = METRICS[self.words.x].unit
            if unit in ("bytes", "count"):
                axes.xaxis.set_major_formatter(FuncFormatter(lambda number, _: TEXTS[unit](number)))
            return
        texts = self._written()
        slanted: Any = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if self._slant() else {}
        axes.set_xticks(list(self.x.ticks), texts, **slanted)
        axes.xaxis.set_minor_locator(NullLocator())
        if self.x.kind == "category":
            axes.set_xlim(-0.5, len(texts) - 0.5)

    def _written(self) -> list[str]:
        texts = list(self.x.ticks.values())
        most = len(texts) if self.x.kind == "category" or len(texts) <= WRITTEN else WRITTEN - 1
        written = set(np.linspace(0, len(texts) - 1, min(len(texts), most)).round().astype(int))
        if self.x.kind != "category":  # slanted texts, too, are a line apart
            at, last = self._inches(), len(texts) - 1
            for i in sorted(written - {last}):
                before = [at[other] for other in written if other < i]
                if any(at[i] - place < SLANTED for place in before) or (i and at[last] - at[i] < SLANTED):
                    written.remove(i)
        return [text if i in written else "" for i, text in enumerate(texts)]

    def _inches(self) -> np.ndarray:
        """Where the ticks are on the axis, about."""
        places = np.array(list(self.x.ticks))
        at = np.log(places) if self.x.log else places
        return (self.wide - 0.8) * (at - at[0]) / max(np.ptp(at), 1e-12)

    def _slant(self) -> float:
        """Inches that texts at the axis take in height since they have no room side by side; 0 where they have."""
        if not self.x.ticks:
            return 0.0
        written = [(place, text) for place, text in zip(self._inches(), self._written(), strict=True) if text]
        room = np.diff([place for place, _ in written])
        sizes = [style.now().inches(len(text)) for _, text in written]
        fits = all(gap > (a + b) / 2 + 0.08 for gap, a, b in zip(room, sizes, sizes[1:], strict=False))
        return 0.0 if fits else 0.7 * max(sizes)

    def _label_ends(self, figure: Figure, axes: Axes, names: Sequence[str]) -> None:
        """Name each curve beside its last point, as near as there is room."""
        figure.draw_without_rendering()  # only then is it known how high the panel is
        y = self.words.y[0]
        low, high = axes.get_ylim()
        last = self.points[self.points[y].notna()].sort_values("place").groupby("curve")[y].last()
        scale = 100 if METRICS[y].unit == "share" else 1
        ends = [(scale * last[group[0]] - low) / (high - low) for group in self.groups]
        step = LINE * figure.dpi / axes.patch.get_window_extent().height
        places = layout.spread(ends, [step * (name.count("\n") + 1) for name in names])
        for name, group, end, place in zip(names, self.groups, ends, places, strict=True):
            look = self.styles[group[0]]
            outside: Any = {"transform": axes.transAxes, "clip_on": False}
            axes.plot([1.0, 1.04, 1.07], [end, place, place], color=look["color"], linewidth=0.6, **outside)
            axes.plot([1.1], [place], **look, **outside)
            bold = "bold" if group[0] == self.subject else "normal"
            where: Any = {"xycoords": "axes fraction", "va": "center_baseline", "fontsize": style.now().small}
            axes.annotate(name, (1.13, place), fontweight=bold, **where)
