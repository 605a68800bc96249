"""The runs of a command before any of them starts, with what their identities depend on."""

import itertools
import shlex
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alsatian.errors import FOREIGN
from alsatian.models.model_set import ModelSet
from alsatian.progress import Progress
from alsatian.proxies.base import needs_head
from alsatian.records import Run
from experiments.configuration.composition import Cell
from experiments.configuration.identity import run_id
from experiments.configuration.known import Known, KnownRuns
from experiments.configuration.redaction import Redaction
from experiments.configuration.settings import FILES
from experiments.configuration.setup import Parts, Setup, use_threads
from experiments.runs import record
from experiments.runs.environment import environment


@dataclass(frozen=True)
class Job:
    """A run that a command asks for. ``label``, ``overrides`` and ``shown`` hold no secrets.

    Attributes:
        label: for people: what was chosen for this run.
        overrides: the same, one text for each setting.
        setup: its parts.
        shown: its configuration as the record will have it.
    """

    label: str
    overrides: tuple[str, ...]
    setup: Setup
    shown: dict[str, Any]

    @property
    def folder(self) -> Path:
        """The experiment's results folder."""
        return Path(self.setup.config["results_dir"]) / self.setup.config["name"]


@dataclass(frozen=True)
class Refused(Job):
    """A run that cannot be measured: ``reason`` says why its model set cannot be had."""

    reason: BaseException

    @property
    def identity(self) -> None:
        """It has none."""


@dataclass(frozen=True)
class Ready(Job):
    """A run that can be measured: its model set is there, and so its ``identity``, the run id, is known."""

    models: ModelSet
    identity: str

    @property
    def path(self) -> Path:
        """Where the record lies."""
        return record.path_of(self.folder, self.identity, FILES[self.setup.config["measure"]])

    def opening(self, command: str) -> Run:
        """Its record when it starts; ``command`` holds no secrets."""
        return record.opening(
            self.identity, self.label, self.shown, command, self.models, self.setup, environment()
        )

    @property
    def is_search(self) -> bool:
        """Whether it is a search, rather than a study of the models."""
        return bool(self.setup.config["measure"] == "search")


@dataclass(frozen=True)
class Command:
    """What was typed, without secrets, the runs it asks for, and what hides secrets in their results."""

    text: str
    runs: tuple[Ready | Refused, ...]
    hide: Redaction


def plan(cells: Sequence[Cell], words: Sequence[str], steps: Progress) -> Command:
    """Build the parts of all runs and open their model sets. Nothing is measured.

    A model set that cannot be had fails the runs that need it, not the others.

    Raises:
        AlsatianError: a configuration is not valid, or no model set at all can be had.
    """
    parts, known = Parts(), KnownRuns()
    setups = [parts.setup(cell.plain) for cell in cells]
    hide = Redaction(setup.config for setup in setups)
    runs = tuple(_plan(cell, setup, parts, hide, steps) for cell, setup in zip(cells, setups, strict=True))
    for cell, run in zip(cells, runs, strict=True):
        if isinstance(run, Ready):
            strategy, left_out = run.setup.strategy.name, tuple(run.models.refused.values())
            known.keep(cell.plain, run.shown, Known(run.identity, strategy, left_out))
    errors = [run.reason for run in runs if isinstance(run, Refused)]
    if len(errors) == len(runs):
        raise errors[0]
    return Command(shlex.join(["alsatian", "run", *hide.words(words)]), runs, hide)


def _plan(cell: Cell, setup: Setup, parts: Parts, hide: Redaction, steps: Progress) -> Ready | Refused:
    shown = hide.config(setup.config)
    overrides = tuple(hide.words(cell.overrides))
    label = " ".join(overrides) or setup.strategy.name
    use_threads(setup.config)
    try:
        models = parts.model_set(setup.config, steps)
    except FOREIGN as error:
        return Refused(label, overrides, setup, shown, error)
    identity = run_id(shown, models, setup.dataset, needs_head(setup.proxy))
    return Ready(label, overrides, setup, shown, models, identity)


def summaries(runs: Sequence[Ready]) -> Iterator[str]:
    """What the data and the models of ``runs`` are, for people, before any of them starts."""
    said = [(run.setup.dataset.name, run.setup.dataset.summary) for run in runs]
    for place, (name, summary) in enumerate(said):
        if summary is not None and (name, summary) not in said[:place]:
            yield summary.text(name)
    of_sets: dict[str, dict[str, None]] = {}
    for run in runs:
        of_sets.setdefault(run.setup.config["model_set"]["name"], {}).update(dict.fromkeys(_notes(run)))
    for name, notes in of_sets.items():
        if notes:
            wrapped = (textwrap.wrap(n, 80, initial_indent="  ", subsequent_indent="    ") for n in notes)
            yield "\n".join([f"Models {name}", *itertools.chain.from_iterable(wrapped)])


def _notes(run: Ready) -> Sequence[str]:
    """Those of its models, and that the store has none of the deltas that were asked for."""
    rate = run.setup.storage.deltas
    none = f"storage.deltas={rate}: nothing is a delta (alsatian store upgrade --deltas {rate} looks for more)"
    return run.models.notes if rate is None or run.models.deltas else (*run.models.notes, none)
