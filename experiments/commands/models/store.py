"""``alsatian store``: what a store holds, adding to it, and looking after it."""

import argparse
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from alsatian.errors import ConfigError
from experiments.configuration.console import complain

if TYPE_CHECKING:
    from alsatian.store.statistics import Family

# Families that are listed one by one.
_FAMILIES = 20
HELP = "look into a store of models, add to it, check it and clean it up"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's actions and their arguments."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    def action(name: str, text: str, act: Callable[[argparse.Namespace, Console], int]) -> argparse.ArgumentParser:
        made = actions.add_parser(name, help=text, description=text)
        made.add_argument("--store", type=Path, default=Path("store"), metavar="DIR", help="default: store")
        mirrors = "of stores elsewhere; default: ~/.cache/alsatian/mirrors"
        made.add_argument("--mirrors", metavar="DIR", help=mirrors)
        made.add_argument("--mirror-size", metavar="SIZE", help="of blocks in a mirror; default: 50GB")
        made.set_defaults(act=act)
        return made

    ls = action("ls", "list models and sets", _ls)
    add = action("add", "add models from folders or checkpoint files", _add)
    add.add_argument("paths", type=Path, nargs="+", metavar="PATH", help="a saved model, or a folder of them")
    action("verify", "read everything and check it against its identity; exits 1 if something is wrong", _verify)
    gc = action("gc", "remove blocks and features that no model needs and what killed writers left", _gc)
    gc.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    gc.add_argument("--grace", type=float, metavar="SECONDS", help="keep younger files; default: 3600")
    upgrade = action(
        "upgrade", "store each tensor once, also those that an earlier version stored with every block", _upgrade
    )
    for command in (add, upgrade):
        text = "store as deltas what a search reads faster so from a store of this speed, e.g. 200MB a second"
        command.add_argument("--deltas", metavar="BANDWIDTH", help=f"{text}; default: no deltas")
    stats = action("stats", "print bytes as files, blocks, tensors and deltas, in all and by family", _stats)
    for command in (ls, stats):
        command.add_argument("--json", action="store_true", help="print JSON")


def handle(options: argparse.Namespace, console: Console) -> int:
    """Carry out the action; 1 if verification found something or a model could not be added."""
    status: int = options.act(options, console)
    return status


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    """What the options say of the store, for those who open it."""
    from alsatian.units import parse_bytes

    sizes = {"deltas": "--deltas", "mirror_size": "--mirror-size"}
    found = {key: parse_bytes(getattr(options, key, None), name) for key, name in sizes.items()}
    return {**found, "mirrors": options.mirrors}


def _ls(options: argparse.Namespace, console: Console) -> int:
    from alsatian.store.maintenance import open_store
    from alsatian.store.summaries import Summaries

    store = open_store(options.store, **_settings(options))
    models = Summaries(store).all()
    users = Counter(identity for model in models for identity in dict(model.blocks))
    own = [
        sum(nbytes for identity, nbytes in dict(model.blocks).items() if users[identity] == 1) for model in models
    ]
    sets = {name: store.model_set(name) or [] for name in store.set_names()}
    listed = [
        {
            "id": model.id,
            "architecture": model.architecture,
            "blocks": len(model.blocks),
            "bytes": model.parameter_bytes,
            "own_bytes": own_bytes,
        }
        for model, own_bytes in zip(models, own, strict=True)
    ]
    if options.json:
        console.out(json.dumps({"models": listed, "sets": sets}, indent=2))
        return 0
    titles = {"id": "model", "bytes": "size_bytes"}
    shown = [
        {titles.get(key, key): "-" if value is None else value for key, value in row.items()} for row in listed
    ]
    _table(console, shown)
    if sets:
        console.print()
        _table(console, [{"set": name, "models": len(members)} for name, members in sets.items()])
    return 0


def _add(options: argparse.Namespace, console: Console) -> int:
    from alsatian.models.sets.folder import add_path
    from alsatian.store.store import BlockStore

    refused: list[str] = []
    left_out: list[str] = []
    store = BlockStore(options.store, **_settings(options))
    for path in options.paths:
        added = add_path(
            store,
            path,
            refused=lambda _, line: refused.append(line),
            left_out=lambda _, line: left_out.append(line),
        )
        for model_id in added:
            console.print(f"added {model_id}")
            model = store.known(model_id)
            for note in model.metadata.get("notes", []) if model else []:
                console.print(f"  {note}")
    for line in left_out:
        console.print(line)
    for line in refused:
        complain(f"alsatian: {line}")
    return 1 if refused else 0


