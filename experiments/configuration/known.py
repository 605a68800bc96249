"""Runs that are known by their configurations: a command whose runs are all finished needs neither models nor data.

A run's identity takes its models and its data, and those take seconds to open. What it came to is kept beside
the models, under a digest of all that it hangs on: the configuration, the installed packages and the package's own
code, and every file that the settings name, by size, inode and times of change. Settings that name anything else (a
hub, a table that lists files elsewhere, a plugin) are not known so.
"""

import contextlib
import json
import os
import site
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import alsatian
from alsatian.contents import stamp
from alsatian.files import write_json
from alsatian.fingerprint import digest_json
from alsatian.records.settings import decisive
from alsatian.store.remote.folders import local_folder
from experiments.configuration import menu
from experiments.configuration.components import targets

# They change nothing about models, data or validity, or are looked at anew.
_FREE = (
    "results_dir", "force", "fail_fast", "timeout_s", "repeat_disturbed", "interleaved", "launcher", "title",
    "sweep", "targets", "figure", "scaled",
)  # fmt: skip
_CODE = ("alsatian", "baselines", "experiments", "analysis")
# Components of models and data that read the files and folders which their settings name, and packages; no others.
_READERS = tuple(
    f"alsatian.{name}."
    for name in (
        "data.counted", "data.dataset", "data.digits", "data.docstrings", "data.generated_images",
        "data.generated_reviews", "data.images", "data.saved", "models.sets.finetunes",
        "models.sets.folder", "models.sets.starts", "models.sets.synthetic", "models.sets.tasks",
        "models.sets.training", "models.sets.union",
    )
)  # fmt: skip
_TEXTS = "alsatian.data.own.text_files"
# What these say may be fetched, unless it is a path, or lies in PyTorch's cache.
_FETCHED = ("weights", "real")
_CACHED = "torchvision:"
_MOST_FILES = 100_000
# See :mod:`alsatian.contents`: within this time two changes may have one time stamp.
_TICK_NS = 100_000_000


@dataclass(frozen=True)
class Known:
    """What an earlier command found out about a run: its identity, its strategy's name and what was left out."""

    identity: str
    strategy: str
    left_out: tuple[str, ...]


class KnownRuns:
    """Runs by their configurations, for one command. Files that change while it goes on are noticed."""

    def __init__(self) -> None:
        self._since = time.time_ns()
        self._of_path = cache(_changes)

    def find(self, config: Mapping[str, Any], shown: Mapping[str, Any]) -> Known | None:
        """What is known of the run with the resolved ``config``, which is ``shown`` without secrets."""
        if (found := self._key(config, shown)) is None:
            return None
        try:
            value = json.loads(_place(config, found[0]).read_bytes())
            return Known(str(value["identity"]), str(value["strategy"]), tuple(map(str, value["left_out"])))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def keep(self, config: Mapping[str, Any], shown: Mapping[str, Any], known: Known) -> None:
        """Keep what was found out about a run, unless a file that it hangs on changed since this was made."""
        found = self._key(config, shown)
        if found is None or found[1] > self._since - _TICK_NS:
            return
        value = {"identity": known.identity, "strategy": known.strategy, "left_out": list(known.left_out)}
        with contextlib.suppress(OSError):  # it only saves time
            if not (place := _place(config, found[0])).exists():
                write_json(place, value)

    def _key(self, config: Mapping[str, Any], shown: Mapping[str, Any]) -> tuple[str, int] | None:
        """The digest, and when the last change was outside of the store; None for what cannot be known."""
        deltas = config["storage"].get("deltas") is not None  # of which the store says what there are
        if menu.plugins() or config["measure"] != "search" or deltas or not _is_read(config):
            return None
        store = os.path.abspath(local_folder(config["store_dir"], config["storage"].get("mirrors")))
        parts: list[Any] = [decisive(shown, _FREE), os.getcwd(), code()]
        last = 0
        named = [*_texts([config[name] for name in ("model_set", "dataset", "proxy", "hardware")])]
        for text in [*named, _torch_cache()] if any(text.startswith(_CACHED) for text in named) else named:
            if os.path.exists(text):
                if (changes := self._of_path(os.path.abspath(text))) is None:
                    return None
                parts.append([text, changes])
                if not os.path.abspath(text).startswith(store):  # what is there was made by an earlier run
                    last = max([last, *(max(found[-2:]) for _, *found in changes)])
        return digest_json(parts), last


def _is_read(config: Mapping[str, Any]) -> bool:
    """Whether all that the models and data of ``config`` hang on are settings, packages and files that it names."""
    chosen = [target for name in ("model_set", "dataset") for _, target in targets(config[name])]
    if not all(target.startswith(_READERS) or target == _TEXTS for target in chosen):
        return False
    if not all(target.startswith(_CODE) for _, target in targets(config)):
        return False
    fetched = list(_under(_FETCHED, [config["model_set"], config["dataset"]]))
    return all(str(value).startswith(_CACHED) or os.path.exists(str(value)) for value in fetched)


def _under(names: Sequence[str], value: Any) -> Iterator[Any]:
    """What stands under keys called ``names`` in ``value``, but for null and mappings."""
    for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
        if isinstance(item, Mapping | list):
            yield from _under(names, item)
        elif key in names and item is not None:
            yield item


def _texts(value: Any) -> Iterator[str]:
    """All texts in ``value`` that may be paths."""
    if isinstance(value, str) and value and "\0" not in value:
        yield value
    elif isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(item)


def _changes(path: str) -> list[list[Any]] | None:
    """Names and stamps of a file, or of a folder and all that is below it; None if that is very much."""
    found = [[path, *stamp(os.stat(path))]]
    for folder, folders, files in os.walk(path, followlinks=True):
        folders.sort()
        there = (os.path.join(folder, name) for name in sorted([*folders, *files]))
        found += [[name, *stamp(os.stat(name))] for name in there if os.path.exists(name)]
        if len(found) > _MOST_FILES:
            return None
    return found


@cache
def code() -> list[Any]:
    """What changes with the package's own code, with Python, and when a package is installed or removed."""
    # An installed package has the others within itself.
    folders = (Path(alsatian.__file__).parent, *(Path(__file__).parents[2] / name for name in _CODE[1:]))
    files = sorted({file for folder in folders for file in folder.rglob("*") if "__pycache__" not in file.parts})
    stamps = [[str(file), *stamp(os.stat(file))] for file in files if file.is_file()]
    installed = [
        [folder, os.stat(folder).st_mtime_ns] for folder in site.getsitepackages() if os.path.isdir(folder)
    ]
    return [sys.version, installed, stamps]


def _torch_cache() -> str:
    """Where PyTorch keeps weights that it has fetched, as ``torch.hub`` has it."""
    cache = os.getenv("XDG_CACHE_HOME", "~/.cache")
    home = os.path.expanduser(os.getenv("TORCH_HOME", os.path.join(cache, "torch")))
    return os.path.join(home, "hub", "checkpoints")


def _place(config: Mapping[str, Any], key: str) -> Path:
    return local_folder(config["store_dir"], config["storage"].get("mirrors")) / "contents" / "runs" / f"{key}.json"
