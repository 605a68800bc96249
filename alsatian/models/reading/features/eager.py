"""Eager runs with the kernels of the export, so that both give the same features to the last bit."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def plain_attention() -> Iterator[None]:
    """Eager attention as in training: its fused inference path is another kernel, which no export has."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


@contextmanager
def no_padding() -> Iterator[None]:
    """Let transformers leave out attention masks that hide nothing while a model is exported.

    In an export its models make a mask of ones even where the caller gave none, as for images. Eager they do
    not, and what is added to scores without effect can still change their rounding.
    """
    masking: Any = sys.modules.get("transformers.masking_utils")
    name = "is_torchdynamo_exporting"
    before = getattr(masking, name, None)
    if before is None:
        yield
        return
    setattr(masking, name, lambda: False)
    try:
        yield
    finally:
        setattr(masking, name, before)
