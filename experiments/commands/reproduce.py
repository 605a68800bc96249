"""``alsatian reproduce``: every figure of the paper that is missing, then one report about all of them."""

import argparse
import shlex
import time
from typing import Any

from rich.console import Console

from experiments.configuration.console import complain, progress

HELP = "run the paper's experiments that are missing and write one report about all"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE",
        help="Hydra overrides for all of them, e.g. scale=laptop; reproduce.only=[fig10,fig12] for some",
    )  # fmt: skip


def handle(options: argparse.Namespace, console: Console) -> int:
    """Run what is missing, write the report and say where it is; 1 if anything failed, a line for each."""
    from alsatian.errors import ConfigError
    from alsatian.units import count_text, duration
    from experiments.configuration.composition import take
    from experiments.runs import reproduction
    from experiments.runs.reproduction import TimeLeft
    from experiments.studies import freshness
    from experiments.studies import reproduction as study

    say = progress(console.print)
    words, only = take(options.overrides, "reproduce.only")
    if isinstance(only, str):
        only = [only]
    if only is not None and not isinstance(only, list):
        raise ConfigError(f"reproduce.only={only}: names of experiments are expected, e.g. reproduce.only=[fig10]")
    wanted = reproduction.experiments(only, words)
    command = shlex.join(["alsatian", "reproduce", *options.overrides])
    began, source = time.time(), freshness.entry("reproduction", study, command)
    left = TimeLeft(wanted)
    failures: list[str] = []
    failed = 0
    for i, experiment in enumerate(wanted):
        seconds = left.seconds(wanted[i:])
        when = "time left unknown" if seconds is None else f"about {duration(seconds)} left"
        state = f"{i}/{len(wanted)} experiments done, {failed} failed, {when}"
        what = f"{experiment.name}: {experiment.title}, {count_text(experiment.runs, 'run')}"
        say("")
        say(f"[{state}] {what}", style="bold")
        found = reproduction.run(experiment, words, say, complain)
        failures += [f"{experiment.name}: {line}" for line in found]
        failed += bool(found)
    say("")
    for line in failures:
        complain(f"alsatian: failed: {line}")
    records = (path for one in wanted for path in one.folder.glob("*/run.json"))
    freshness.follow(wanted[0].results, study.REPORT, source, records, began)
    _report(wanted, failures, console.print)
    return 1 if failures else 0


def _report(wanted: Any, failures: list[str], say: Any) -> None:
    """Write the report, unless nothing at all was measured, which the failures have said."""
    from alsatian.errors import AlsatianError
    from alsatian.records import ResultsError
    from analysis.report.reproduction import build
    from experiments.runs import record

    results = wanted[0].results
    try:
        built = build(results, failures, {one.name: one.title for one in wanted})
    except ResultsError as error:
        if failures:
            return
        raise AlsatianError(str(error)) from None
    except OSError as error:
        raise record.SavingError(record.cannot_write(results, error)) from None
    for page in built.pages:
        for verdict in page.failing:
            say(f"does not hold: {page.short}: {verdict.claim} ({verdict.numbers})")
    say(built.text)
