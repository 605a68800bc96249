"""Writing the blocks of a store of an earlier version anew, so that each tensor is stored once."""

from dataclasses import dataclass

from alsatian.progress import Progress
from alsatian.store.maintenance import candidates
from alsatian.store.store import BlockStore


@dataclass(frozen=True)
class Upgraded:
    """What was done: ``files`` that were written anew, and the bytes of all block files ``before`` and
    ``after``."""

    files: int
    before: int
    after: int


def upgrade(store: BlockStore, progress: Progress) -> Upgraded:
    """Have every block of a model share what tensors it can.

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
    progress("upgrading", len(models), len(models))
    return Upgraded(len(written), before, _file_bytes(store))


def _file_bytes(store: BlockStore) -> int:
    return sum(path.stat().st_size for path in store.root.glob("blocks/*/*.safetensors"))