def _verify(options: argparse.Namespace, console: Console) -> int:
    from alsatian.store.maintenance import open_store, verify

    store = open_store(options.store, **_settings(options))
    problems = verify(store)
    for problem in problems:
        console.print(problem)
    console.print(f"{options.store}: {f'{len(problems)} problems' if problems else 'all is well'}")
    return 1 if problems else 0


def _gc(options: argparse.Namespace, console: Console) -> int:
    from alsatian.store.maintenance import GRACE_S, gc, open_store
    from alsatian.units import format_bytes

    grace = GRACE_S if options.grace is None else options.grace
    if not grace >= 0:
        raise ConfigError(f"--grace {options.grace}: must be a number of seconds, 0 or more")
    garbage = gc(open_store(options.store, **_settings(options)), grace, options.dry_run)
    for path in garbage.files:
        console.print(str(path))
    verb = "would remove" if options.dry_run else "removed"
    console.print(f"{verb} {len(garbage.files)} files, {format_bytes(garbage.bytes)}")
    if garbage.recent:
        console.print(f"kept {garbage.recent} files without a model that are younger than {grace:g} s (--grace)")
    return 0


def _upgrade(options: argparse.Namespace, console: Console) -> int:
    from alsatian.store.maintenance import open_store
    from alsatian.store.upgrade import upgrade
    from alsatian.units import count_text, format_bytes
    from experiments.runs.progress import Progress

    store = open_store(options.store, **_settings(options))
    with Progress(console) as progress:
        done = upgrade(store, progress.step)
    sizes = f"{format_bytes(done.before)} before, {format_bytes(done.after)} now"
    console.print(f"wrote {count_text(done.files, 'block')} anew: {sizes}")
    return 0


def _stats(options: argparse.Namespace, console: Console) -> int:
    from alsatian.store.maintenance import open_store
    from alsatian.store.statistics import stats
    from alsatian.units import format_bytes

    found = stats(open_store(options.store, **_settings(options)))
    if options.json:
        console.print(json.dumps({**asdict(found), "sharing_factor": found.sharing_factor}, indent=2))
        return 0
    rows = [
        ("models", found.models, ""),
        ("sets", found.sets, ""),
        ("blocks", found.blocks, ""),
        ("total bytes", found.total_bytes, f"{format_bytes(found.total_bytes)} as separate files of models"),
        ("distinct bytes", found.distinct_bytes, f"{format_bytes(found.distinct_bytes)} as blocks, each once"),
        ("sharing factor", f"{found.sharing_factor:.2f}", "total / distinct"),
        (
            "tensor bytes",
            found.tensor_bytes,
            f"{format_bytes(found.tensor_bytes)} as tensors, each once ({found.tensors})",
        ),
        ("full bytes", found.full_bytes, f"{format_bytes(found.full_bytes)} of these in their own types"),
        ("factor bytes", found.factor_bytes, f"{format_bytes(found.factor_bytes)} of these are adapters' factors"),
        (
            "delta bytes",
            found.delta_bytes,
            f"{format_bytes(found.delta_bytes)} as tensors and deltas ({found.deltas})",
        ),
        ("file bytes", found.file_bytes, f"{format_bytes(found.file_bytes)} on disk, headers included"),
        ("feature bytes", found.feature_bytes, f"{format_bytes(found.feature_bytes)} kept for later searches"),
        ("unreferenced bytes", found.unreferenced_bytes, f"in {found.unreferenced_blocks} blocks"),
    ]
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    for row in rows:
        table.add_row(*map(str, row))
    console.print(table, soft_wrap=False)
    if found.families:
        console.print()
        _families(console, found.families)
    return 0


def _families(console: Console, families: "Sequence[Family]") -> None:
    """A row for each of the largest families of several models, and one for all other models."""
    from alsatian.units import format_bytes, printable
    from analysis.tables import formats

    shown = [one for one in families if one.models > 1][:_FAMILIES]
    others = [one for one in families if one not in shown]
    groups = [(one.architecture or "-", one.first, [one]) for one in shown]
    if others:
        groups.append(("others" if shown else "no family", "-", others))
    rows = []
    for architecture, first, some in groups:
        kinds = ("total", "distinct", "tensor", "delta")
        sizes = [sum(getattr(one, f"{kind}_bytes") for one in some) for kind in kinds]
        names = (printable(architecture), printable(first), str(sum(one.models for one in some)))
        rows.append((*names, *map(format_bytes, sizes)))
    header = ("family", "first model", "models", "as files", "as blocks", "as tensors", "as deltas")
    console.out(formats.terminal(formats.Table("", header, rows, (2, 3, 4, 5, 6)), console.width))


def _table(console: Console, rows: list[dict[str, Any]]) -> None:
    from pandas import DataFrame

    from analysis.tables import formats

    console.out(formats.terminal(formats.Table.of(DataFrame(rows)), console.width))
