"""``alsatian search``: a ranking of one's own models on one's own data."""

import argparse
import json
import os
import shlex
import sys
from pathlib import Path

from rich.console import Console

from alsatian.errors import ConfigError
from alsatian.units import printable, written_out
from experiments.configuration import menu
from experiments.configuration.console import plain

HELP = "rank models of your own on data of your own"
EXAMPLES = """examples:
  alsatian search checkpoints/ --data photographs/
  alsatian search resnet.pth vit/ hub:google/vit-base-patch16-224 --data a.csv
  alsatian search models.txt --data reviews.csv --proxy logistic,logme --top 10
  alsatian search checkpoints/ --data photographs/ plugins=. --proxy mine
"""
BATCH = 32
"""Items of a batch: small, so that rounds can be small."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.usage = "%(prog)s MODELS [MODELS ...] --data DATA [options]"
    parser.epilog = EXAMPLES
    parser.add_argument(
        "models",
        nargs="+",
        metavar="MODELS",
        help="folders, files of weights, store:ID, hub:OWNER/NAME, timm:NAME, torchvision:NAME, or a .txt file "
        "with one of these a line",
    )
    _data(parser.add_argument_group("data"))
    _search(parser.add_argument_group("search"))
    _result(parser.add_argument_group("result"))


def _data(group: argparse._ArgumentGroup) -> None:
    """What is read, as :func:`alsatian.data.reading.read_data` calls it."""
    group.add_argument(
        "--data", required=True, metavar="DATA",
        help="a folder with one folder a class, a table (.csv, .tsv, .jsonl, .parquet), what save_to_disk of "
        "datasets wrote, or digits or docstrings",
    )  # fmt: skip
    group.add_argument(
        "--test", metavar="DATA", help="such data with the test part; default: as DATA says, or drawn"
    )
    group.add_argument("--limit", type=int, metavar="ITEMS", help="take so many items; default: all")
    group.add_argument("--seed", type=int, default=0, metavar="N", help="of the shuffle and the draw; default: 0")
    group.add_argument(
        "--kind",
        choices=("auto", "images", "texts"),
        default="auto",
        metavar="KIND",
        help="images or texts, where it may be either",
    )
    group.add_argument(
        "--labels", choices=("auto", "classes", "numbers"), default="auto", metavar="KIND",
        help="classes, or numbers to predict; default: what they look like",
    )  # fmt: skip
    group.add_argument("--item-column", metavar="NAME", help="of a table: texts, or paths of images")
    group.add_argument("--label-column", metavar="NAME", help="of a table: the labels")
    group.add_argument("--split-column", metavar="NAME", help="of a table: which part a row belongs to")
    group.add_argument("--separator", metavar="TEXT", help="of a table's columns; default: a comma, a tab in .tsv")


def _search(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--proxy", metavar="NAME,...", help="what scores; the first decides; default: logistic, ridge for numbers"
    )
    group.add_argument(
        "--schedule",
        metavar="NAME",
        help="which models see how much data: halving (default), confident or exhaustive",
    )
    group.add_argument(
        "--layers", default="last", metavar="NAME",
        help="whose features are scored: last (default), mean over a model's layers, or best of them",
    )  # fmt: skip
    group.add_argument("--strategy", default="auto", metavar="NAME", help="how to search; default: auto")
    group.add_argument(
        "--memory", default="auto", metavar="SIZE", help="of blocks and intermediates, e.g. 8GiB; default: half of "
        "what is free",
    )  # fmt: skip
    group.add_argument("--device", default="cpu", metavar="NAME", help="cpu (default) or cuda")
    group.add_argument(
        "--workers", type=int, metavar="N", help="search on so many workers of Ray, a processor each; default: here"
    )
    group.add_argument(
        "--address", metavar="HOST:PORT", help="of a Ray cluster to join, or auto; default: one of this machine"
    )
    group.add_argument("--numerics", default="fp32", metavar="NAME", help="fp32 (default), bf16, or tf32 on a GPU")
    group.add_argument(
        "--kernels", default="layout", metavar="NAME",
        help="layout (default): norms folded into convolutions, channels last; or eager, as models are written",
    )  # fmt: skip
    group.add_argument(
        "--batch-size", type=int, default=BATCH, metavar="N", help=f"items of a batch; default: {BATCH}"
    )
    group.add_argument(
        "--store", type=Path, default=Path("store"), metavar="DIR", help="keeps models and features; default: store"
    )
    group.add_argument("--mirrors", metavar="DIR", help="of stores elsewhere; default: ~/.cache/alsatian/mirrors")
    group.add_argument("--mirror-size", metavar="SIZE", help="of blocks in a mirror; default: 50GB")
    group.add_argument(
        "--verify-blocks", default="once", metavar="WHEN",
        help="compare what is read of the store with its digests once a file (default), or always",
    )  # fmt: skip
    group.add_argument("--no-reuse", action="store_true", help="neither take nor keep features of other searches")
    group.add_argument("--skip-bad", action="store_true", help="go on without models and items that cannot be used")


def _result(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--top", type=int, default=5, metavar="N", help="models to show; default: 5")
    group.add_argument(
        "--out", type=Path, default=Path("results/search"), metavar="DIR",
        help="for ranking.csv, ranking.json and report.html; default: results/search",
    )  # fmt: skip
    group.add_argument("--json", action="store_true", help="print ranking.json and nothing else")


def _check_out(folder: Path) -> None:
    """That files can be written to ``folder``: said now, not when the search is over.

    Raises:
        ConfigError: they cannot.
    """
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        raise ConfigError(f"--out {folder}: '{there}' is a file; name a folder")
    if not os.access(there, os.W_OK):
        raise ConfigError(f"--out {folder}: nothing can be written to '{there}'; name another folder")


def handle(options: argparse.Namespace, console: Console) -> int:
    """Search, say how it goes, show the ranking and write the files."""
    if options.top < 1:
        raise ConfigError(f"--top {options.top}: must be at least 1")
    _check_out(options.out)
    from alsatian.api import search  # slow
    from alsatian.arguments import batch_size_of, proxies_of, resolve_device, schedule_of, strategy_of
    from alsatian.blocks.kernels import caution, check_choice
    from alsatian.contents import keep_in
    from alsatian.data.reading import read_data
    from alsatian.machines.settings import machine_of
    from alsatian.models.words import words_of
    from alsatian.ranking import files, terminal
    from alsatian.runtime.storage.regime import Storage
    from alsatian.store.store import BlockStore
    from experiments.search.live import Live

    def of_plugin(group: str, name: str) -> object:
        if not menu.plugins():
            return name
        from experiments.configuration import setup  # Hydra, which only plugins need

        return setup.of_plugin(group, name)

    # What is misspelt is said before any data are read, which may take long.
    named = [of_plugin("proxy", name.strip()) for name in options.proxy.split(",")] if options.proxy else None
    proxies, strategy = proxies_of(named), strategy_of(of_plugin("strategy", options.strategy))
    schedule = None if options.schedule is None else schedule_of(of_plugin("schedule", options.schedule))
    batch_size, device = batch_size_of(options.batch_size), resolve_device(options.device)
    check_choice(options.kernels, options.numerics, device)
    machine = machine_of(options.workers, options.address, options.device)
    storage = Storage(verify_blocks=options.verify_blocks, mirrors=options.mirrors, mirror_size=options.mirror_size)
    store = BlockStore.under(options.store, storage)
    words_of(options.models, store.model_ids())
    bad = "exclude" if options.skip_bad else "raise"
    heard = plain(stderr=True) if options.json else console
    keep_in(store.root)
    with Live(heard) as live:
        if (warning := caution(options.numerics, device)) is not None:
            live.say(f"warning: {warning}")
        data = read_data(
            options.data, test=options.test, limit=options.limit, seed=options.seed, labels=options.labels,
            kind=options.kind, item_column=options.item_column, label_column=options.label_column,
            split_column=options.split_column, separator=options.separator,
            on_bad_item="skip" if options.skip_bad else "raise",
        )  # fmt: skip
        if data.summary is not None:
            for line in data.summary.text(printable(data.name), min(heard.width, 80)).splitlines():
                live.say(line)
        result = search(
            options.models, data,
            proxies=proxies or None, strategy=strategy, schedule=schedule, layers=options.layers, storage=storage,
            batch_size=batch_size, memory=options.memory, hardware="quick", device=device,
            kernels=options.kernels, numerics=options.numerics,
            store=options.store, reuse=not options.no_reuse, on_bad_model=bad, machine=machine, progress=live,
        )  # fmt: skip
    record = result.record.model_copy(
        update={
            "command": written_out(shlex.join(["alsatian", *sys.argv[1:]])),
            "store": written_out(str(options.store)),
        }
    )
    paths = files.write(record, options.out)
    if options.json:
        sys.stdout.write(json.dumps(record.plain(), indent=2) + "\n")
        return 0
    terminal.show(record, options.top, paths, console)
    return 0
