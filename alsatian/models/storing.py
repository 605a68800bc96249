"""Modules put into a store as chains of blocks, and the code of what lies there."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from blake3 import blake3

from alsatian.blocks.candidate import HEAD, ArchitectureSpec, Candidate
from alsatian.blocks.evaluation import check_repeatable
from alsatian.blocks.low_rank import Merged
from alsatian.blocks.segment import Architecture, Segment
from alsatian.data.preprocessing import Preprocessing
from alsatian.errors import StoreError
from alsatian.models.reading.architectures import code_version
from alsatian.models.reading.features.classifiers import LinearHead
from alsatian.store.store import BlockStore


def add_module(
    store: BlockStore,
    model_id: str,
    module: torch.nn.Module,
    built: Architecture,
    spec: ArchitectureSpec | None,
    preprocessing: Preprocessing,
    metadata: Mapping[str, object] | None = None,
    head: LinearHead | str | None = None,
    merged: Sequence[Merged] = (),
) -> Candidate:
    """Store the blocks of ``module``, whose segments are ``built``, its own classifier ``head`` or why it has none,
    and its manifest; of its tensors that an adapter was ``merged`` into what they are made of.

    Raises:
        SplitError: it is no function of its input. Modules of one ``spec`` run the same code, so one is run.
    """
    check_repeatable(module, preprocessing.example(), built.fingerprint if spec else "")
    metadata = {"code": code_version(), **(metadata or {})}
    with store.adding() as adding:
        if isinstance(head, LinearHead):
            content = head.content()
            metadata[HEAD] = {"digest": blake3(content).hexdigest(), "classes": len(head.weight)}
            adding.add_asset(blake3(content).hexdigest(), content)
        elif head:
            metadata[HEAD] = {"none": head}
        blocks = tuple(
            adding.add_block(segment.fingerprint, tensors, segment.output_bytes, merged)
            for segment, tensors in zip(built.segments, built.parameters_of(module), strict=True)
        )
        candidate = Candidate(model_id, blocks, spec, preprocessing, metadata)
        adding.add_model(candidate)
    return candidate


def match_segments(candidate: Candidate, built: Architecture, root: Path, segments: dict[str, Segment]) -> None:
    """Enter the code of every block of ``candidate`` into ``segments``. A chain may end early.

    Raises:
        StoreError: the chain is longer than the architecture or its blocks have other output sizes.
    """
    if len(candidate.blocks) > len(built.segments) or any(
        block.output_bytes != segment.output_bytes
        for block, segment in zip(candidate.blocks, built.segments, strict=False)
    ):
        raise StoreError(
            f"{root}: model '{candidate.id}' was stored by {candidate.metadata.get('code', 'other code')} and "
            f"splits differently with {code_version()}; make its model set again in a new store_dir"
        )
    for block, segment in zip(candidate.blocks, built.segments, strict=False):
        segments[block.identity] = segment
