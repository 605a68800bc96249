"""Single blocks and models in a store; searches add many at a time."""

from collections.abc import Sequence

import torch

from alsatian.blocks.candidate import Block, Candidate
from alsatian.blocks.store import BlockStore


def add_block(store: BlockStore, architecture: str, tensors: Sequence[torch.Tensor], output_bytes: int) -> Block:
    """Store the parameters of one block, unless they are there, and return the block."""
    with store.adding() as adding:
        return adding.add_block(architecture, tensors, output_bytes)


def add_model(store: BlockStore, candidate: Candidate) -> None:
    """Write the manifest of a model whose blocks are stored."""
    with store.adding() as adding:
        adding.add_model(candidate)
