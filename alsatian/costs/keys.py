"""Which of a hardware profile's segments a block belongs to: by its code, or by its place in an architecture."""

import re
from collections.abc import Iterable, Mapping

from alsatian.blocks.candidate import ArchitectureSpec, Candidate
from alsatian.blocks.segment import Segment
from alsatian.costs.hardware import Hardware
from alsatian.data.preprocessing import Preprocessing
from alsatian.fingerprint import digest_json


def shape_key(architecture: ArchitectureSpec | str, preprocessing: Preprocessing) -> str:
    """An architecture with its input, e.g. ``"resnet152@224"``: the name without what people write differently, a
    digest of options if there are any, and the pixels of an image's side or the tokens of a text."""
    name, options = (
        (architecture, {}) if isinstance(architecture, str) else (architecture.name, architecture.options)
    )
    kind = f"-{digest_json(dict(options))[:6]}" if options else ""
    settings = preprocessing.settings()
    return f"{re.sub('[^a-z0-9]', '', name.lower())}{kind}@{settings.get('size', settings.get('length', ''))}"


def keys_for(
    hardware: Hardware,
    candidates: Iterable[Candidate],
    code: Mapping[str, Segment] | None = None,
    like: str | None = None,
) -> dict[str, str]:
    """Keys in ``hardware.segments`` by block identity, whether they are there or not.

    A block's key is the fingerprint of its ``code`` if the hardware knows that one or, for other kernels, the eager
    one that it is made of, otherwise the architecture with its input and the position. Candidates without an
    architecture are taken to be ``like`` that shape: a block stands for the one at the same share of the depth
    there.
    """
    code = code or {}
    depth = sum(key.startswith(f"{like}/") for key in hardware.segments) if like else 0
    keys: dict[str, str] = {}
    for candidate in candidates:
        count = len(candidate.blocks)
        shape, of = shape_key(candidate.architecture or candidate.id, candidate.preprocessing), count
        if candidate.architecture is None and like is not None:
            shape, of = like, depth
        for position, block in enumerate(candidate.blocks):
            if block.identity in keys:
                continue
            segment = code.get(block.identity)
            names = (segment.fingerprint, segment.stored_for) if segment else ()
            usual = f"{shape}/{position * of // count}"
            keys[block.identity] = next((name for name in names if name in hardware.segments), usual)
    return keys
