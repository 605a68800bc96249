"""The tokenizer of a model, from whatever files it was saved in, as one file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from alsatian.data.encoders import all_files
from alsatian.data.text import TextPreprocessing
from alsatian.errors import ConfigError, first_line
from alsatian.models.reading.parameters.checkpoints import read_json

FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt",
    "vocab.json", "merges.txt", "bpe.codes", "spiece.model", "sentencepiece.bpe.model", "tokenizer.model",
    "spm.model", "source.spm", "target.spm", "vocab-src.json", "vocab-tgt.json", "dict.txt",
)  # fmt: skip
"""What tokenizers are saved in, by the names that transformers gives them."""


def text_of(folder: Path, length: int, *, lower: bool = False, prompt: str = "") -> TextPreprocessing:
    """As ``AutoTokenizer`` reads ``folder``; at most ``length`` tokens.

    Texts are padded behind their tokens, so that positions stay those of the text alone.

    Args:
        lower: put texts into lower case first.
        prompt: put before every text.

    Raises:
        ConfigError: there is no tokenizer that can be read, or it asks for code of its own.
    """
    from tokenizers import normalizers
    from transformers import AutoTokenizer  # takes seconds to import

    if not tokenizer_in(folder):
        raise ConfigError(f"{folder}: has no tokenizer ({FILES[0]}, vocab.txt, …); save the model's to this folder")
    stated = folder / "tokenizer_config.json"
    settings: Mapping[str, Any] = read_json(stated) if stated.exists() else {}
    if "auto_map" in settings:
        raise ConfigError(f"{stated}: is refused: auto_map asks for code of its own, which is never run")
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        most = int(tokenizer.model_max_length or length)
        types = tokenizer("a").get("token_type_ids", ())
    except Exception as error:  # whatever a library raises about a file
        raise ConfigError(f"{folder}: its tokenizer cannot be read by transformers: {first_line(error)}") from error
    if getattr(tokenizer, "split_special_tokens", False):
        raise ConfigError(f"{stated}: split_special_tokens=true is not read")
    if any(types):
        raise ConfigError(f"{folder}: its tokenizer gives token types, which are not passed on to models")
    if most < 2:
        raise ConfigError(f"{stated}: model_max_length={most}: a number of tokens is needed, at least 2")
    length = min(length, most)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        # The configuration says of which kind a tokenizer is, where its own files do not.
        names = (*FILES, *type(tokenizer).vocab_files_names.values(), "config.json")
        return TextPreprocessing.holding(all_files(folder, names, lower), length, prompt)
    if getattr(backend.model, "dropout", None):
        raise ConfigError(
            f"{folder}: its tokenizer leaves out merges at random (dropout={backend.model.dropout:g}), so a text "
            "has other tokens each time; delete dropout from tokenizer.json"
        )
    if lower:
        own = [backend.normalizer] if backend.normalizer else []
        backend.normalizer = normalizers.Sequence([normalizers.Lowercase(), *own])
    backend.enable_truncation(length, direction=tokenizer.truncation_side)
    pad = tokenizer.pad_token_id
    # Without a token for padding any will do: the mask hides it.
    backend.enable_padding(pad_id=pad or 0, pad_token=tokenizer.pad_token or "", length=length)
    return TextPreprocessing.holding(backend.to_str().encode(), length, prompt)


def tokenizer_in(folder: Path) -> bool:
    """Whether files of a tokenizer lie in ``folder``."""
    return any((folder / name).exists() for name in FILES)


def positions(config: Any, model: nn.Module) -> int:
    """Tokens of a text that ``model``, of the configuration ``config``, has positions for."""
    found = getattr(config, "max_position_embeddings", getattr(config, "max_encoder_position_embeddings", None))
    most = found if isinstance(found, int) and found > 0 else 2**31
    for name, module in model.named_modules():
        # RoBERTa and its kin count positions from behind the padding token's id.
        if name.endswith("position_embeddings") and isinstance(pad := getattr(module, "padding_idx", None), int):
            most = min(most, int(getattr(module, "num_embeddings", most)) - pad - 1)
    return most
