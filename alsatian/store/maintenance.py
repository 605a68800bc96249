"""Looking after a store: is everything in it what it should be, and what can go."""

import contextlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from blake3 import blake3

from alsatian.blocks import serialization
from alsatian.blocks.candidate import Block, Candidate
from alsatian.errors import StoreError
from alsatian.fingerprint import DIGEST, block_identity, broken_seal, parameter_fingerprint
from alsatian.runtime.storage.regime import ALWAYS
from alsatian.store.store import BlockStore

GRACE_S = 3600.0
"""How old (seconds) garbage must be: blocks may be added one by one, long before their manifest."""
T = TypeVar("T")
FOLDERS = ("blocks", "models", "sets", "assets", "architectures", "profiles", "contents", "features", "verified")


@dataclass(frozen=True)
class Garbage:
    """What nothing refers to.

    Attributes:
        files: what was removed, or would be.
        bytes: their size.
        recent: number of files without a reference that are not old enough.
    """

    files: tuple[Path, ...]
    bytes: int
    recent: int


def open_store(
    folder: Path, deltas: float | None = None, mirrors: str | Path | None = None, mirror_size: int | None = None
) -> BlockStore:
    """The store in ``folder``, which may have been a URL; the rest as in :class:`BlockStore`.

    Raises:
        StoreError: there is none.
    """
    store = BlockStore(folder, deltas=deltas, mirrors=mirrors, mirror_size=mirror_size)
    if not any((store.root / name).is_dir() for name in ("blocks", "models")):
        what = "not a store of models" if folder.is_dir() or store.mirror else "no such folder"
        raise StoreError(f"{store.name}: {what}; name one with --store, or fill this one with 'alsatian store add'")
    return store


def candidates(store: BlockStore) -> list[Candidate]:
    """All models, by id; a manifest that is not valid is a StoreError."""
    return [store.model(model_id) for model_id in store.model_ids()]


def verify(store: BlockStore) -> list[str]:
    """Read everything and return what is wrong, one line each; every line names its file.

    Blocks, verified before or not, are compared with their names and the sizes in manifests, tokenizers and
    classifiers with their names; manifests, sets, architectures and profiles with the digests in them; what is
    referred to must be there.

    Raises:
        StoreError: the folder cannot be locked.
    """
    with store.locked(alone=False):
        problems: list[str] = []
        # Sets first: a set that is added meanwhile may name models that were not there yet.
        sets = {name: _tried(problems, store.model_set, name) for name in store.set_names()}
        ids = store.model_ids()
        models = [m for i in ids if (m := _tried(problems, store.model, i)) is not None]
        problems += _blocks(store, models)
        problems += _assets(store, models)
        problems += _made_again(store)
        for name, members in sets.items():
            for missing in sorted(set(members or ()) - set(ids)):
                problems.append(f"{store.root / 'sets'}: set '{name}' names model '{missing}', which is not there")
        return problems


def gc(store: BlockStore, grace_s: float = GRACE_S, dry_run: bool = False) -> Garbage:
    """Remove blocks, tokenizers, classifiers and features that no manifest refers to, and what killed writers left.

    Waits until nobody is adding. What is younger than ``grace_s`` seconds stays.

    Raises:
        StoreError: a manifest or the file of a block is not valid, so what it refers to is not known; nothing is
            removed then.
    """
    store.check_is_here("collect its garbage")
    with store.locked(alone=True):
        models = candidates(store)
        needed = needed_files(store, models)
        needed |= {store.assets / digest for model in models for digest in model.assets}
        unused = [path for path in (*block_files(store), *_asset_files(store)) if path not in needed]
        used = {"layouts", *(model.content for model in models)}
        unused += [path for path in store.feature_files() if path.parent.name not in used]
        unused += [path for path in _files(store, *FOLDERS) if _is_temporary(path)]
        # Some temporary files are not a batch's: they may become whole at any time.
        status_of = {}
        for path in unused:
            with contextlib.suppress(FileNotFoundError):
                status_of[path] = path.stat()
        old = {path: status for path, status in status_of.items() if time.time() - status.st_mtime >= grace_s}
        for path in () if dry_run else old:
            path.unlink(missing_ok=True)
        if not dry_run:
            store.verified.tidy(lambda identity: store.block_path(identity).exists())
        return Garbage(tuple(old), sum(status.st_size for status in old.values()), len(status_of) - len(old))


