"""What a paper figure is made of: the records in an experiment's folder.

A folder belongs to a paper figure if the configuration in its records says so::

    figure: {number: "10"}
    scaled: ["8 models instead of 35", …]        # printed under the figure
    paper: {workload: ResNet-18, items: 2000, distribution: TOP_LAYERS}    # the published cell a run stands for

The labels are those of ``analysis/paper/paper.csv``: the memory of Figure 16 belongs to the workload
(``ViT-L-32@64GB``), Hugging Face models have the distribution ``hf``, and Figure 5 has ``no_caching`` and
``cache_after_3rd_last_block``.

Most figures are made of run records, ``<folder>/<id>/run.json``: a cell is a run, its approach the name of its
strategy, without ``_published``. Others come from other files, which hold the same configuration as ``config``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alsatian.records import PREDICTED, FieldError, Layers, Overlap, Run, reading
from alsatian.units import printable


@dataclass(frozen=True)
class Key:
    """What a run stands for: a published cell's labels and the approach."""

    workload: str
    items: int | None
    distribution: str
    approach: str


@dataclass(frozen=True)
class Source:
    """What a figure's records are: a file's name, and what it holds if it is no run record."""

    file: str
    kind: type[Layers | Overlap] | None = None


RUNS = Source("run.json")


@dataclass(frozen=True)
class Sources:
    """The records behind one paper figure.

    Attributes:
        folder: that they lie in.
        number: of the figure.
        scale: that the experiment ran at, e.g. ``"laptop"``.
        scaled: lines that say what is smaller than in the paper.
        runs: by the cell that they stand for, finished or not.
        models: records of another kind, by workload.
        made_of_runs: whether the figure shows searches, rather than models.
        problems: a line for every record that is not in the figure, and for every run that did not end well.
    """

    folder: Path
    number: str
    scale: str
    scaled: tuple[str, ...]
    runs: Mapping[Key, Run]
    models: Mapping[str, Any]
    made_of_runs: bool
    problems: tuple[str, ...]

    def beside(self, experiment: str) -> Path:
        """Where another experiment has its records; of predictions, those for the same hardware."""
        if self.folder.parent.name == PREDICTED:
            return self.folder.parents[2] / experiment / PREDICTED / self.folder.name
        return self.folder.parent / experiment


def load(folder: Path, kinds: Mapping[str, Source]) -> Sources | None:
    """Read the records in ``folder``; None if they belong to none of the figures in ``kinds``, which are by number.

    Raises:
        ResultsError: there is no such folder.
    """
    found = reading.read(folder)
    problems = found.left_out
    files = dict.fromkeys(kind.file for kind in kinds.values() if kind.kind)
    documents = [document for name in files for document in _documents(folder, name, problems)]
    configs: list[Mapping[str, Any]] = [run.config for run in found.runs]
    configs += [config for _, document in documents if isinstance(config := document.get("config"), dict)]
    numbers = [number_of(config, kinds) for config in configs]
    number = next((number for number in numbers if number), None)
    if number is None:
        return None
    own = [config for config, other in zip(configs, numbers, strict=True) if other == number]
    models: dict[str, Any] = {}
    for path, document in documents:
        kind = kinds[number].kind
        try:
            if kind and path.name == kinds[number].file:
                model = kind.of(document)
                if not model.workload:
                    raise FieldError("config.paper.workload is missing")
                models[printable(model.workload)] = model
        except FieldError as error:
            problems.append(printable(f"{path}: skipped: {error}"))
    return Sources(
        folder=folder,
        number=number,
        scale=", ".join(dict.fromkeys(str(config.get("scale", "unknown")) for config in own)),
        scaled=tuple(dict.fromkeys(line for config in own for line in _lines(config.get("scaled")))),
        runs=_by_key([run for run in found.runs if number_of(run.config, kinds) == number], problems),
        models=models,
        made_of_runs=kinds[number].kind is None,
        problems=tuple(dict.fromkeys(problems)),
    )


def number_of(config: Mapping[str, Any], known: Mapping[str, Any]) -> str | None:
    """The figure that ``config`` names, however it is written (10, ``"10"``, ``"05"``); None if not ``known``."""
    written = config.get("figure")
    text = str(written.get("number") if isinstance(written, Mapping) else written).strip().lower()
    number = text.removeprefix("fig").lstrip("0")
    return number if number in known else None


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


def _by_key(runs: Sequence[Run], problems: list[str]) -> dict[Key, Run]:
    """Of runs that stand for the same cell the last one that ended well counts, else the last one."""
    found: dict[Key, Run] = {}
    for run in sorted(runs, key=lambda run: (run.ok, run.started, run.run_id)):
        key = _key(run)
        if key is None:
            problems.append(printable(f"run {run.run_id}: not drawn: config.paper names no cell of the paper"))
            continue
        if key in found and found[key].ok:
            problems.append(printable(f"run {found[key].run_id}: not drawn: run {run.run_id} measured it again"))
        found[key] = run
    return found


def _key(run: Run) -> Key | None:
    cell = run.config.get("paper")
    if not isinstance(cell, Mapping) or not cell.get("workload"):
        return None
    items = cell.get("items")
    if items is not None and (not isinstance(items, int) or isinstance(items, bool)):
        return None
    approach = run.strategy.removesuffix("_published")  # there is but one Alsatian in the paper
    return Key(str(cell["workload"]), items, str(cell.get("distribution") or ""), approach)
