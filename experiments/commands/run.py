"""``alsatian run``: carry out an experiment and show its table."""

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console

from alsatian.errors import AlsatianError
from experiments.configuration.console import complain

HELP = "carry out an experiment"
OVERRIDES = "Hydra overrides, e.g. experiment=quickstart"


def handle(options: argparse.Namespace, console: Console) -> int:
    """Run what the words ask for; 1 if a run failed or scores differ between strategies."""
    from omegaconf import OmegaConf

    from experiments.configuration.composition import cells

    found = cells(options.overrides, options.multirun)  # before the slow imports: bad words end at once
    from experiments.runs import sweep
    from experiments.runs.progress import Progress
    from experiments.runs.record import SavingError
    from experiments.runs.summary import show

    words = [*["-m"] * options.multirun, *options.overrides]
    with Progress(console, traces=options.traceback) as progress:
        outcome = sweep.run(found, words, progress)
    for line in outcome.failed:
        complain(f"alsatian: failed: {line}")
    status = 1 if outcome.failed else 0
    # What was asked for now counts, also where the records are of an earlier command.
    configs = [cell.config for cell in found]
    said: dict[Path, Any] = {Path(c.results_dir, c.name): OmegaConf.to_container(c.figure) for c in configs}
    typed = any(word.startswith("figure.") for word in options.overrides)
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
