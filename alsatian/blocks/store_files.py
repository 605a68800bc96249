"""Where the files of a store lie, and reading its blocks, which prove themselves."""

import contextlib
import copy
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Self
from urllib.parse import quote

import torch
from safetensors import SafetensorError, safe_open

from alsatian.errors import StoreError
from alsatian.files import locked
from alsatian.fingerprint import DIGEST, block_identity, parameter_fingerprint
from alsatian.runtime.storage.verified import ONCE, Verified, lasting, looks_of


def _unheard(nbytes: int) -> None:
    pass


class StoreFiles:
    """The files of the store in folder ``root``.

    ``verify`` says which reads of a block are checked against its identity: ``"once"``, the first of its file on
    this machine, or ``"always"``. What was verified is known to later processes, too, unless it is not ``kept``.
    """

    def __init__(self, root: str | Path, verify: str = ONCE, kept: bool = True) -> None:
        self.root = Path(root)
        self.verify = verify
        self.verified = Verified(self.root / "verified" if kept else None)

    def verifying(self, verify: str) -> Self:
        """The same files, of which other reads are verified; what is known of them stays in common."""
        other = copy.copy(self)
        other.verify = verify
        return other

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

    def load_block(
        self, identity: str, model: str, code: str | None = None, heard: Callable[[int], None] = _unheard
    ) -> list[torch.Tensor]:
        """The parameters of a block, as views of the mapped file; ``heard`` is told the bytes that were verified.

        Raises:
            StoreError: the file is missing, damaged or holds another block, or one for other code than the
                segment with fingerprint ``code``; names file and ``model``.
        """
        path = self.block_path(identity)
        try:
            looks = looks_of(path)
            with safe_open(path, framework="pt") as file:
                architecture = (file.metadata() or {}).get("architecture", "")
                tensors = [file.get_tensor(str(i)) for i in range(len(file.keys()))]
        except (SafetensorError, OSError) as error:
            reason = str(error).splitlines()[0]
            self.verified.forget(identity)
            raise StoreError(f"{path}: damaged block of model '{model}' ({reason}); add the model again") from None
        if code is not None and architecture != code:
            raise StoreError(
                f"{path}: this block of model '{model}' is for other code than is installed; make its model "
                "set again in a new store_dir"
            )
        if self.verify == ONCE and self.verified.knows(identity, looks):
            return tensors
        heard(sum(tensor.nbytes for tensor in tensors))
        if block_identity(architecture, parameter_fingerprint(tensors)) != identity:
            self.verified.forget(identity)
            raise StoreError(f"{path}: content does not match its name (model '{model}'); add the model again")
        if lasting(looks):
            self.verified.enter({identity: looks})
        return tensors

    def holds(self, identity: str) -> bool:
        """Whether the block is there and undamaged. Its file is read unless it need not be verified."""
        if self.verify == ONCE and self.knows(identity):
            return True
        try:
            self.load_block(identity, "")
        except StoreError:
            return False
        return True

    def knows(self, identity: str) -> bool:
        """Whether the block is there and was verified on this machine. Its file is not read.

        Raises:
            StoreError: ``identity`` is no digest.
        """
        try:
            return self.verified.knows(identity, looks_of(self.block_path(identity)))
        except OSError:
            return False

    def wrote(self, identities: Iterable[str]) -> None:
        """These blocks were hashed and written just now, so they need not be verified."""
        found = {identity: looks_of(self.block_path(identity)) for identity in identities}
        self.verified.enter({identity: looks for identity, looks in found.items() if lasting(looks, ours=True)})
