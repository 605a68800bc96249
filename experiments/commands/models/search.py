"""``alsatian search``: a ranking of one's own models on one's own data."""

import argparse
import json
import shlex
import sys
from pathlib import Path

from rich.console import Console

from alsatian.errors import ConfigError
from experiments.configuration.console import plain

HELP = "rank models of your own on data of your own"
EXAMPLES = """examples:
  alsatian search checkpoints/ --data photographs/
  alsatian search resnet.pth vit/ hub:google/vit-base-patch16-224 --data labels.csv
  alsatian search models.txt --data reviews.csv --proxy logistic,logme --top 10
"""
BATCH = 32
"""Items of a batch: small, so that rounds can be small."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    parser.add_argument(
        "models",
        nargs="+",
        metavar="MODELS",
        help="checkpoints, folders of them, ids in the store, hub:OWNER/NAME, timm:NAME, or a file that lists such",
    )
    parser.add_argument("--data", required=True, metavar="DATA", help="a folder by class, a table, a saved dataset")
    parser.add_argument("--test", metavar="DATA", help="the test part, if DATA is to train with alone")
    parser.add_argument("--label", metavar="COLUMN", help="of a table: the column with the labels")
    parser.add_argument(
        "--labels", choices=("auto", "classes", "numbers"), default="auto", help="what labels are; default: auto"
    )
    parser.add_argument("--limit", type=int, metavar="ITEMS", help="so many items of the data; default: all")
    parser.add_argument("--top", type=int, default=5, metavar="N", help="models to show; default: 5")
    parser.add_argument(
        "--proxy", default="logistic", metavar="NAME,…", help="what scores; the first decides; default: logistic"
    )
    parser.add_argument("--memory", default="auto", metavar="SIZE", help="of blocks and intermediates, e.g. 8GiB")
    parser.add_argument("--strategy", default="auto", metavar="NAME", help="how to search; default: auto")
    parser.add_argument(
        "--schedule",
        metavar="NAME",
        help="which models see how much data: halving (default), exhaustive, confident",
    )
    parser.add_argument(
        "--layers", default="last", metavar="NAME",
        help="whose features are scored: last (default), mean over a model's layers, or best of them",
    )  # fmt: skip
    parser.add_argument("--device", default="cpu", metavar="NAME", help="cpu (default) or cuda")
    parser.add_argument(
        "--batch-size", type=int, default=BATCH, metavar="N", help=f"items of a batch; default: {BATCH}"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the data's shuffle; default: 0")
    parser.add_argument(
        "--store", type=Path, default=Path("store"), metavar="DIR", help="keeps models; default: store"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("results/search"), metavar="DIR",
        help="for ranking.csv, ranking.json and report.html; default: results/search",
    )  # fmt: skip
    parser.add_argument("--no-reuse", action="store_true", help="neither take nor keep features of other searches")
    parser.add_argument(
        "--skip-bad", action="store_true", help="go on without models and items that cannot be used"
    )
    parser.add_argument("--json", action="store_true", help="print ranking.json and nothing else")


def handle(options: argparse.Namespace, console: Console) -> int:
    """Search, say how it goes, show the ranking and write the files."""
    if options.top < 1:
        raise ConfigError(f"--top {options.top}: must be at least 1")
    from alsatian.api import search  # slow
    from alsatian.data.reading import read_data
    from alsatian.ranking import files, terminal
    from experiments.search.live import Live

    bad = "exclude" if options.skip_bad else "raise"
    heard = plain(stderr=True) if options.json else console
    with Live(heard) as live:
        data = read_data(
            options.data, test=options.test, limit=options.limit, seed=options.seed, labels=options.labels,
            label_column=options.label, on_bad_item="skip" if options.skip_bad else "raise",
        )  # fmt: skip
        if data.summary is not None:
            for line in data.summary.text(data.name, min(heard.width, 80)).splitlines():
                live.say(line)
        result = search(
            options.models, data,
            proxies=options.proxy, strategy=options.strategy, schedule=options.schedule, layers=options.layers,
            batch_size=options.batch_size, memory=options.memory, hardware="quick", device=options.device,
            store=options.store, reuse=not options.no_reuse, on_bad_model=bad, progress=live,
        )  # fmt: skip
    record = result.record.model_copy(
        update={"command": shlex.join(["alsatian", *sys.argv[1:]]), "store": str(options.store)}
    )
    paths = files.write(record, options.out)
    if options.json:
        sys.stdout.write(json.dumps(record.plain(), indent=2, ensure_ascii=False) + "\n")
        return 0
    terminal.show(record, options.top, paths, console)
    return 0
