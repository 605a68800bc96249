"""Identities: what a block computes (architecture) and with which numbers (parameters).

Both are BLAKE3 digests in hexadecimal. A block's identity joins them, so equal identity means equal
function.
"""

import contextlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from alsatian.files import json_bytes

if TYPE_CHECKING:  # identities of runs and files need none of it, and it takes seconds to import
    import torch

DIGEST_LENGTH = 64  # hexadecimal digits of a 256-bit digest
DIGEST = re.compile(f"[0-9a-f]{{{DIGEST_LENGTH}}}")


def digest_json(value: Any) -> str:
    """Digest of ``value`` as canonical JSON (sorted keys, no spaces)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return blake3(text.encode()).hexdigest()


def sealed(value: Mapping[str, Any]) -> dict[str, Any]:
    """``value``, which is to be written as JSON, with the digest of what it holds besides."""
    rest = {key: item for key, item in value.items() if key != "digest"}
    # As it will be read: JSON knows neither tuples nor numbers as keys.
    return {**rest, "digest": digest_json(json.loads(json_bytes(rest)))}


def broken_seal(value: Mapping[str, Any]) -> str | None:
    """What is wrong with the digest of ``value``, read from JSON: a few words, or None if it is :func:`sealed`."""
    if "digest" not in value:
        return "no digest: an earlier version wrote it, or it is damaged"
    rest = {key: item for key, item in value.items() if key != "digest"}
    # Numbers that JSON lacks, which Python reads all the same, are refused there.
    with contextlib.suppress(ValueError):
        if value["digest"] == digest_json(rest):
            return None
    return "another content than its digest says: it was changed or is damaged"


def tensor_bytes(tensor: "torch.Tensor") -> memoryview:
    """The elements of ``tensor`` in row-major order as raw bytes (copied only if not contiguous)."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    if flat.numel() == 0:
        return memoryview(b"")
    import torch

    # A byte view covers types that NumPy does not know, such as bfloat16.
    return memoryview(flat.view(torch.uint8).numpy().data)


def parameter_fingerprint(tensors: "Iterable[torch.Tensor]", threads: int = 1) -> str:
    """Digest of the shapes, dtypes and bytes of ``tensors``, in order, computed on ``threads`` threads."""
    hasher = blake3(max_threads=threads)
    for tensor in tensors:
        header = f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)};"
        hasher.update(header.encode())
        hasher.update(tensor_bytes(tensor))
    return hasher.hexdigest()


def block_identity(architecture: str, parameters: str) -> str:
    """Identity of a block from the fingerprints of its architecture and of its parameters."""
    return blake3(f"{architecture}:{parameters}".encode()).hexdigest()


def features_fingerprint(batches: "Sequence[torch.Tensor]") -> str:
    """Digest of features, for comparing them bit for bit across runs."""
    return parameter_fingerprint(batches)


def set_digest(members: Iterable[tuple[str, str, Sequence[str]]]) -> str:
    """Digest of a model set: ``(model id, fingerprint of its preprocessing, block identities)`` of every member, in
    any order."""
    return digest_json(sorted([model_id, inputs, list(blocks)] for model_id, inputs, blocks in members))
