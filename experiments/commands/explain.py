"""``alsatian explain``: what a search is going to do, and why."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rich.console import Console

HELP = "show a search's plan with predicted times, without running it"
PREFIX = "explain."


@dataclass(frozen=True)
class Wishes:
    """The command's own words.

    Attributes:
        analyze: run the search as well, and compare.
        steps: ``"all"`` leaves nothing out.
        format: ``"text"`` or ``"json"``.
        drawing: a file for a picture of the first round's task tree.
    """

    analyze: bool = False
    steps: str = "some"
    format: str = "text"
    drawing: Path | None = None


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("-m", "--multirun", action="store_true", help="allow several values: key=a,b")
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="KEY=VALUE",
        help="Hydra overrides, and explain.analyze=true, explain.steps=all, explain.format=json, "
        "explain.drawing=tree.svg",
    )


def handle(options: argparse.Namespace, console: Console) -> int:
    """Explain every run that the words ask for."""
    from experiments.config import cells

    wishes = read_wishes([word for word in options.overrides if word.startswith(PREFIX)])
    found = cells([word for word in options.overrides if not word.startswith(PREFIX)], options.multirun)
    from alsatian.files import write_bytes
    from alsatian.simulation.explanation import explained
    from analysis import task_tree
    from experiments.explaining import comparison, lines
    from experiments.predicting import Predictor
    from experiments.progress import Progress

    results = []
    predictor = Predictor()
    for cell in found:
        with Progress(console) as progress:
            case = predictor.case(cell.config, progress)
            actual = case.run() if wishes.analyze else None
            prediction = case.predict(actual.rounds if actual else None)
        explanation = explained(prediction, case.candidates)
        if actual is not None:
            measurement = actual.measurement
            explanation["actual"] = {
                name: getattr(measurement, name) for name in ("wall_s", "parts_s", "counters", "peaks")
            }
        results.append({"run": list(cell.overrides), **explanation})
        if wishes.format == "text":
            head = f"{' '.join(cell.overrides) or cell.config.name}, on {case.costs.hardware.name} hardware"
            console.print(head, style="bold", markup=False, highlight=False)
            console.print("\n".join(lines(explanation, wishes.steps == "all")), markup=False, highlight=False)
            if actual is not None:
                compared = comparison(explanation["predicted"], explanation["actual"])
                console.print("\n".join(["", *compared]), markup=False, highlight=False)
            console.print()
    if wishes.format == "json":
        console.file.write(json.dumps(results, indent=1) + "\n")
    if wishes.drawing is not None:
        picture = task_tree.draw(results[0]["rounds"][0]["tree"], wishes.drawing.suffix)
        write_bytes(wishes.drawing, picture)
        console.print(f"written: {wishes.drawing}", markup=False, highlight=False)
    return 0


def read_wishes(words: Sequence[str]) -> Wishes:
    """The command's own settings from words such as ``explain.steps=all``.

    Raises:
        ConfigError: there is no such setting, or it takes no such value.
    """
    from alsatian.errors import ConfigError, nearest

    values: dict[str, Any] = {}
    valid = {"analyze": ["true", "false"], "steps": ["all", "some"], "format": ["text", "json"]}
    for word in words:
        key, equals, value = word.removeprefix(PREFIX).partition("=")
        if key not in {field.name for field in fields(Wishes)}:
            names = [field.name for field in fields(Wishes)]
            raise ConfigError(f"{PREFIX}{key}: there is no such key; {nearest(key, names)}")
        if not equals or (key in valid and value not in valid[key]):
            raise ConfigError(f"{word}: {nearest(value, valid.get(key, ['a file']))}")
        values[key] = value == "true" if key == "analyze" else value
    if "drawing" in values:
        values["drawing"] = Path(values["drawing"])
        if values["drawing"].suffix not in (".svg", ".png", ".pdf"):
            raise ConfigError(f"{PREFIX}drawing={values['drawing']}: must end in .svg, .png or .pdf")
    return Wishes(**values)
