"""What a model costs: parameters, and floating-point operations of one item, which shapes alone tell."""

import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from alsatian.blocks.candidate import Candidate
from alsatian.blocks.segment import Segment, State
from alsatian.files import make_folder, write_json
from alsatian.fingerprint import broken_seal, digest_json, sealed
from alsatian.models.model_set import ModelSet
from alsatian.store.store import BlockStore

# Operators that compute much and that PyTorch's counter has no formula for.
_UNCOUNTED = re.compile(r"fft|deform|lstm|gru|rnn|grid_sampler|roi_|cdist|linalg|cumsum|sort|scatter")
_known: dict[str, "Costs"] = {}


@dataclass(frozen=True)
class Costs:
    """Of the blocks of a model, in their order.

    Attributes:
        parameters: numbers that can be trained, in each block; those of an earlier block count there.
        flops: operations of each block in a forward pass of one item, by ``torch.utils.flop_counter``: those of
            matrix products, convolutions and attention, a multiplication and an addition as two.
        uncounted: operators that compute much and are not among them.
    """

    parameters: tuple[int, ...]
    flops: tuple[int, ...]
    uncounted: tuple[str, ...] = ()

    @property
    def total_parameters(self) -> int:
        """Of all blocks."""
        return sum(self.parameters)

    @property
    def total_flops(self) -> int:
        """Of all blocks, for one item. Training takes about three times as many."""
        return sum(self.flops)


def costs_of_models(models: ModelSet) -> dict[str, Costs]:
    """The costs of every candidate by id; models of one architecture have the same, which are found once."""
    return {c.id: costs_of(c, models.segments, models.store) for c in models.candidates}


def costs_of(candidate: Candidate, segments: Mapping[str, Segment], store: BlockStore) -> Costs:
    """The costs of ``candidate``, of which ``segments`` have the code by block identity.

    They are kept in this process and in ``store`` by the code and the model's input.

    Raises:
        StoreError: a block is missing or damaged.
    """
    chain = [segments[block.identity] for block in candidate.blocks]
    key = _key(candidate, chain)
    if (kept := _kept(key, store)) is not None:
        return kept
    path = store.root / "costs" / f"{key}.json"
    _known[key] = _found(candidate, chain, store)
    with contextlib.suppress(OSError):  # it only saves time
        make_folder(path.parent)
        write_json(path, sealed(json.loads(json.dumps(asdict(_known[key])))))
    return _known[key]


def kept_flops(candidate: Candidate, models: ModelSet) -> tuple[int, ...]:
    """Operations of the blocks of ``candidate`` for one item if they were counted before; empty if not."""
    kept = _kept(_key(candidate, [models.segments[block.identity] for block in candidate.blocks]), models.store)
    return kept.flops if kept else ()


def _key(candidate: Candidate, chain: Sequence[Segment]) -> str:
    shapes = [list(t.shape) for t in candidate.preprocessing.example()]
    return digest_json([[s.stored_for for s in chain], shapes, torch.__version__])


def _kept(key: str, store: BlockStore) -> Costs | None:
    """What this process or ``store`` knows of a model's costs."""
    if key not in _known:
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            value = json.loads((store.root / "costs" / f"{key}.json").read_bytes())
            if broken_seal(value) is None:
                lists = (value["parameters"], value["flops"], value["uncounted"])
                _known[key] = Costs(*map(tuple, lists))
    return _known.get(key)


def _found(candidate: Candidate, chain: Sequence[Segment], store: BlockStore) -> Costs:
    tensors = [unread(store, block.identity) for block in candidate.blocks]
    seen: set[str] = set()
    parameters = []
    for segment, own in zip(chain, tensors, strict=True):
        named = zip(segment.parameter_names, segment.trainable, own, strict=True)
        new = {name: t.numel() for name, trainable, t in named if trainable and name not in seen}
        seen |= new.keys()
        parameters.append(sum(new.values()))
    example, device = candidate.preprocessing.example(), _device(chain)

    def empty(tensor: torch.Tensor) -> torch.Tensor:
        return torch.empty(tensor.shape, dtype=tensor.dtype, device=device)

    try:
        with FakeTensorMode():
            flops = _counted(chain, [[empty(t) for t in own] for own in tensors], tuple(map(empty, example)))
    except Exception:  # whatever operators raise that need numbers; these are read then
        moved = [[t.to(device) for t in own] for own in tensors]
        flops = _counted(chain, moved, tuple(t.to(device) for t in example))
    names = {str(node.target) for s in chain for node in s.code.graph.nodes if node.op == "call_function"}
    uncounted = sorted({name.split(".")[1] for name in names if "." in name and _UNCOUNTED.search(name)})
    return Costs(tuple(parameters), flops, tuple(uncounted))


def _device(chain: Sequence[Segment]) -> torch.device:
    """Where ``chain`` runs, as far as its code says; the CPU if it does not matter."""
    found = (node.kwargs.get("device") for segment in chain for node in segment.code.graph.nodes)
    return torch.device(next((device for device in found if isinstance(device, str | torch.device)), "cpu"))


@torch.no_grad()
def _counted(chain: Sequence[Segment], tensors: Sequence[list[torch.Tensor]], state: State) -> tuple[int, ...]:
    """Operations of each segment for one item of ``state``."""
    from torch.utils.flop_counter import FlopCounterMode  # slow

    items, flops = state[0].shape[0], []
    for segment, own in zip(chain, tensors, strict=True):
        with FlopCounterMode(display=False) as counter:
            state = segment(state, segment.prepare(own))
        flops.append(counter.get_total_flops() // items)
    return tuple(flops)


def unread(store: BlockStore, identity: str) -> list[torch.Tensor]:
    """Tensors of the types and shapes of a block's, which are not read."""
    found = store.tensors(identity)
    return [torch.empty(found[i][1].shape, dtype=found[i][1].dtype) for i in range(len(found))]
