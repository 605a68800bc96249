"""``alsatian groundtruth``: what every candidate of an experiment reaches when it is fine-tuned."""

import argparse
import shlex
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

from rich.console import Console

from experiments.configuration.console import complain

if TYPE_CHECKING:
    from alsatian.records import FineTune, Tuning
    from experiments.configuration.redaction import Redaction

HELP = "fine-tune every candidate of an experiment, to see which is best"
OVERRIDES = "Hydra overrides, e.g. experiment=quickstart"
_COLUMNS = ("place", "model", "accuracy", "seeds", "learning rates", "parameters")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""

    def option(name: str, usual: Any, metavar: str, text: str) -> None:
        more = f"{text} (default: %(default)s)"
        parser.add_argument(name, type=type(usual), default=usual, metavar=metavar, help=more)

    option("--seeds", 3, "N", "fine-tunes of each candidate")
    option("--epochs", 3, "N", "of each fine-tune")
    option("--learning-rates", "1e-4,1e-3", "RATE,…", "of Adam, chosen on held-out training items")
    option("--held-out", 0.2, "SHARE", "of the training items")
    option("--batch-size", 32, "N", "items of a step")
    option("--threads", 1, "N", "of PyTorch")


def handle(options: argparse.Namespace, console: Console) -> int:
    """Fine-tune what is not on record and show all; 1 if a candidate could not be fine-tuned."""
    from experiments.configuration.composition import cells

    found = cells(options.overrides, options.multirun)  # before the slow imports: bad words end at once
    from alsatian.errors import ConfigError
    from experiments.configuration.redaction import Redaction
    from experiments.configuration.setup import Parts
    from experiments.groundtruth.truth import Outcome, measure
    from experiments.runs.progress import Progress

    if options.seeds < 1:
        raise ConfigError(f"--seeds {options.seeds}: at least one is needed")
    parts, outcomes = Parts(), dict[tuple[str, str], tuple[Outcome, str]]()
    with Progress(console) as progress:
        for cell in found:
            setup = parts.setup(cell.plain)
            tuning = tuning_of(options, setup.config["device"]["name"])
            models = parts.model_set(setup.config, progress.step)
            models = models.taking(setup.dataset.modality, setup.config["on_bad_model"])
            key = models.digest, setup.dataset.digest
            if key in outcomes:  # of a run that differs in what does not matter here
                continue
            folder = Path(setup.config["results_dir"]) / setup.config["name"] / "groundtruth"
            command = _command(options, Redaction([setup.config]))
            outcome = measure(
                models, setup.dataset, tuning, options.seeds, folder, progress, command, setup.config["force"]
            )
            outcomes[key] = outcome, _table(outcome.fine_tunes(models), console.width)
    for outcome, table in outcomes.values():
        for line in outcome.failed:
            complain(f"alsatian: failed: {line}")
        if outcome.record.fine_tunes:
            console.print(table)
            console.print(f"written: {outcome.path}")
    return 1 if any(outcome.failed for outcome, _ in outcomes.values()) else 0


def tuning_of(options: argparse.Namespace, device: str) -> "Tuning":
    """What the options ask for.

    Raises:
        ConfigError: one is not valid.
    """
    from alsatian.errors import ConfigError
    from alsatian.records import FieldError, Tuning

    try:
        rates = [float(rate) for rate in options.learning_rates.split(",")]
    except ValueError:
        raise ConfigError(f"--learning-rates {options.learning_rates}: write e.g. 1e-4,1e-3") from None
    names = ("epochs", "held_out", "batch_size", "threads")
    try:
        return Tuning.of(
            {**{name: getattr(options, name) for name in names}, "learning_rates": rates, "device": device}
        )
    except FieldError as error:
        raise ConfigError(f"groundtruth: {error}") from None


def _command(options: argparse.Namespace, hide: "Redaction") -> str:
    """What was typed, without secrets, with every option."""
    names = ("seeds", "epochs", "learning_rates", "held_out", "batch_size", "threads")
    chosen = [f"--{name.replace('_', '-')}={getattr(options, name)}" for name in names]
    return shlex.join(["alsatian", "groundtruth", *hide.words(options.overrides), *chosen])


def _table(fine_tunes: "list[FineTune]", width: int) -> str:
    """Candidates by falling mean accuracy, for a terminal."""
    from analysis.tables.formats import Table, terminal
    from experiments.studies.study import spread

    by_model: dict[str, list[FineTune]] = {}
    for one in fine_tunes:
        by_model.setdefault(one.model, []).append(one)
    order = sorted(by_model, key=lambda name: -mean(one.accuracy for one in by_model[name]))
    rows = [
        (
            f"{place}",
            name,
            spread((one.accuracy for one in by_model[name]), "{:.4f}"),
            f"{len(by_model[name])}",
            ", ".join(f"{rate:g}" for rate in sorted({one.learning_rate for one in by_model[name]})),
            f"{by_model[name][0].parameters:,}",
        )
        for place, name in enumerate(order, 1)
    ]
    return terminal(Table("", _COLUMNS, rows, numeric=(0, 3, 5)), width)
