"""Candidates as modules of PyTorch: to use as feature extractors, or to fine-tune."""

import torch

from alsatian.blocks.candidate import Candidate
from alsatian.blocks.segment import Architecture, module_tensors
from alsatian.errors import ConfigError, StoreError, nearest
from alsatian.models.model_set import CandidateSet, ModelSet
from alsatian.models.reading.architectures import architecture, build
from alsatian.models.reading.features.extractor import FeatureExtractor
from alsatian.store.store import BlockStore


def module_of(models: ModelSet, model_id: str) -> FeatureExtractor:
    """The candidate ``model_id`` as a module on the CPU, in evaluation mode: input state -> features (N, D).

    Under ``torch.no_grad`` its features are the search's, bit for bit. Its input is what the candidate's
    ``preprocessing`` makes of raw items. All of its parameters are the stored ones, except those that no feature
    depends on (such as a pooler that is passed over), which are random, the same at every call.

    Raises:
        ConfigError: there is no such candidate, or it was given as a module, so that only that is the model.
        StoreError: a block is missing or damaged, or the chain ends before its architecture does.
    """
    candidate = candidate_of(models, model_id)
    spec, preprocessing = candidate.architecture, candidate.preprocessing
    if spec is None:
        raise ConfigError(f"model '{model_id}' was given as a module and cannot be built again; use that module")
    built = architecture(spec, preprocessing, folder=models.store.architectures)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = build(spec, preprocessing)
    load_parameters(module, built, models.store, candidate)
    return module.eval()


def candidate_of(models: CandidateSet, model_id: str) -> Candidate:
    """The candidate called ``model_id``.

    Raises:
        ConfigError: there is none.
    """
    by_id = {candidate.id: candidate for candidate in models.candidates}
    if model_id not in by_id:
        raise ConfigError(f"the model set has no model '{model_id}'; {nearest(model_id, by_id)}")
    return by_id[model_id]


def load_parameters(module: torch.nn.Module, built: Architecture, store: BlockStore, candidate: Candidate) -> None:
    """Copy the parameters and buffers of a stored model into ``module``, whose segments are ``built``.

    Raises:
        StoreError: a block is missing or damaged, or there are more or fewer than ``built`` has.
    """
    model_id, blocks, tensors = candidate.id, candidate.blocks, module_tensors(module)
    if len(blocks) != len(built.segments):
        raise StoreError(
            f"{store.root}: model '{model_id}' has {len(blocks)} blocks; its architecture has {len(built.segments)}"
        )
    with torch.no_grad():
        for block, segment in zip(blocks, built.segments, strict=True):
            values = store.load_block(block.identity, model_id, segment.fingerprint)
            for name, value in zip(segment.parameter_names, values, strict=True):
                if name in tensors:  # constants of the graph are no part of the module
                    tensors[name].copy_(value)
