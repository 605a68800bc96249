"""Writing the blocks of a store anew: those of an earlier version, so that each tensor is stored once, and those of
any that are smaller as deltas."""

from dataclasses import dataclass

from alsatian.progress import Progress
from alsatian.store.files.block_file import Place
from alsatian.store.maintenance import block_files, candidates
from alsatian.store.store import BlockStore


@dataclass(frozen=True)
class Upgraded:
    """What was done: ``files`` that were written anew, and the bytes of all block files ``before`` and
    ``after``."""

    files: int
    before: int
    after: int


def upgrade(store: BlockStore, progress: Progress) -> Upgraded:
    """Have every block of a model share what tensors it can, and hold deltas, where ``store`` is to have some.

    At every moment each block is as it was or as it will be, also for those who read it, so this can be interrupted
    and done again.

    Raises:
        StoreError: a manifest or a block is not valid, or a file cannot be written.
    """
    store.check_is_here("upgrade it")
    models = candidates(store)
    before, written = _file_bytes(store), set[str]()
    for done, model in enumerate(models):
        progress("upgrading", done, len(models))
        with store.adding() as adding:
            for block in model.blocks:
                if block.identity not in written and not store.header(block.identity).is_current:
                    adding.rewrite(block.identity, model.id)
                    written.add(block.identity)
    if store.deltas:
        written |= _as_deltas(store, progress)
    progress("upgrading", len(models), len(models))
    return Upgraded(len(written), before, _file_bytes(store))


def _as_deltas(store: BlockStore, progress: Progress) -> set[str]:
    """Write blocks anew that are smaller as deltas of those of models that were added earlier.

    A tensor that another file names stays as it is, and nobody adds meanwhile, who could come to name one.
    """
    written, seen = set[str](), dict[str, None]()
    with store.adding(alone=True) as adding:
        models = candidates(store)
        models.sort(key=lambda model: (store.manifest_path(model.id).stat().st_mtime_ns, model.id))
        named = {p for path in block_files(store) for p in store.header(path.stem).elsewhere.values()}
        for done, model in enumerate(models):
            progress("looking for deltas", done, len(models))
            for block in model.blocks:
                if (identity := block.identity) in seen:
                    continue
                header = store.header(identity)
                free = {i for i in header.held if header.is_current and Place(identity, i) not in named}
                new = None if header.made or not free else adding.rewrite(identity, model.id, free, seen)
                if new is not None:
                    adding.commit()  # so that what is a delta now is no base of others
                    named.update(new)
                    written.add(identity)
                seen[identity] = None
    return written


def _file_bytes(store: BlockStore) -> int:
    return sum(path.stat().st_size for path in store.root.glob("blocks/*/*.safetensors"))
