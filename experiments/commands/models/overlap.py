"""``alsatian overlap``: how much models have in common."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from experiments.configuration.console import complain

if TYPE_CHECKING:
    from alsatian.records import Overlap
    from alsatian.records.networks import ModelOverlap
    from alsatian.store.store import BlockStore

HELP = "show how much models have in common, and what keeps them from sharing more"
# Rows of the table of near misses that are printed; the files hold all.
ROWS = 40


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "models", nargs="*", metavar="MODEL",
        help="a folder or file of models, or the id of a model in the store; figure.style=paper draws for a paper",
    )  # fmt: skip
    parser.add_argument("--set", action="append", default=[], metavar="NAME", help="a model set in the store")
    parser.add_argument("--store", type=Path, default=Path("store"), help="where blocks are kept (default: store)")
    parser.add_argument(
        "--out", type=Path, default=Path("results/overlap"), help="where files go (default: results/overlap)"
    )
    parser.add_argument("--length", type=int, default=128, help="tokens of a text, at most (default: 128)")


def handle(options: argparse.Namespace, console: Console) -> int:
    """Study the models, print a summary, write files; 1 if a model could not be used."""
    from alsatian.files import write_json
    from alsatian.models.overlap.study import study
    from alsatian.store.store import BlockStore
    from analysis.figures import overlap as picture
    from analysis.figures.style import WORDS, named
    from experiments.configuration.composition import take

    words = [word for word in options.models if word.startswith(tuple(f"figure.{key}=" for key in WORDS))]
    look = {key: take(words, f"figure.{key}")[1] for key in WORDS}
    style = named(look)
    options.models = [word for word in options.models if word not in words]
    store = BlockStore(options.store)
    refused: list[str] = []
    ids = _ids(options, store, refused, console)
    for line in refused:
        complain(f"alsatian: left out: {line}")
    if not ids:
        complain("alsatian: no model is left to study")
        return 1
    found = study([store.model(model_id) for model_id in ids], store)
    path = options.out / "overlap.json"
    # As the analysis reads it: nothing but this file.
    write_json(path, found.plain())
    console.print("\n".join(summary(found, console.width)))
    files = picture.draw(path, style)
    console.print(f"\nwritten: {path}, {', '.join(file.name for file in files)}")
    return 1 if refused else 0


def _ids(options: argparse.Namespace, store: "BlockStore", refused: list[str], console: Console) -> list[str]:
    """Ids of all models that the command names, each once, in the given order."""
    from alsatian.errors import ConfigError, nearest
    from alsatian.models.reading.inputs.settings import Reading
    from alsatian.models.sets.folder import add_path

    if not options.models and not options.set:
        raise ConfigError("overlap: name folders or models, or a model set of the store with --set")
    if options.length < 2:
        raise ConfigError(f"--length={options.length}: must be at least 2")
    ids: list[str] = []
    for name in options.set:
        members = store.model_set(name)
        if members is None:
            valid = [path.stem for path in (store.root / "sets").glob("*.json")]
            raise ConfigError(f"--set={name}: {store.root} has no such model set; {nearest(name, valid)}")
        ids += members
    stored = set(store.model_ids())
    for name in options.models:
        if Path(name).exists():
            with console.status(f"reading {name}") as status:

                def refuse(_: str, line: str) -> None:
                    refused.append(line)

                def step(what: str, done: int, total: int, show: Callable[[str], None] = status.update) -> None:
                    show(f"{what}: {done} of {total} models")

                ids += add_path(store, name, reading=Reading(length=options.length), refused=refuse, progress=step)
        elif name in stored:
            ids.append(name)
        else:
            raise ConfigError(
                f"{name}: is neither a folder or file nor a model of {store.root}; {nearest(name, stored)}"
            )
    return list(dict.fromkeys(ids))


def summary(found: "Overlap", width: int) -> list[str]:
    """Lines that say what was found, for a terminal of ``width`` characters."""
    from pandas import DataFrame

    from alsatian.units import format_bytes
    from analysis.tables.formats import Table, terminal

    count = len(found.models)
    saving = 1 - found.distinct_bytes / found.total_bytes if found.total_bytes else 0.0
    lines = [
        f"{count} {'model' if count == 1 else 'models'} in {len(found.families)} families of common prefixes "
        f"(sizes {', '.join(str(len(family.models)) for family in found.families[:10])}"
        f"{', …' if len(found.families) > 10 else ''})",
        f"share blocks: {found.share_with_common_blocks:.0%} of the models; from the input on: "
        f"{found.share_with_prefix:.0%}",
        f"shared prefix with the most similar model: {found.mean_shared_fraction:.0%} of the blocks on average",
        f"parameters: {format_bytes(found.distinct_bytes)} distinct of {format_bytes(found.total_bytes)} "
        f"({saving:.0%} less); blocks: {found.distinct_blocks} distinct of {found.total_blocks}",
        "",
        "shared prefix in blocks: models",
        *(f"  {length:>4}: {number}" for length, number in found.prefix_lengths.items()),
        "",
    ]
    near = found.near_misses
    if not near:
        return [*lines, "near misses: none"]
    lines.append(f"near misses: {len(near)} models would share more with their most similar one")
    lines.append(terminal(Table.of(DataFrame([_row(model) for model in near[:ROWS]])), width))
    if len(near) > ROWS:
        lines.append(f"  … and {len(near) - ROWS} more in overlap.csv")
    return lines


def _row(model: "ModelOverlap") -> dict[str, str]:
    miss = model.near_miss
    assert miss is not None
    why = (
        miss.reason + (f" of rank {miss.rank}" if miss.rank else "") + (f" ({miss.detail})" if miss.detail else "")
    )
    return {
        "model": model.id,
        "most similar": miss.partner,
        "shares": f"{model.shared_blocks} of {model.blocks}",
        "would share": f"{miss.block + miss.lost_blocks} of {model.blocks}",
        "why not": why,
    }
