"""``alsatian explain``: what a search is going to do, and why."""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments.configuration.console import plain

HELP = "show a search's plan with predicted times, without running it"
OVERRIDES = (
    "Hydra overrides, and explain.analyze=true, explain.steps=all, explain.format=json, explain.json=plan.json, "
    "explain.drawing=tree.svg"
)
PREFIX = "explain."
_VALID = {"analyze": ["true", "false"], "steps": ["all", "some"], "format": ["text", "json"]}
_SUFFIXES = {"drawing": (".svg", ".png", ".pdf"), "json": (".json",)}


@dataclass(frozen=True)
class ExplainOptions:
    """The command's own words.

    Attributes:
        analyze: run the search as well, and compare.
        steps: ``"all"`` leaves nothing out.
        format: ``"text"`` or ``"json"``, of what is printed.
        json: a file for the JSON.
        drawing: a file for a picture of the first round's task tree; with several runs, numbered files.
    """

    analyze: bool = False
    steps: str = "some"
    format: str = "text"
    json: Path | None = None
    drawing: Path | None = None


def handle(options: argparse.Namespace, console: Console) -> int:
    """Explain every run that the words ask for."""
    from experiments.configuration.composition import cells

    asked = read_options([word for word in options.overrides if word.startswith(PREFIX)])
    found = cells([word for word in options.overrides if not word.startswith(PREFIX)], options.multirun)
    from alsatian.explanation import explain, rounds_of
    from alsatian.files import json_bytes
    from analysis.tables.formats import terminal
    from experiments.predictions.case import Predictor
    from experiments.predictions.explanation_text import comparison, lines
    from experiments.runs.progress import Progress

    # Of JSON, nothing else stands in the output.
    beside = plain(stderr=True) if asked.format == "json" else console
    results: list[dict[str, Any]] = []
    predictor = Predictor()
    for cell in found:
        with Progress(beside) as progress:
            case = predictor.case(cell.plain, progress)
            actual = case.run() if asked.analyze else None
            prediction = case.predict(actual.rounds if actual else None)
        explanation = explain(prediction, case.models.candidates, case.costs)
        explanation = {
            "experiment": cell.plain["name"],
            "run": list(cell.overrides),
            "hardware": case.costs.hardware.name,
            **explanation,
        }
        if actual is not None:
            measurement = actual.measurement
            explanation["actual"] = {
                **{name: getattr(measurement, name) for name in ("wall_s", "parts_s", "counters", "peaks")},
                "rounds": rounds_of(measurement),
            }
        results.append(explanation)
        if asked.format == "text":
            shown = list(lines(explanation, asked.steps == "all"))
            if actual is not None:
                shown += ["", terminal(comparison(explanation["predicted"], explanation["actual"]), console.width)]
            head = f"{_name(explanation)}, on {explanation['hardware']} hardware"
            console.print(head, style="bold")
            console.print("\n".join([*shown, ""]))
    if asked.format == "json":
        console.file.write(json.dumps(results, indent=1, allow_nan=False) + "\n")
    files = _pictures(results, asked.drawing) if asked.drawing else {}
    if asked.json:
        files[asked.json] = json_bytes(results)
    _write(files, beside)
    return 0


def _name(explanation: Mapping[str, Any]) -> str:
    return " ".join(explanation["run"]) or str(explanation["experiment"])


def _pictures(results: Sequence[Mapping[str, Any]], path: Path) -> dict[Path, bytes]:
    """The picture of every run's first round, by file."""
    from alsatian.records import Vertex, parse_tree
    from analysis.figures import task_tree

    pictures = {}
    for number, explanation in enumerate(results, start=1):
        one = path if len(results) == 1 else path.with_stem(f"{path.stem}-{number}")
        first = explanation["rounds"][0]
        title = f"{_name(explanation)}: {first['models']} models on {first['new_items']:,} items, as predicted"
        # An explanation says more of a vertex than a record does.
        tree = parse_tree([{name: entry[name] for name in Vertex.model_fields} for entry in first["tree"]])
        pictures[one] = task_tree.task_tree(tree, title, "").content(path.suffix[1:])
    return pictures


def _write(files: Mapping[Path, bytes], console: Console) -> None:
    from alsatian.files import make_folder, write_bytes

    for path, content in files.items():
        make_folder(path.parent)
        write_bytes(path, content)
        console.print(f"written: {path}")


def read_options(words: Sequence[str]) -> ExplainOptions:
    """The command's own settings from words such as ``explain.steps=all``.

    Raises:
        ConfigError: there is no such setting, or it takes no such value.
    """
    from alsatian.errors import ConfigError, nearest

    names = [field.name for field in fields(ExplainOptions)]
    values: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.removeprefix(PREFIX).partition("=")
        if key not in names:
            raise ConfigError(f"{PREFIX}{key}: there is no such key; {nearest(key, names)}")
        if not equals or (key in _VALID and value not in _VALID[key]):
            raise ConfigError(f"{word}: {nearest(value, _VALID.get(key, ['a file']))}")
        if key in _SUFFIXES and Path(value).suffix not in _SUFFIXES[key]:
            raise ConfigError(f"{word}: the file's name must end in {' or '.join(_SUFFIXES[key])}")
        values[key] = value == "true" if key == "analyze" else Path(value) if key in _SUFFIXES else value
    return ExplainOptions(**values)
