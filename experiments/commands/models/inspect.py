"""``alsatian inspect``: what there is to know about one model."""

import argparse
import contextlib
import json
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

if TYPE_CHECKING:
    from alsatian.models.inspection import BlockFacts, Inspection
    from alsatian.store.store import BlockStore

HELP = "show a model's blocks, its cost, its input, and what it shares with the models of a store"
# Rows of the table of models that share something.
ROWS = 10


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "model", metavar="MODEL", help="a folder, a file of weights, store:ID, hub:OWNER/NAME or timm:NAME"
    )
    parser.add_argument("--store", type=Path, default=Path("store"), metavar="DIR", help="default: store")
    parser.add_argument("--blocks", action="store_true", help="show every block, not only layers")
    parser.add_argument("--json", action="store_true", help="print JSON")


def handle(options: argparse.Namespace, console: Console) -> int:
    """Read the model, which does not go into the store, and print the facts."""
    from alsatian.models.flops import costs_of
    from alsatian.models.inspection import inspect, others_in
    from alsatian.store.store import BlockStore

    store = BlockStore(options.store)
    with _opened(options.model, store) as (models, own):
        (candidate,) = models.candidates
        costs = costs_of(candidate, models.segments, models.store)
        found = inspect(candidate, models.segments, costs, others_in(store, own))
    if options.json:
        console.file.write(json.dumps(asdict(found), indent=2, allow_nan=False) + "\n")
        return 0
    console.print("\n".join(lines(found, options.store, console.width, options.blocks)))
    return 0


@contextlib.contextmanager
def _opened(word: str, store: "BlockStore") -> Iterator[Any]:
    """The set of the one model that ``word`` names, and its id if it is of ``store``."""
    from alsatian.errors import ConfigError
    from alsatian.models.sets.listed import ListedSet
    from alsatian.models.words import STORE, words_of
    from alsatian.store.store import BlockStore

    of_store = [one.kind == STORE for one in words_of([word], store.model_ids())]
    with tempfile.TemporaryDirectory(prefix="alsatian-") as folder:
        place = store if all(of_store) else BlockStore(folder)
        models = ListedSet(models=[word]).open(place)
        if len(models.candidates) > 1:
            names = ", ".join(str(c.metadata["source"]) for c in models.candidates[:3])
            raise ConfigError(f"{word}: names {len(models.candidates)} models ({names}, …); name one of them")
        yield models, models.candidates[0].metadata["stored"] if place is store else None


def lines(found: "Inspection", store: Path, width: int, every_block: bool) -> Iterator[str]:
    """The facts for a terminal of ``width`` characters."""
    from pandas import DataFrame

    from alsatian.units import count_text, format_bytes, printable
    from analysis.tables.formats import Table, terminal

    yield printable(f"{found.id} ({found.architecture}): splits into {count_text(len(found.blocks), 'block')}")
    facts = [
        ("size", f"{format_bytes(found.bytes)}, {_quantity(found.parameters)} parameters"),
        ("FLOPs per item", f"{_quantity(found.flops)} (matrix products, convolutions and attention)"),
        *([("not counted", ", ".join(found.uncounted))] if found.uncounted else []),
        *found.contract,
        *(("assumed", note) for note in found.notes),
    ]
    wide = max(len(name) for name, _ in facts) + 4
    for name, text in facts:
        head = f"  {name}".ljust(wide)
        yield textwrap.fill(printable(text), width, initial_indent=head, subsequent_indent=" " * wide)
    yield ""
    rows = [[block] for block in found.blocks] if every_block else runs(found.blocks)
    yield terminal(Table.of(DataFrame([_row(run) for run in rows])), width)
    if not every_block and len(rows) < len(found.blocks):
        yield "--blocks shows every block"
    yield ""
    if not found.shared:
        yield f"shares no block with the models of {store}"
        return
    yield f"shares blocks with {count_text(len(found.shared), 'model')} of {store}"
    shown = [
        {
            "model": one.id,
            "shared prefix": f"{one.prefix} of {len(found.blocks)}",
            "its size": format_bytes(one.prefix_bytes),
            "all shared blocks": str(one.blocks),
            "their size": format_bytes(one.bytes),
        }
        for one in found.shared[:ROWS]
    ]
    yield terminal(Table.of(DataFrame(shown)), width)
    if len(found.shared) > ROWS:
        yield f"… and {len(found.shared) - ROWS} more; --json lists all"


def runs(blocks: "tuple[BlockFacts, ...]") -> "list[list[BlockFacts]]":
    """Blocks of one layer together, and of layers that follow each other and have the same code."""
    chain: list[list[BlockFacts]] = []
    previous: list[str] = []
    for _, group in groupby(blocks, lambda block: block.layer):
        layer = list(group)
        code = [block.architecture for block in layer]
        if code == previous:
            chain[-1] += layer
        else:
            chain.append(layer)
        previous = code
    return chain


def _row(run: "list[BlockFacts]") -> dict[str, Any]:
    from alsatian.units import format_bytes

    first, last = run[0], run[-1]
    count = len({block.layer for block in run})
    kinds = dict.fromkeys(kind for block in run for kind in block.kind.split(", "))
    return {
        "blocks": str(first.position) if len(run) == 1 else f"{first.position}–{last.position}",
        "layer": first.layer if count == 1 else f"{first.layer} and {count - 1} more like it",
        "computes": ", ".join(kinds),
        "size": format_bytes(sum(block.bytes for block in run)),
        "output": format_bytes(last.output_bytes),
        "FLOPs": _quantity(sum(block.flops for block in run)),
        "in models": str(min(block.models for block in run)),
    }


def _quantity(number: int) -> str:
    """``number`` with three digits, in thousands, millions or billions."""
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:.3g} {letter}"
    return str(number)