def needed_files(store: BlockStore, models: Iterable[Candidate]) -> set[Path]:
    """The files that blocks of ``models`` are read from. Of one that has gone it is not known what it was with."""
    found, left = set[Path](), {block.identity for model in models for block in model.blocks}
    while left:
        identity = left.pop()
        found.add(store.block_path(identity))
        if store.has_file(identity):
            others = {place.block for place in store.header(identity).elsewhere.values()}
            left |= {other for other in others if store.block_path(other) not in found}
    return found


def _blocks(store: BlockStore, models: Iterable[Candidate]) -> Iterator[str]:
    reader = store.verifying(ALWAYS)
    uses: dict[str, dict[Block, str]] = {}  # manifests may disagree about one block's sizes
    for model in models:
        for block in model.blocks:
            uses.setdefault(block.identity, {}).setdefault(block, model.id)
    for identity, described in uses.items():
        try:
            found = reader.read_block(identity, next(iter(described.values())))
        except StoreError as error:
            yield str(error)
            continue
        if block_identity(found.header.architecture, parameter_fingerprint(found.in_order)) != identity:
            yield f"{store.block_path(identity)}: describes another block than its name says; add the model again"
        size = sum(tensor.nbytes for tensor in found.in_order)
        for block, model_id in described.items():
            if block.parameter_bytes != size:
                yield (
                    f"{store.manifest_path(model_id)}: model '{model_id}' gives block {identity} "
                    f"{block.parameter_bytes} bytes, but it has {size}; add the model again"
                )
    files = set(block_files(store))
    for path in sorted(files):
        if path.stem not in uses and not reader.holds(path.stem):
            yield f"{path}: damaged block that no model needs; 'alsatian store gc' removes it"
    for path in _files(store, "blocks"):
        if path not in files and not _is_temporary(path):
            yield f"{path}: not a block; its place is not that of a block identity"


def _assets(store: BlockStore, models: Iterable[Candidate]) -> Iterator[str]:
    needed: dict[Path, str] = {}
    for model in models:
        for digest, kind in model.assets.items():
            needed.setdefault(store.assets / digest, f"{kind} of model '{model.id}'")
    for path in sorted({*needed, *_asset_files(store)}):
        what = needed.get(path, "file that no model needs")
        try:
            intact = blake3(path.read_bytes()).hexdigest() == path.name
        except OSError as error:
            yield f"{path}: cannot read the {what} ({error.strerror}); add the model again"
            continue
        if not intact:
            yield f"{path}: damaged {what}; add the model again"


def _made_again(store: BlockStore) -> Iterator[str]:
    """What is damaged of what only saves time. An architecture is not used before its JSON file is there."""
    found = {path: serialization.intact(path) for path in store.architectures.glob("*.json")}
    for path in (path for name in ("profiles", "costs") for path in (store.root / name).glob("*.json")):
        try:
            found[path] = broken_seal(json.loads(path.read_bytes())) is None
        except (OSError, ValueError, TypeError, RecursionError):
            found[path] = False
    for path in sorted(path for path, whole in found.items() if not whole):
        yield f"{path}: damaged, or what belongs to it; the next run that needs it makes it again, or delete it"


def block_files(store: BlockStore) -> list[Path]:
    """The files of all blocks, needed or not."""
    return [p for p in _files(store, "blocks") if DIGEST.fullmatch(p.stem) and p == store.block_path(p.stem)]


def _asset_files(store: BlockStore) -> list[Path]:
    return [path for path in _files(store, "assets") if DIGEST.fullmatch(path.name)]


def _files(store: BlockStore, *folders: str) -> list[Path]:
    """All files in some of the store's folders, sorted."""
    return sorted(path for folder in folders for path in (store.root / folder).rglob("*") if path.is_file())


def _is_temporary(path: Path) -> bool:
    """Whether it is being written, here or by safetensors, which has hidden names."""
    return path.name.startswith(".") and path.suffix != ".json"


def _tried(problems: list[str], read: Callable[[str], T], name: str) -> T | None:
    """What ``read`` gives for ``name``, or None with its error among ``problems``."""
    try:
        return read(name)
    except StoreError as error:
        problems.append(str(error))
        return None
