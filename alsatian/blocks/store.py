"""A content-addressed folder of blocks and model manifests.

``blocks/ab/<identity>.safetensors`` holds the parameters of one distinct block, ``models/<id>.json`` the
manifest of one model, ``sets/<name>.json`` the members of a model set. Nothing is pickled; every write is
atomic; a block file proves itself, since its name is the digest of what it holds.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open

from alsatian.blocks.candidate import ArchitectureSpec, Block, Candidate
from alsatian.blocks.fingerprint import DIGEST_LENGTH, block_identity, parameter_fingerprint
from alsatian.data.preprocessing import ImagePreprocessing, Preprocessing
from alsatian.data.text import TextPreprocessing
from alsatian.errors import StoreError, nearest
from alsatian.files import write_bytes, write_json

MANIFEST_SCHEMA = 1
_IDENTITY = re.compile(f"[0-9a-f]{{{DIGEST_LENGTH}}}")


class BlockStore:
    """The store in folder ``root``, made on the first write."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    @property
    def assets(self) -> Path:
        """Where files that models need besides blocks lie, by digest: tokenizers."""
        return self.root / "assets"

    @property
    def architectures(self) -> Path:
        """Where exported architectures are kept; they can be made again at any time."""
        return self.root / "architectures"

    def block_path(self, identity: str) -> Path:
        """The file of a block.

        Raises:
            StoreError: ``identity`` is no digest, so it could point outside the store.
        """
        if not _IDENTITY.fullmatch(identity):
            raise StoreError(f"{self.root}: '{identity[:80]}' is not a block identity")
        return self.root / "blocks" / identity[:2] / f"{identity}.safetensors"

    def add_block(self, architecture: str, tensors: Sequence[torch.Tensor], output_bytes: int) -> Block:
        """Store the parameters of one block, unless they are there, and return the block."""
        identity = block_identity(architecture, parameter_fingerprint(tensors))
        path = self.block_path(identity)
        if not path.exists():
            named = {str(i): t.detach().cpu().contiguous().clone() for i, t in enumerate(tensors)}
            write_bytes(path, safetensors.torch.save(named, metadata={"architecture": architecture}))
        return Block(identity, sum(t.nbytes for t in tensors), output_bytes)

    def load_block(self, identity: str, model: str) -> list[torch.Tensor]:
        """The parameters of a block, verified against its name. They are views of the mapped file.

        Raises:
            StoreError: the file is missing, damaged or holds another block; names file and ``model``.
        """
        path = self.block_path(identity)
        try:
            with safe_open(path, framework="pt") as file:
                architecture = (file.metadata() or {}).get("architecture", "")
                tensors = [file.get_tensor(str(i)) for i in range(len(file.keys()))]
        except (SafetensorError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise StoreError(f"{path}: damaged block of model '{model}' ({reason}); add the model again") from None
        if block_identity(architecture, parameter_fingerprint(tensors)) != identity:
            raise StoreError(f"{path}: content does not match its name (model '{model}'); add the model again")
        return tensors

    def add_model(self, candidate: Candidate) -> None:
        """Write the manifest of a model whose blocks are stored."""
        value = {
            "schema": MANIFEST_SCHEMA,
            "id": candidate.id,
            "blocks": [asdict(block) for block in candidate.blocks],
            "architecture": asdict(candidate.architecture) if candidate.architecture else None,
            "preprocessing": candidate.preprocessing.as_dict(),
            "metadata": dict(candidate.metadata),
        }
        if isinstance(candidate.preprocessing, TextPreprocessing):
            self._add_asset(candidate.preprocessing.tokenizer, candidate.preprocessing.file)
        write_json(self._manifest(candidate.id), value)

    def model(self, model_id: str) -> Candidate:
        """Read a manifest.

        Raises:
            StoreError: there is none, or it is not valid.
        """
        path = self._manifest(model_id)
        value = self._read_json(path, f"model '{model_id}'", self.model_ids)
        try:
            if value["schema"] != MANIFEST_SCHEMA or value["id"] != model_id:
                raise ValueError("another schema or model id")
            blocks = tuple(Block(**block) for block in value["blocks"])
            for block in blocks:
                self.block_path(block.identity)
            spec = value["architecture"]
            return Candidate(
                id=model_id,
                blocks=blocks,
                architecture=ArchitectureSpec(**spec) if spec else None,
                preprocessing=self._preprocessing(value["preprocessing"]),
                metadata=value["metadata"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(f"{path}: not a valid manifest of model '{model_id}' ({error})") from None

    def model_ids(self) -> list[str]:
        """Ids of all models, sorted."""
        ids = []
        for path in (self.root / "models").glob("*.json"):
            ids.append(str(self._read_json(path, "a model", list).get("id")))
        return sorted(ids)

    def add_set(self, name: str, model_ids: Sequence[str], metadata: dict[str, Any]) -> None:
        """Write down a model set. Its models come first, so that a listed set is complete."""
        write_json(self._set(name), {"models": list(model_ids), "metadata": metadata})

    def model_set(self, name: str) -> list[str] | None:
        """Ids of a set's models, or None if the set is not complete."""
        path = self._set(name)
        if not path.exists():
            return None
        return [str(model) for model in self._read_json(path, f"set '{name}'", list).get("models", [])]

    def _preprocessing(self, value: dict[str, Any]) -> Preprocessing:
        if value["kind"] == "image":
            return ImagePreprocessing.from_settings(value)
        if value["kind"] == "text":
            if not _IDENTITY.fullmatch(value["tokenizer"]):
                raise ValueError("the tokenizer is not named by a digest")
            return TextPreprocessing.from_settings(value, self.assets)
        raise ValueError(f"preprocessing of kind '{value['kind']}'")

    def _add_asset(self, digest: str, file: Path | None) -> None:
        """Keep a copy of a model's file under its digest."""
        target = self.assets / digest
        if file is not None and not target.exists():
            write_bytes(target, file.read_bytes())

    def _manifest(self, model_id: str) -> Path:
        return self.root / "models" / f"{quote(model_id, safe='')}.json"

    def _set(self, name: str) -> Path:
        return self.root / "sets" / f"{quote(name, safe='')}.json"

    def _read_json(self, path: Path, what: str, names: Any) -> dict[str, Any]:
        try:
            value = json.loads(path.read_bytes())
        except FileNotFoundError:
            raise StoreError(f"{path}: no {what} in this store; {nearest(path.stem, names())}") from None
        except (OSError, ValueError) as error:
            raise StoreError(f"{path}: cannot be read ({error})") from None
        if not isinstance(value, dict):
            raise StoreError(f"{path}: not a description of {what}")
        return value
