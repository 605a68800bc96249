"""A model's manifest: which blocks it consists of and how to run it, as JSON that proves itself.

A flipped bit in a mean or in a size would be a wrong result and no error, so a manifest holds a digest of all
else that is in it. That guards against damage; nothing in a manifest can name code, whoever wrote it, but that of
the libraries' own models and image processors.
"""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from alsatian.blocks.candidate import ArchitectureSpec, Block, Candidate
from alsatian.data.library_images import ProcessedImages, TransformedImages
from alsatian.data.preprocessing import ImagePreprocessing, Preprocessing
from alsatian.data.text import TextPreprocessing
from alsatian.errors import ConfigError
from alsatian.files import json_bytes
from alsatian.fingerprint import DIGEST, broken_seal, sealed

SCHEMA = 1


def content(candidate: Candidate) -> bytes:
    """The manifest of ``candidate``.

    Raises:
        ValueError: its settings or metadata are no JSON.
    """
    value = {
        "schema": SCHEMA,
        "id": candidate.id,
        "blocks": [asdict(block) for block in candidate.blocks],
        "architecture": asdict(candidate.architecture) if candidate.architecture else None,
        "preprocessing": candidate.preprocessing.as_dict(),
        "metadata": dict(candidate.metadata),
    }
    return json_bytes(sealed(value))


def candidate_of(value: dict[str, Any], model_id: str, assets: Path) -> Candidate:
    """The model ``model_id``, from its manifest; ``assets`` is the store's folder of files by digest.

    Raises:
        ValueError, TypeError, KeyError: it is not the manifest of this model, or damaged.
    """
    if reason := broken_seal(value):
        raise ValueError(f"{reason}; add the model again, or delete the file")
    if value["schema"] != SCHEMA or value["id"] != model_id:
        raise ValueError("another schema or model id")
    blocks = tuple(map(_block, value["blocks"]))
    spec = value["architecture"]
    try:
        preprocessing = _preprocessing(value["preprocessing"], assets)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    return Candidate(
        id=model_id,
        blocks=blocks,
        architecture=_architecture(spec) if spec else None,
        preprocessing=preprocessing,
        metadata=_typed("metadata", value["metadata"], dict),
    )


def _block(value: Any) -> Block:
    block = Block(**value)
    identity, parameters, output = block.identity, block.parameter_bytes, block.output_bytes
    if not isinstance(identity, str) or not DIGEST.fullmatch(identity):
        raise ValueError(f"'{str(identity)[:80]}' is not a block identity")
    if not (type(parameters) is int and type(output) is int and parameters >= 0 and output >= 0):
        raise ValueError(f"the sizes of block {identity} are not numbers of bytes")
    return block


def _architecture(value: Any) -> ArchitectureSpec:
    spec = ArchitectureSpec(**value)
    for name in ("source", "name"):
        _typed(name, getattr(spec, name), str)
    _typed("options", spec.options, dict)
    return replace(spec, layers=tuple(_typed("a layer", layer, dict) for layer in spec.layers))


def _preprocessing(value: dict[str, Any], assets: Path) -> Preprocessing:
    for kind in (ImagePreprocessing, ProcessedImages, TransformedImages):
        if value["kind"] == kind.kind:
            return kind.from_settings(value)
    if value["kind"] == "text":
        if not DIGEST.fullmatch(value["tokenizer"]):
            raise ValueError("the tokenizer is not named by a digest")
        return TextPreprocessing.from_settings(value, assets)
    raise ValueError(f"preprocessing of kind '{value['kind']}'")


def _typed(name: str, value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"{name} is no {kind.__name__}")
    return value
