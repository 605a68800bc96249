"""Where inner layers of a model end in a hidden state, and how that becomes one vector an item.

Source of the idea: L. Garbas, M. Ploner and A. Akbik, "TransformerRanker: A Tool for Efficiently Finding the
Best-Suited Language Models for Downstream Classification Tasks" (2024), which ranks by the mean of the hidden
layers or by the best of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch._subclasses import fake_tensor
from torch.fx import Node

from alsatian.blocks.candidate import Candidate
from alsatian.blocks.segment import Segment, State
from alsatian.errors import StoreError
from alsatian.fingerprint import digest_json
from alsatian.models.flops import unread
from alsatian.models.layers import layers
from alsatian.models.reading.features.extractor import CLASS_TOKENS
from alsatian.store.store import BlockStore

TOKENS, CHANNELS_FIRST, CHANNELS_LAST = "tokens", "channels_first", "channels_last"
_OVER_TOKENS = frozenset(
    {"class_token", "mean_tokens", "max_tokens", "last_token", "mean_sqrt_tokens", "weighted_mean_tokens"}
)
# Items of a run without content: so many that no other size of a state is likely to be the same.
_ITEMS = 1009
# What operators raise whose results have shapes that values decide.
_UNKNOWN = (
    fake_tensor.DataDependentOutputException,
    fake_tensor.DynamicOutputShapeException,
    fake_tensor.UnsupportedFakeTensorException,
    fake_tensor.UnsupportedOperatorException,
)
_known: dict[str, "tuple[HiddenState, ...]"] = {}


@dataclass(frozen=True)
class HiddenState:
    """A hidden state behind some blocks of a model.

    Attributes:
        blocks: how many blocks are before it.
        position: its place among the tensors of the state.
        form: ``tokens`` (N, T, D), or a feature map (N, C, H, W) or (N, H, W, C).
        shape: its sizes without the batch.
        dtype: as PyTorch calls it.
        pooling: see :data:`~alsatian.models.reading.features.pooling.POOLINGS`.
        mask: place of the mask of tokens in the state; None where there is none.
    """

    blocks: int
    position: int
    form: str
    shape: tuple[int, ...]
    dtype: str
    pooling: str = "global_average"
    mask: int | None = None

    @property
    def dimension(self) -> int:
        """Values of the pooled vector."""
        return self.shape[0 if self.form == CHANNELS_FIRST else -1] * len(self.pooling.split("+"))


def hidden_states(
    candidate: Candidate, chain: Sequence[Segment], store: BlockStore, device: torch.device
) -> tuple[HiddenState, ...]:
    """The hidden states behind the inner layers of ``candidate``, whose code is ``chain``, first to last.

    Layers are those of :mod:`alsatian.models.layers`. The first, which embeds the input, and the last, behind which
    features follow, do not count; nor do those that end in something else than tokens or a square feature map. Of
    several tensors that a layer computes the first one is its hidden state. Feature maps are averaged over their
    positions; tokens are pooled as those that the model's own features are made of. Models of one architecture have
    the same, which are found once, from shapes alone. None are known where shapes depend on values.
    """
    example = candidate.preprocessing.example(_ITEMS)
    spec = candidate.architecture
    own = spec.pooling if spec else None
    shapes = [list(tensor.shape) for tensor in example]
    key = digest_json([[segment.fingerprint for segment in chain], shapes, own, str(device)])
    if key not in _known:
        try:
            states = _states(candidate, chain, store, example, device)
        except _UNKNOWN:
            states = []
        except StoreError:
            return ()  # a search meets the same block, and deals with it
        _known[key] = _found(chain, states, own, candidate.preprocessing.modality == "text")
    return _known[key]


@torch.no_grad()
def _states(
    candidate: Candidate, chain: Sequence[Segment], store: BlockStore, example: State, device: torch.device
) -> list[State]:
    """The state behind every block, of tensors without content. Of parameters only the shapes are read."""
    parameters = [unread(store, block.identity) for block in candidate.blocks]
    states = []
    with fake_tensor.FakeTensorMode() as mode:
        state = tuple(mode.from_tensor(tensor).to(device) for tensor in example)
        for own, segment in zip(parameters, chain, strict=True):
            state = segment(state, segment.prepare([mode.from_tensor(tensor).to(device) for tensor in own]))
            states.append(state)
    return states


def _found(
    chain: Sequence[Segment], states: Sequence[State], own: str | None, text: bool
) -> tuple[HiddenState, ...]:
    masks, found = _masks(chain) if text else [None] * len(chain), []
    for layer in layers(chain)[1:-1] if states else ():
        state, last = states[layer.stop - 1], chain[layer.stop - 1]
        new = (place for place, node in enumerate(_outputs(last)) if node.op != "placeholder")
        forms = ((place, _form(state[place])) for place in new)
        position, form = next(((place, form) for place, form in forms if form), (0, None))
        if form:
            shape, dtype = tuple(state[position].shape[1:]), str(state[position].dtype).removeprefix("torch.")
            found.append(HiddenState(layer.stop, position, form, shape, dtype, mask=masks[layer.stop - 1]))
    tokens = [hidden for hidden in found if hidden.form == TOKENS]
    if not tokens:
        return tuple(found)
    pooling = _pooling(chain, chain[tokens[-1].blocks :], own)
    needs_mask = text and pooling != "class_token"
    pooled = (replace(one, pooling=pooling) if one.form == TOKENS else replace(one, mask=None) for one in found)
    # Without its mask padding would count as text.
    return tuple(one for one in pooled if one.mask is not None or not (needs_mask and one.form == TOKENS))


def _form(tensor: torch.Tensor) -> str | None:
    """What ``tensor`` is, by its sizes; None if it is no hidden state, or if its channels cannot be told."""
    if tensor.dim() not in (3, 4) or tensor.shape[0] != _ITEMS or not tensor.is_floating_point():
        return None
    if tensor.dim() == 3:
        return TOKENS
    first, middle, last = tensor.shape[1:]
    if (first == middle) == (middle == last):
        return None
    return CHANNELS_FIRST if middle == last else CHANNELS_LAST


def _outputs(segment: Segment) -> list[Node]:
    """The nodes that ``segment`` returns; placeholders are what it passes on."""
    return list(next(node for node in segment.code.graph.nodes if node.op == "output").all_input_nodes)


def _masks(chain: Sequence[Segment]) -> list[int | None]:
    """The place of the mask, a text's second input, in the state behind every block; None where it is not there."""
    place: int | None = 1
    places = []
    for segment in chain:
        inputs = [node for node in segment.code.graph.nodes if node.op == "placeholder"]
        outputs = _outputs(segment)
        place = outputs.index(inputs[place]) if place is not None and inputs[place] in outputs else None
        places.append(place)
    return places


def _pooling(chain: Sequence[Segment], behind: Sequence[Segment], own: str | None) -> str:
    """How tokens become a vector: as the architecture says, or else by what follows ``behind`` the last tokens.

    There a model takes the first token, or the mean. What does neither in one operator, such as a mean by a mask,
    is told by the names of parameters, as for the model's own features.
    """
    if own is not None and set(own.split("+")) <= _OVER_TOKENS:
        return own
    calls = [node for segment in behind for node in segment.code.graph.nodes if node.op == "call_function"]
    if any(node.target is torch.ops.aten.mean.dim and list(node.args[1]) in ([1], [-2]) for node in calls):
        return "mean_tokens"
    if any(node.target is torch.ops.aten.select.int and node.args[1:] == (1, 0) for node in calls):
        return "class_token"
    names = {name.split(".")[-1] for segment in chain for name in segment.parameter_names}
    return "class_token" if names & CLASS_TOKENS else "mean_tokens"
