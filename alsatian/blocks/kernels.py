"""The same blocks by other kernels or in other numbers: one choice for a whole comparison, kept in its identity.

PyTorch computes a block as its module was written (``eager``). ``layout`` prepares parameters when they are loaded:
batch normalisation behind a convolution becomes part of its weights, and these lie in memory with channels last,
which the convolution and what follows it take over. Everything that a search computes depends on the choice to the
last bits, so features and scores are equal to the bit within one choice only.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import getitem
from typing import Any, TypeVar

import torch
from torch.fx import Graph, GraphModule, Node

from alsatian.blocks.parameter_forms import Recipe, bfloat16, channels_last, folded_bias, folded_weight, taken, then
from alsatian.blocks.segment import Segment, State
from alsatian.errors import ConfigError, nearest
from alsatian.fingerprint import digest_json

aten = torch.ops.aten
_Key = TypeVar("_Key")

KERNELS = ("eager", "layout")
NUMERICS = ("fp32", "tf32", "bf16")
# To be raised when a choice computes other bits than before.
_VERSION = 1
_CONVOLUTIONS = (aten.conv1d.default, aten.conv2d.default, aten.conv3d.default)
_MATRIX = (*_CONVOLUTIONS, aten.linear.default)
_NORM = aten._native_batch_norm_legit_no_training.default
_VIEWS = {aten.view.default: aten.reshape.default, aten._unsafe_view.default: aten.reshape.default}
# Sets of instructions, as PyTorch calls them, that compute in bfloat16 by way of float32.
_NO_HALVES = ("AVX2",)
# Operators that say where in memory a value lies, so that their input has to lie as it was exported.
_STRIDED = (aten.as_strided.default,)


def check_choice(kernels: Any, numerics: Any, device: torch.device) -> None:
    """Refuse what ``device`` cannot compute with.

    Raises:
        ConfigError: names the setting and what is there instead.
    """
    if kernels not in KERNELS:
        raise ConfigError(f"kernels={kernels}: {nearest(str(kernels), KERNELS)}")
    if numerics not in NUMERICS:
        raise ConfigError(f"numerics={numerics}: {nearest(str(numerics), NUMERICS)}")
    if numerics == "tf32" and device.type != "cuda":
        raise ConfigError("numerics=tf32: only GPUs compute with it; on a CPU choose fp32 or bf16")


def caution(numerics: str, device: torch.device) -> str | None:
    """What to know of ``numerics`` on ``device`` before it is waited for; None if there is nothing."""
    if numerics == "bf16" and device.type == "cpu" and torch.backends.cpu.get_cpu_capability() in _NO_HALVES:
        return "this processor has no bfloat16, so that bf16 takes several times as long as fp32"
    return None


@contextlib.contextmanager
def arithmetic(numerics: str) -> Iterator[None]:
    """Inside, a GPU multiplies float32 numbers as ``numerics`` says: as tf32, or not."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = numerics == "tf32"
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def computed_by(segments: Mapping[_Key, Segment], kernels: str, numerics: str) -> dict[_Key, Segment]:
    """``segments``, by whatever they go, with the kernels and numbers chosen; eager ones in fp32 as they are."""
    eager = {identity: original(segment) for identity, segment in segments.items()}
    if (kernels, numerics) == ("eager", "fp32"):
        return eager
    made = {segment.fingerprint: segment for segment in eager.values()}
    made = {fingerprint: _tuned(segment, kernels, numerics) for fingerprint, segment in made.items()}
    return {identity: made[segment.fingerprint] for identity, segment in eager.items()}


def original(segment: Segment) -> Segment:
    """The eager one that ``segment`` is made of, or itself."""
    return segment.original if isinstance(segment, TunedSegment) else segment


@dataclass(frozen=True, kw_only=True)
class TunedSegment(Segment):
    """A segment by other kernels or in other numbers; for inference only.

    Attributes:
        original: the eager one, which its blocks are stored for.
        recipes: one for each parameter of the code, as ``trainable`` is.
        halves: whether it computes in bfloat16.
    """

    original: Segment
    recipes: tuple[Recipe, ...] = field(default=(), compare=False, repr=False)
    halves: bool = False

    @property
    def stored_for(self) -> str:
        return self.original.fingerprint

    @property
    def made_of(self) -> Sequence[Recipe]:
        return self.recipes

    @torch.no_grad()
    def __call__(self, state: State, parameters: Sequence[torch.Tensor]) -> State:
        if not self.halves:
            return super().__call__(state, parameters)
        # Which operators compute in bfloat16 and which need float32 is PyTorch's to say. Its own cache of converted
        # weights is of no use: they are converted when they are loaded.
        with torch.autocast(state[0].device.type, torch.bfloat16, cache_enabled=False):
            found = super().__call__(state, parameters)
        return tuple(t.to(torch.bfloat16) if t.dtype == torch.float32 else t for t in found)


