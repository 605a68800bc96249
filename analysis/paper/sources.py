"""What a paper figure is made of: the records in an experiment's folder.

A folder belongs to a paper figure if the configuration in its records says so::

    figure: {number: "10"}
    scaled: ["8 models instead of 35", …]        # printed under the figure
    paper: {workload: ResNet-18, items: 2000, distribution: TOP_LAYERS}    # the published cell a run stands for

The labels are those of ``analysis/paper.csv``: the memory of Figure 16 belongs to the workload
(``ViT-L-32@64GB``), Hugging Face models have the distribution ``hf``, and Figure 5 has ``no_caching`` and
``cache_after_3rd_last_block``.

Most figures are made of run records, ``<folder>/<id>/run.json``: a cell is a run, its approach the name of its
strategy. Figure 5 is too: each run scores one model with the strategy ``base``. Two figures come from other files,
which hold the same configuration as ``config``; see :mod:`analysis.paper.block_files` and
:mod:`analysis.paper.families`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alsatian.records import reading
from alsatian.records.fields import FieldError
from alsatian.records.reading import Run
from alsatian.units import printable
from analysis.paper.arrangement import CURVES, FAMILIES, FIGURES, SHARES, Figure, number_of
from analysis.paper.block_files import BLOCKS, Blocks, parse_blocks
from analysis.paper.families import OVERLAP, Family, parse_family
from analysis.paper.wanted import Key


@dataclass(frozen=True)
class Sources:
    """The records behind one paper figure.

    Attributes:
        figure: which one.
        name: of the experiment.
        scale: that it ran at, e.g. ``"laptop"``.
        scaled: lines that say what is smaller than in the paper.
        runs: by the cell that they stand for, finished or not.
        blocks: of Fig 12, by model.
        families: of the figure about overlap, by name.
        problems: a line for every record that is not in the figure, and for every run that did not end well.
    """

    figure: Figure
    name: str
    scale: str
    scaled: tuple[str, ...]
    runs: Mapping[Key, Run]
    blocks: Mapping[str, Blocks]
    families: Mapping[str, Family]
    problems: tuple[str, ...]

    @property
    def made_of_runs(self) -> bool:
        """Whether the figure shows searches, rather than models."""
        return self.figure.kind not in (CURVES, FAMILIES)


def load(folder: Path) -> Sources | None:
    """Read the records in ``folder``; None if they belong to no figure of the paper.

    Raises:
        ResultsError: there is no such folder.
    """
    found = reading.read(folder)
    problems = [*found.unfinished, *found.problems]
    documents = [*_documents(folder, BLOCKS, problems), *_documents(folder, OVERLAP, problems)]
    configs: list[Mapping[str, Any]] = [run.config for run in found.runs]
    configs += [config for _, document in documents if isinstance(config := document.get("config"), dict)]
    figure = _figure(configs)
    if figure is None:
        return None
    own = [config for config in configs if _figure([config]) == figure]
    blocks: dict[str, Blocks] = {}
    families: dict[str, Family] = {}
    for path, document in documents:
        try:
            if path.name == BLOCKS:
                model = parse_blocks(document)
                blocks[model.workload] = model
            else:
                family = parse_family(document)
                families[family.workload] = family
        except FieldError as error:
            problems.append(printable(f"{path}: skipped: {error}"))
    return Sources(
        figure=figure,
        name=str(own[0].get("name") or folder.name),
        scale=", ".join(dict.fromkeys(str(config.get("scale", "unknown")) for config in own)),
        scaled=tuple(dict.fromkeys(line for config in own for line in _lines(config.get("scaled")))),
        runs=_by_key([run for run in found.runs if _figure([run.config]) == figure], figure, problems),
        blocks=blocks,
        families=families,
        problems=tuple(dict.fromkeys(problems)),
    )


def _figure(configs: Sequence[Mapping[str, Any]]) -> Figure | None:
    """The figure that the first of ``configs`` to name one belongs to."""
    for config in configs:
        written = config.get("figure")
        number = number_of(written.get("number") if isinstance(written, Mapping) else written)
        if number is not None:
            return FIGURES[number]
    return None


def _documents(folder: Path, name: str, problems: list[str]) -> list[tuple[Path, dict[str, Any]]]:
    found = []
    for path in sorted(folder.glob(f"*/{name}")):
        try:
            found.append((path, reading.document(path)))
        except FieldError as error:
            problems.append(printable(f"{path}: skipped: {error}"))
    return found


def _lines(written: object) -> list[str]:
    if isinstance(written, str):
        return [printable(written)]
    return [printable(str(line)) for line in written] if isinstance(written, Sequence) else []


def _by_key(runs: Sequence[Run], figure: Figure, problems: list[str]) -> dict[Key, Run]:
    """Of runs that stand for the same cell the last one that ended well counts, else the last one."""
    found: dict[Key, Run] = {}
    for run in sorted(runs, key=lambda run: (run.ok, run.started, run.run_id)):
        key = _key(run, figure)
        if key is None:
            problems.append(printable(f"run {run.run_id}: not drawn: config.paper names no cell of the paper"))
            continue
        if key in found and found[key].ok:
            problems.append(printable(f"run {found[key].run_id}: not drawn: run {run.run_id} measured it again"))
        found[key] = run
    return found


def _key(run: Run, figure: Figure) -> Key | None:
    cell = run.config.get("paper")
    if not isinstance(cell, Mapping) or not cell.get("workload"):
        return None
    items = cell.get("items")
    if items is not None and (not isinstance(items, int) or isinstance(items, bool)):
        return None
    approach = "base" if figure.kind == SHARES else run.strategy
    return Key(str(cell["workload"]), items, str(cell.get("distribution") or ""), approach)
