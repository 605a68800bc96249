"""The task trees among the runs of a folder, as figures: one for every model set."""

import re
from collections.abc import Sequence
from pathlib import Path

from alsatian.records.reading import Run
from alsatian.records.schema import Vertex
from analysis.comparing.labels import in_order
from analysis.figures import task_tree
from analysis.report import captions
from analysis.report.pages import Plate, plate

# Whose tree is shown, if there are several that share.
_FIRST = ("auto", "alsatian")
# What a file's name may hold, so that a record cannot point elsewhere.
_PLAIN = re.compile(r"[\w-]+")


def figures(folder: Path, runs: Sequence[Run]) -> tuple[list[Path], list[Plate]]:
    """Draw the first round's task tree of one run for every model set, where one shares anything.

    Returns the files written to ``<folder>/figures``, and the figures for a page.
    """
    files: list[Path] = []
    plates: list[Plate] = []
    for label, run, tree in _chosen(runs):
        title, caption = f"Task tree: {label}, {run.model_set.name}", captions.tree(run, tree)
        picture = task_tree.task_tree(tree, title, caption)
        files += picture.save(folder / "figures" / f"tree-{run.run_id}")
        plates.append(plate(title, caption, picture.page_image(), wide=True))
    return files, plates


def _chosen(runs: Sequence[Run]) -> list[tuple[str, Run, tuple[Vertex, ...]]]:
    """For every model set the first run whose tree shares, by strategy: ``_FIRST``, then as in tables."""
    found: dict[str, tuple[str, Run, tuple[Vertex, ...]]] = {}

    def rank(labelled: tuple[str, Run]) -> int:
        name = labelled[1].strategy
        return _FIRST.index(name) if name in _FIRST else len(_FIRST)

    for label, run in sorted(in_order(runs), key=rank):
        if run.tree and _shares(run.tree) and _PLAIN.fullmatch(run.run_id):
            found.setdefault(run.model_set.digest, (label, run, run.tree))
    return list(found.values())


def _shares(tree: Sequence[Vertex]) -> bool:
    """Whether two models start from the same blocks, directly or behind others."""
    ends = [len(vertex.models) for vertex in tree]
    for number in range(len(tree) - 1, -1, -1):  # children first
        parent = tree[number].parent
        if tree[number].blocks and ends[number] > 1:
            return True
        if parent is not None:
            ends[parent] += ends[number]
    return False
