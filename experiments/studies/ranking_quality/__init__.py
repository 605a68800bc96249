"""Whether rankings find the best model to fine-tune.

Fine-tunes every candidate of three model sets on a target of its own, then asks every proxy for its ranking on
splits of the training items alone, and every schedule for its winner. Regret is what the choice loses against the
best candidate, on test items that no proxy has seen. Fine-tunes are kept, and an interrupted study goes on (three
quarters of an hour in all).
"""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from alsatian.errors import AlsatianError, ConfigError, nearest
from alsatian.models.model_set import ModelSet
from alsatian.models.source_heads import source_heads
from alsatian.proxies.base import Head, needs_head
from alsatian.proxies.named import PROXIES, named
from alsatian.records import Tuning
from experiments.configuration.composition import cells
from experiments.configuration.console import plain
from experiments.configuration.setup import Parts
from experiments.groundtruth.truth import measure
from experiments.runs.progress import Progress
from experiments.studies.ranking_quality.comparison import Rows, compare
from experiments.studies.ranking_quality.page import page
from experiments.studies.study import Page, Say


@dataclass(frozen=True)
class Target:
    """A model set with a dataset that none of its models was trained on.

    Attributes:
        words: overrides as on the command line.
        sizes: settings with their values, usually and with ``--ci``.
        rates: learning rates to choose from, or the one to take.
        batch_size: items of a step.
        epochs: of a fine-tune.
    """

    words: tuple[str, ...]
    sizes: Mapping[str, tuple[int, int]]
    rates: tuple[float, ...] = (1e-4, 1e-3)
    batch_size: int = 32
    epochs: int = 2

    def overrides(self, small: bool) -> list[str]:
        """What its models and data are, as on the command line."""
        sizes = [f"{name}={values[small]}" for name, values in self.sizes.items()]
        return [*self.words, *sizes, f"scale={'ci' if small else 'laptop'}"]

    def tuning(self, small: bool) -> Tuning:
        """How its candidates are fine-tuned."""
        return Tuning(
            epochs=1 if small else self.epochs, learning_rates=self.rates, held_out=0.2, batch_size=self.batch_size,
            threads=1, device="cpu",
        )  # fmt: skip


# Few items to train on, as where a pretrained model is wanted, and many to test on.
TARGETS: Mapping[str, Target] = {
    "digits": Target(
        ("model_set=digits_variants", "dataset=digits", "dataset.test_share=0.8"), {"dataset.items": (1200, 150)}
    ),
    "docstrings": Target(
        (
            "model_set=docstring_finetunes",
            "model_set.start.length=16",
            "dataset=docstrings",
            "dataset.test_share=0.7",
        ),
        {"dataset.items": (480, 120), "model_set.count": (8, 3)},
        rates=(1e-4,),
        batch_size=16,
    ),
    "photographs": Target(
        ("model_set=photograph_variants", "dataset=photographs", "dataset.test_share=0.7"),
        {"dataset.items": (640, 60)},
    ),
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the study's arguments."""
    parser.add_argument("--targets", default=",".join(TARGETS), metavar="NAME,…", help="default: %(default)s")
    parser.add_argument("--proxies", default=",".join(PROXIES), metavar="NAME,…", help="default: all")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="fine-tunes of each candidate")
    parser.add_argument("--splits", type=int, default=5, metavar="N", help="of the training items, for each proxy")
    parser.add_argument("--store", type=Path, default=Path("store"), help="where the models are or will be")
    parser.add_argument("--results", type=Path, default=Path("results"), help="where fine-tunes are kept")
    parser.add_argument("--ci", action="store_true", help="few small models: seconds, and nothing to learn")


def run(options: argparse.Namespace, say: Say) -> Iterator[Page]:
    """Measure one target after the other; a page after each."""
    chosen = _chosen("--targets", options.targets, TARGETS)
    proxies = [named(name) for name in _chosen("--proxies", options.proxies, PROXIES)]
    if options.seeds < 1 or options.splits < 1:
        raise ConfigError("--seeds and --splits must be at least 1")
    parts, frames, without = Parts(), dict[str, Rows](), dict[str, str]()
    for name in chosen:
        target = TARGETS[name]
        folders = (f"store_dir='{options.store}'", f"results_dir='{options.results}'")
        setup = parts.setup(cells([*target.overrides(options.ci), *folders])[0].config)
        with Progress(plain()) as progress:
            models = parts.model_set(setup.config, progress.step)
            heads, reason = _heads(models) if any(map(needs_head, proxies)) else ({}, "")
            able = [proxy for proxy in proxies if heads or not needs_head(proxy)]
            if not able:
                raise ConfigError(f"--proxies {options.proxies}: {name}: {reason}")
            if reason:
                without[name] = " ".join(reason.splitlines()[:2])  # of many models the first one
            folder = options.results / "ranking_quality" / name
            command = f"alsatian study ranking_quality --targets {name} --seeds {options.seeds}"
            tuning = target.tuning(options.ci)
            outcome = measure(models, setup.dataset, tuning, options.seeds, folder, progress, command)
        if outcome.failed:
            raise AlsatianError(f"{name}: {outcome.failed[0]}")
        say(f"{name}: {len(able)} proxies on {options.splits} splits")
        found = [one for one in outcome.fine_tunes(models) if one.seed < options.seeds]
        for key, rows in compare(models, setup.dataset, found, able, options.splits, heads).items():
            frames.setdefault(key, []).extend({"target": name, **row} for row in rows)
        tunings = {name: TARGETS[name].tuning(options.ci) for name in chosen}
        yield page({key: pd.DataFrame(rows) for key, rows in frames.items()}, tunings, without)


def _heads(models: ModelSet) -> tuple[dict[str, Head], str]:
    """The candidates' own classifiers; or none, and why not all candidates have one."""
    try:
        return source_heads(models.store, models.candidates), ""
    except ConfigError as error:
        return {}, str(error)


def _chosen(option: str, text: str, valid: Mapping[str, Any]) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in valid:
            raise ConfigError(f"{option} {text}: there is no '{name}'; {nearest(name, valid)}")
    return list(dict.fromkeys(names))
