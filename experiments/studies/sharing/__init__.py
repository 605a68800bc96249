"""What fine-tunes take in the store and in a search.

For every kind of fine-tune a base and its fine-tunes are saved as their libraries do, added to a new store and
searched twice, by Alsatian and by a search that shares nothing. Distinct bytes are counted in the files, tensor by
tensor, of what features hang on. Values of fine-tunes are random, which decide no size, but for those of few steps
of training, which the store is to hold as deltas.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import alsatian
from alsatian.data.dataset import Dataset
from alsatian.errors import ConfigError
from alsatian.fingerprint import parameter_fingerprint
from alsatian.models.reading.parameters.loading import quiet
from alsatian.models.sets.folder import add_path
from alsatian.ranking.result import Ranking
from alsatian.store.maintenance import verify
from alsatian.store.store import BlockStore
from alsatian.units import format_bytes
from experiments.studies.sharing.families import FEW_STEPS, KINDS, NETWORKS, TRAINED, Network, make, tensors_in
from experiments.studies.study import Page, Say, table

MOST = 1.02
"""Times the distinct bytes that the store may take, and a search may read."""
BANDWIDTH = 200_000_000.0
"""Bytes per second that deltas are for, as in the paper."""


def measure(network: Network, kind: str, count: int, data: Dataset, folder: Path) -> tuple[dict[str, object], bool]:
    """A row of the table, and whether all is as it should be."""
    models, store = folder / "models", BlockStore(folder / "store", deltas=BANDWIDTH if FEW_STEPS in kind else None)
    models.mkdir(parents=True)
    with quiet():
        make(network, kind, count, models)
    sizes, whole = {}, 0
    for _, tensor in tensors_in(models, network):
        sizes[parameter_fingerprint([tensor])] = tensor.nbytes
        whole += tensor.nbytes
    distinct = sum(sizes.values())
    add_path(store, models)
    found = _search(models, data, store, "alsatian")
    alone = _search(models, data, store, "base")
    held = sum(path.stat().st_size for path in store.root.glob("blocks/*/*"))
    read = found.measurement.counters["bytes_read"]
    known = {(r.train_items, model): score for r in alone.rounds for model, score in r.scores.items()}
    compared = [score == known[r.train_items, model] for r in found.rounds for model, score in r.scores.items()]
    right = all(compared) and not verify(store)
    row: dict[str, object] = {
        "network": network.name,
        "fine-tunes": f"{count}, {kind}",
        "as files": format_bytes(whole),
        "distinct": format_bytes(distinct),
        "in the store": f"{held / distinct:.3f}",
        "read": f"{read / distinct:.3f}",
        "read by base": f"{alone.measurement.counters['bytes_read'] / distinct:.1f}",
        "scores": f"{sum(compared)} of {len(compared)} equal",
    }
    return row, right and max(held, read) <= MOST * distinct


def _search(models: Path, data: Dataset, store: BlockStore, strategy: str) -> Ranking:
    schedule = "exhaustive"  # which gives every model a score that can be compared
    return alsatian.search(models, data, strategy=strategy, schedule=schedule, store=store.root, batch_size=32)


def page(rows: list[dict[str, object]], good: bool) -> Page:
    """The table, and what it says."""
    facts = (
        "In the store, read: bytes of block files, and bytes that a search by Alsatian read, as times the distinct "
        f"bytes of the models' files; at most {MOST} is wanted. As files: what a file for each model would take; "
        "of adapters it is the base and their factors. Scores: of Alsatian's search that are those of `base` to "
        f"the bit. {TRAINED}, held as deltas for a store of "
        f"{format_bytes(round(BANDWIDTH))}/s."
    )
    return Page("Fine-tunes in the store", [facts, table(rows)], good=good)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the study's arguments."""
    parser.add_argument("--count", type=int, default=12, help="fine-tunes of each kind (default: %(default)s)")
    parser.add_argument("--items", type=int, default=64, help="of the data (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="for models and stores (default: for temporary files)")


def run(options: argparse.Namespace, say: Say) -> Iterator[Page]:
    """Make, add and search one family after the other."""
    if options.count < 1 or options.items < 32:
        raise ConfigError("--count must be at least 1 and --items at least 32")
    rows, good = [], True
    for network in NETWORKS.values():
        data = network.data(options.items)
        for kind in KINDS:
            say(f"{network.name}: {kind}")
            with tempfile.TemporaryDirectory(dir=options.folder, prefix="sharing-") as name:
                row, right = measure(network, kind, options.count, data, Path(name))
            rows.append(row)
            good = good and right
            yield page(rows, good)
