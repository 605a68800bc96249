"""Where the files of a store lie, and reading its blocks, which prove themselves."""

import contextlib
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import torch
from safetensors import SafetensorError, safe_open

from alsatian.errors import StoreError
from alsatian.files import locked
from alsatian.fingerprint import DIGEST, block_identity, parameter_fingerprint

# A file system may give two writes within this time the same time stamp (a clock tick, ten times over).
_SAME_STAMP_NS = 100_000_000


class StoreFiles:
    """The files of the store in folder ``root``.

    ``verify`` says which reads of a block are checked against its identity: the ``"first"`` by this object
    and every one after the file has changed, or ``"always"``.
    """

    def __init__(self, root: str | Path, verify: Literal["first", "always"] = "first") -> None:
        self.root = Path(root)
        self._verify = verify
        # What the files looked like, by identity. One that was written is whole, but what is read back is
        # verified all the same.
        self._verified: dict[str, tuple[int, ...]] = {}
        self._written: dict[str, tuple[int, ...]] = {}

    @property
    def assets(self) -> Path:
        """Where files that models need besides blocks lie, by digest: tokenizers and classifiers."""
        return self.root / "assets"

    @property
    def architectures(self) -> Path:
        """Where exported architectures are kept; they can be made again at any time."""
        return self.root / "architectures"

    @property
    def features(self) -> Path:
        """Where features are kept for later searches, in a folder for each :attr:`Candidate.content`."""
        return self.root / "features"

    def feature_files(self) -> dict[Path, int]:
        """Sizes in bytes of all files in :attr:`features`, which any search may remove at any time."""
        found = {}
        for path in sorted(self.features.glob("*/*")):
            with contextlib.suppress(OSError):
                found[path] = path.stat().st_size
        return found

    @contextlib.contextmanager
    def locked(self, *, alone: bool) -> Iterator[None]:
        """Hold the store's lock: ``alone``, or beside others that do not ask to be alone. Waits for it.

        Raises:
            StoreError: the folder cannot be locked.
        """
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(locked(self.root, alone=alone))
            except OSError as error:
                raise StoreError(f"{self.root}: cannot lock the store ({error.strerror})") from None
            yield

    def block_path(self, identity: str) -> Path:
        """The file of a block.

        Raises:
            StoreError: ``identity`` is no digest, so it could point outside the store.
        """
        if not DIGEST.fullmatch(identity):
            raise StoreError(f"{self.root}: '{identity[:80]}' is not a block identity")
        return self.root / "blocks" / identity[:2] / f"{identity}.safetensors"

    def manifest_path(self, model_id: str) -> Path:
        """The file of a model's manifest. Any id stays inside the store."""
        return self.root / "models" / f"{quote(model_id, safe='')}.json"

    def load_block(self, identity: str, model: str, code: str | None = None) -> list[torch.Tensor]:
        """The parameters of a block, as views of the mapped file.

        Raises:
            StoreError: the file is missing, damaged or holds another block, or one for other code than the
                segment with fingerprint ``code``; names file and ``model``.
        """
        path = self.block_path(identity)
        try:
            stamp = _stamp(path)
            with safe_open(path, framework="pt") as file:
                architecture = (file.metadata() or {}).get("architecture", "")
                tensors = [file.get_tensor(str(i)) for i in range(len(file.keys()))]
        except (SafetensorError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise StoreError(f"{path}: damaged block of model '{model}' ({reason}); add the model again") from None
        if code is not None and architecture != code:
            raise StoreError(
                f"{path}: this block of model '{model}' is for other code than is installed; make its model "
                "set again in a new store_dir"
            )
        if self._verify == "first" and self._verified.get(identity) == stamp:
            return tensors
        if block_identity(architecture, parameter_fingerprint(tensors)) != identity:
            raise StoreError(f"{path}: content does not match its name (model '{model}'); add the model again")
        _remember(self._verified, identity, stamp)
        return tensors

    def holds(self, identity: str) -> bool:
        """Whether the block is there and undamaged. Its file is read unless this object knows it already."""
        try:
            stamp = _stamp(self.block_path(identity))
            if stamp not in (self._verified.get(identity), self._written.get(identity)):
                self.load_block(identity, "")
        except (OSError, StoreError):
            return False
        return True

    def wrote(self, identities: Iterable[str]) -> None:
        """Remember that these blocks were just written, so that :meth:`holds` need not read them."""
        for identity in identities:
            _remember(self._written, identity, _stamp(self.block_path(identity)))


def _remember(stamps: dict[str, tuple[int, ...]], identity: str, stamp: tuple[int, ...]) -> None:
    """Note what a file looks like, unless it is so young that it could change again without a trace."""
    if time.time_ns() - stamp[-1] > _SAME_STAMP_NS:
        stamps[identity] = stamp


def _stamp(path: Path) -> tuple[int, ...]:
    """What changes when a file does; the time of its last change in nanoseconds is last.

    That time can be set by anyone, the one of the inode's last change (ctime) cannot.
    """
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_ctime_ns, status.st_mtime_ns
