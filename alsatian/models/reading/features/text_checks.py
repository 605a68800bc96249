"""What a model of texts has to be: its features depend on the text, and there is an embedding for every token."""

from pathlib import Path
from typing import Any

import torch

from alsatian.data.text import TextPreprocessing, text_items
from alsatian.errors import ConfigError
from alsatian.models.reading.features.extractor import FeatureExtractor

# Pairs of a short and a longer text. Of the shortest ones some models make nothing (CANINE).
_TEXTS = (["a", "a b c d e f"], ["a b c d e f", "a b c d e f a b c d e f"])


def check_text(
    extractor: FeatureExtractor, preprocessing: TextPreprocessing, folder: Path, notes: list[str]
) -> None:
    """See that the model has an embedding for every token, and that padding does not change its features.

    Raises:
        ConfigError: one is not so.
    """
    body: Any = extractor.body
    table, ids = word_embedding(body), preprocessing.highest_id()
    if table is not None and ids >= table.num_embeddings:
        raise ConfigError(
            f"{folder}: its tokenizer has tokens up to id {ids}; the model has embeddings of {table.num_embeddings}"
        )
    seen = [_padded_and_alone(extractor, preprocessing, texts) for texts in _TEXTS]
    pairs = [pair for pair in seen if isinstance(pair, tuple)]
    if not pairs:
        notes.append(f"whether padding changes features could not be seen ({type(seen[0]).__name__})")
    for padded, alone in pairs:
        if not torch.isfinite(padded).all():
            return  # a search says so of a bad model
        if torch.allclose(padded, alone, rtol=1e-3, atol=1e-4 * float(padded.abs().max())):
            continue
        raise ConfigError(
            f"{folder}: the features of {type(body).__name__} change with padding, so they would depend on the "
            "length and not on the text; it cannot be ranked"
        )


def word_embedding(model: Any) -> torch.nn.Embedding | None:
    """What ``model`` of transformers looks tokens up in; None if it has none, or several (CANINE)."""
    try:
        table = model.get_input_embeddings()
    except NotImplementedError:
        return None
    return table if isinstance(table, torch.nn.Embedding) else None


def _padded_and_alone(
    extractor: FeatureExtractor, preprocessing: TextPreprocessing, texts: list[str]
) -> tuple[torch.Tensor, torch.Tensor] | Exception:
    """Features (N, D) of ``texts`` as a batch and one by one without padding, or why there are none."""
    tokens, mask = preprocessing(text_items(texts))
    try:
        with torch.no_grad():
            padded = extractor(tokens, mask)
            alone = [extractor(t[None, : m.sum()], m[None, : m.sum()]) for t, m in zip(tokens, mask, strict=True)]
        return padded, torch.cat(alone)
    except Exception as error:
        return error
