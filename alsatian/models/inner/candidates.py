"""The layers of models as candidates: the blocks up to a hidden state, and one more that pools it."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch.fx import Graph, GraphModule

from alsatian.blocks.candidate import Block, Candidate
from alsatian.blocks.segment import Segment
from alsatian.fingerprint import digest_json
from alsatian.models.inner.states import CHANNELS_LAST, HiddenState, hidden_states
from alsatian.models.model_set import ModelSet, check_refused
from alsatian.models.reading.features.pooling import pooled

# To be raised when the same hidden state is pooled in another way, since identities change with it.
_VERSION = 1


class _Pool(torch.nn.Module):
    """Turns a state into the features of a layer."""

    def __init__(self, hidden: HiddenState) -> None:
        super().__init__()
        self.hidden = hidden

    def forward(self, *state: torch.Tensor) -> torch.Tensor:
        """Features (N, D)."""
        tensor, mask = state[self.hidden.position], self.hidden.mask
        if self.hidden.form == CHANNELS_LAST:
            return tensor.flatten(1, 2).mean(1)
        return pooled(tensor, self.hidden.pooling, None if mask is None else state[mask])


def pool_segment(hidden: HiddenState, tensors: int) -> Segment:
    """The code of a block without parameters that makes features (N, D) of a state of so many ``tensors``."""
    graph = Graph()
    state = tuple(graph.placeholder(f"s{i}") for i in range(tensors))
    graph.output((graph.call_module("pool", state),))
    facts = [hidden.position, hidden.form, list(hidden.shape), hidden.dtype, hidden.pooling, hidden.mask, tensors]
    return Segment(
        fingerprint=digest_json(["features of a layer", _VERSION, *facts]),
        parameter_names=(),
        trainable=(),
        output_bytes=hidden.dimension * getattr(torch, hidden.dtype).itemsize,
        code=GraphModule(torch.nn.ModuleDict({"pool": _Pool(hidden)}), graph),
    )


def layer_candidates(models: ModelSet, device: torch.device) -> tuple[ModelSet, dict[str, tuple[str, ...]]]:
    """Every layer of ``models`` as a candidate, and their ids by model, in the order of the layers.

    The last of each is the model itself, with its own features. The blocks that pool go to the store, too.

    Raises:
        StoreError: they cannot be written.
    """
    candidates: list[Candidate] = []
    segments: dict[str, Segment] = dict(models.segments)
    blocks: dict[str, Block] = {}
    ids: dict[str, tuple[str, ...]] = {}
    with models.store.adding() as adding:
        for model in models.candidates:
            chain = [models.segments[block.identity] for block in model.blocks]
            states = hidden_states(model, chain, models.store, device)
            layers = []
            for number, hidden in enumerate(states, 1):
                pool = pool_segment(hidden, _tensors(chain[hidden.blocks - 1]))
                if pool.fingerprint not in blocks:
                    block = adding.add_block(pool.fingerprint, [], pool.output_bytes)
                    blocks[pool.fingerprint], segments[block.identity] = block, pool
                cut = (*model.blocks[: hidden.blocks], blocks[pool.fingerprint])
                layers.append(replace(model, id=f"{model.id}, layer {number} of {len(states) + 1}", blocks=cut))
            candidates += [*layers, model]
            ids[model.id] = tuple(layer.id for layer in (*layers, model))
    return replace(models, candidates=tuple(candidates), segments=segments), ids


def of_one_size(
    models: ModelSet, layers: ModelSet, ids: Mapping[str, tuple[str, ...]], on_bad_model: str
) -> ModelSet:
    """Those of ``models`` whose ``layers`` have features of one size; the others are refused.

    Raises:
        BadModelError: some have not, and are not to be excluded; or none has.
    """
    bytes_of = {candidate.id: candidate.blocks[-1].output_bytes for candidate in layers.candidates}
    refused = {}
    for model, own in ids.items():
        sizes = list(dict.fromkeys(bytes_of[layer] // torch.float32.itemsize for layer in own))
        if len(sizes) > 1:
            said = ", ".join(map(str, sizes))
            refused[model] = (
                f"model '{model}': its layers have features of {said} values, which have no mean; layers=best "
                "takes the best one"
            )
    check_refused(refused, len(models.candidates), on_bad_model)
    fitting = tuple(candidate for candidate in models.candidates if candidate.id not in refused)
    return replace(models, candidates=fitting, refused={**models.refused, **refused})


def _tensors(segment: Segment) -> int:
    """How many tensors the state behind ``segment`` has."""
    output = next(node for node in segment.code.graph.nodes if node.op == "output")
    return len(output.args[0])
