"""``alsatian run``: carry out an experiment and show its table."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from alsatian.errors import AlsatianError
from experiments.configuration.console import complain

HELP = "carry out an experiment"
OVERRIDES = "Hydra overrides, e.g. experiment=quickstart"


def handle(options: argparse.Namespace, console: Console) -> int:
    """Run what the words ask for; 1 if a run failed or scores differ between strategies."""
    from experiments.configuration.composition import cells

    found = cells(options.overrides, options.multirun)  # before the slow imports: bad words end at once
    folders = [Path(cell.plain["results_dir"], cell.plain["name"]) for cell in found]
    # What was asked for now counts, also where the records are of an earlier command.
    said: dict[Path, Any] = {folder: cell.plain["figure"] for folder, cell in zip(folders, found, strict=True)}
    typed = any(word.startswith("figure.") for word in options.overrides)
    if typed:
        for folder, figure in said.items():
            _check_figure(figure, [cell.plain for cell, own in zip(found, folders, strict=True) if own == folder])
    from experiments.runs import finished
    from experiments.runs.progress import Progress
    from experiments.runs.record import SavingError
    from experiments.runs.summary import show

    words = [*["-m"] * options.multirun, *options.overrides]
    with Progress(console, traces=options.traceback) as progress:
        outcome = finished.skip(found, words, progress)
        if outcome is None:
            from experiments.runs import sweep  # imports PyTorch, which takes seconds

            outcome = sweep.run(found, words, progress)
    for line in outcome.failed:
        complain(f"alsatian: failed: {line}")
    status = 1 if outcome.failed else 0
    for folder, tracker in sorted(outcome.folders.items()):
        try:
            shown = tracker if outcome.measured else None
            status = max(status, show(folder, console, shown, said.get(folder), typed))
        except SavingError:
            raise
        except AlsatianError:
            if not outcome.failed:  # with failures it says that there is nothing to show, which is known
                raise
    if outcome.runs > 1:
        console.print(outcome.summary)
    return status


def _check_figure(figure: Any, configs: Sequence[Any]) -> None:
    """Refuse words about a figure that no run of ``configs`` can follow, before anything is measured.

    Raises:
        ConfigError: names the word.
    """
    from analysis.comparing.comparable import settings
    from analysis.grammar.charts import check_names
    from analysis.grammar.words import Words

    if (words := Words.of(figure)) is not None:
        check_names(words, {key for config in configs for key in (*config, *settings(config))})
