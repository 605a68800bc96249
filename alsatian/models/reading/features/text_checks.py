"""What a model of texts has to be: its features depend on the text, and there is an embedding for every token."""

from pathlib import Path
from typing import Any

import torch

from alsatian.data.text import TextPreprocessing, text_items
from alsatian.errors import ConfigError
from alsatian.models.reading.features.extractor import FeatureExtractor


def check_text(
    extractor: FeatureExtractor, preprocessing: TextPreprocessing, folder: Path, notes: list[str]
) -> None:
    """See that the model has an embedding for every token, and that padding does not change its features.

    Raises:
        ConfigError: one is not so.
    """
    body: Any = extractor.body
    table, ids = body.get_input_embeddings(), preprocessing.highest_id()
    if ids >= getattr(table, "num_embeddings", ids + 1):
        raise ConfigError(
            f"{folder}: its tokenizer has tokens up to id {ids}; the model has embeddings of {table.num_embeddings}"
        )
    tokens, mask = preprocessing(text_items(["a", "a b c d e f"]))
    try:
        with torch.no_grad():
            padded = extractor(tokens, mask)
            alone = [extractor(t[None, : m.sum()], m[None, : m.sum()]) for t, m in zip(tokens, mask, strict=True)]
    except Exception as error:
        notes.append(f"whether padding changes features could not be seen ({type(error).__name__})")
        return
    if not torch.allclose(padded, torch.cat(alone), rtol=1e-3, atol=1e-4 * float(padded.abs().max())):
        raise ConfigError(
            f"{folder}: the features of {type(body).__name__} change with padding, so they would depend on the "
            "length and not on the text; it cannot be ranked"
        )