def _tuned(segment: Segment, kernels: str, numerics: str) -> Segment:
    graph, copies = Graph(), dict[Node, Node]()
    graph.output(graph.graph_copy(segment.code.graph, copies))
    for before, after in copies.items():
        after.meta.update(before.meta)
    places = [node for node in graph.nodes if node.op == "placeholder"]
    places = places[len(places) - len(segment.parameter_names) :]
    index = {node: number for number, node in enumerate(places)}
    recipes: dict[Node, Recipe] = {node: taken(number) for node, number in index.items()}
    if kernels == "layout" and not any(node.target in _STRIDED for node in graph.nodes):
        _fold_norms(graph, recipes, index)
        for node in graph.nodes:
            node.target = _VIEWS.get(node.target, node.target)
        _wrap(recipes, _weights(graph, _CONVOLUTIONS), channels_last)
    elif kernels == "layout":
        _contiguous_inputs(graph, recipes)
    if numerics == "bf16":
        _wrap(recipes, _weights(graph, _MATRIX), bfloat16)
    return TunedSegment(
        fingerprint=digest_json([_VERSION, segment.fingerprint, kernels, numerics]),
        parameter_names=segment.parameter_names,
        trainable=tuple(segment.trainable[index[node]] for node in graph.nodes if node in recipes),
        output_bytes=segment.output_bytes,
        code=GraphModule(segment.code, graph),
        original=segment,
        recipes=tuple(recipes[node] for node in graph.nodes if node in recipes),
        halves=numerics == "bf16",
    )


def _weights(graph: Graph, operators: Sequence[Any]) -> list[Node]:
    """What ``operators`` take as weight or bias, and nothing else takes."""
    places = [node for node in graph.nodes if node.op == "placeholder" and node.users]
    return [n for n in places if all(user.target in operators and n in user.args[1:3] for user in n.users)]


def _wrap(recipes: dict[Node, Recipe], nodes: Sequence[Node], form: Callable[[torch.Tensor], torch.Tensor]) -> None:
    for node in nodes:
        if node in recipes:
            recipes[node] = then(recipes[node], form)


def _contiguous_inputs(graph: Graph, recipes: Mapping[Node, Recipe]) -> None:
    """Give a graph that counts on it a state that lies in memory row by row, as it was exported."""
    for node in [n for n in graph.nodes if n.op == "placeholder" and n not in recipes]:
        with graph.inserting_before(next(n for n in graph.nodes if n.op == "call_function")):
            laid = graph.call_function(aten.contiguous.default, (node,))
        node.replace_all_uses_with(laid, delete_user_cb=lambda user, laid=laid: user is not laid)


def _fold_norms(graph: Graph, recipes: dict[Node, Recipe], index: Mapping[Node, int]) -> None:
    """Make batch normalisations part of the convolutions before them: ``recipes`` change with the graph.

    With scale s = weight / sqrt(variance + eps) the convolution's weights become s · weights, its bias
    bias + s · (its bias - mean).
    """
    for norm in [node for node in graph.nodes if node.target is _NORM]:
        given: Any = norm.args
        before, *tensors, _, eps = given
        if not (isinstance(before, Node) and before.target in _CONVOLUTIONS and len(before.users) == 1):
            continue
        weight: Any = before.args[1]
        bias: Any = before.args[2] if len(before.args) > 2 else None
        own = [*tensors, weight, *([] if bias is None else [bias])]
        if not all(isinstance(n, Node) and n in index and len(n.users) == 1 for n in own):
            continue
        if any(user.target is not getitem or user.args[1] != 0 for user in norm.users):
            continue
        gamma, beta, mean, variance = (index[n] for n in tensors)
        old = None if bias is None else index[bias]
        recipes[weight] = folded_weight(index[weight], gamma, variance, eps)
        recipes[tensors[1]] = folded_bias(beta, mean, gamma, variance, old, eps)
        before.args = (before.args[0], weight, tensors[1], *before.args[3:])
        for user in list(norm.users):
            user.replace_all_uses_with(before)
            graph.erase_node(user)
        graph.erase_node(norm)
        for unused in [n for n in own if not n.users]:
            del recipes[unused]
            graph.erase_node(unused)
