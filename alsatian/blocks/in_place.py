"""Operators that overwrite what they read, where nobody reads it again: less memory to fill for the same bits.

The export has none, so that a block cannot change the state it was given, which may be cached. Within a piece of
the graph they are put back, as the model's own code often had them, and copies are left out that dropout becomes.
Only for inference: what a gradient needs is kept.
"""

from operator import getitem
from typing import Any

import torch
from torch._ops import OpOverload
from torch.fx import Graph, GraphModule, Node
from torch.fx.node import map_arg

aten = torch.ops.aten

# Set in a node's ``meta`` when its result has the shape, type and layout of its first argument.
LIKE_FIRST = "alsatian_like_first"

# Element by element, so that overwriting an operand changes no other result.
_ELEMENTWISE: dict[object, OpOverload] = {
    aten.add.Tensor: aten.add_.Tensor,
    aten.sub.Tensor: aten.sub_.Tensor,
    aten.mul.Tensor: aten.mul_.Tensor,
    aten.div.Tensor: aten.div_.Tensor,
    aten.elu.default: aten.elu_.default,
    aten.gelu.default: aten.gelu_.default,
    aten.hardsigmoid.default: aten.hardsigmoid_.default,
    aten.hardswish.default: aten.hardswish_.default,
    aten.hardtanh.default: aten.hardtanh_.default,
    aten.leaky_relu.default: aten.leaky_relu_.default,
    aten.relu.default: aten.relu_.default,
    aten.sigmoid.default: aten.sigmoid_.default,
    aten.silu.default: aten.silu_.default,
    aten.tanh.default: aten.tanh_.default,
}
_COPY = aten.clone.default
# Their results are in memory of their own. Others may return what they were given, though they do not say so.
_FRESH: set[object] = {
    *_ELEMENTWISE,
    _COPY,
    *(aten.conv1d.default, aten.conv2d.default, aten.conv3d.default),
    *(aten.linear.default, aten.matmul.default, aten.bmm.default, aten.mm.default, aten.addmm.default),
    *(aten.layer_norm.default, aten.group_norm.default, aten._native_batch_norm_legit_no_training.default),
    aten.batch_norm.default,
}
_RETURNING: dict[object, Any] = {in_place: plain for plain, in_place in _ELEMENTWISE.items()}


def make_returning(graph: Graph) -> None:
    """Have in-place operators of an exported ``graph`` return their results instead, where nothing else reads what
    they overwrite.

    PyTorch makes the others functional, at several times the cost of a plain operator: it works out for each, twice
    and by the operator's definition, what overwriting would do. The graph behind that is the same.
    """
    for node in graph.nodes:
        if node.target in _RETURNING and _is_last_use(node) and _operands_alike(node):
            node.target = _RETURNING[node.target]


def _operands_alike(node: Node) -> bool:
    """Whether all tensors that ``node`` reads have one shape, type and layout, so that its result has them, too."""
    read = [operand.meta.get("val") for operand in node.all_input_nodes]
    tensors = [value for value in read if isinstance(value, torch.Tensor) and value.is_floating_point()]
    kinds = {(str(value.shape), value.dtype, str(value.stride())) for value in tensors}
    return len(tensors) == len(read) and len(kinds) == 1


def like_first(node: Node) -> bool:
    """Whether ``node`` of an exported graph is elementwise or a copy, and its result like its first argument."""
    if node.target not in (*_ELEMENTWISE, _COPY) or not isinstance(node.args[0], Node):
        return False
    first, own = node.args[0].meta.get("val"), node.meta.get("val")
    if first is None or own is None:
        return False
    return (str(first.shape), first.dtype, str(first.stride())) == (str(own.shape), own.dtype, str(own.stride()))


def overwriting(code: GraphModule) -> GraphModule:
    """``code`` with in-place operators where they change no value that is read later; itself if there are none.

    Under autograd it must not run: results that a gradient needs may be overwritten.
    """
    places = [node for node in code.graph.nodes if node.meta.get(LIKE_FIRST) and _is_last_use(node)]
    if not places:
        return code
    graph, copies = Graph(), dict[Node, Node]()
    graph.output(graph.graph_copy(code.graph, copies))
    for node in places:
        own = copies[node]
        if node.target is _COPY:
            own.replace_all_uses_with(own.all_input_nodes[0])
            graph.erase_node(own)
        else:
            own.target = _ELEMENTWISE[node.target]
    return GraphModule(code, graph)


def _is_last_use(node: Node) -> bool:
    """Whether the first argument of ``node`` is a value in memory of its own that nothing else reads."""
    first = node.args[0]
    uses: list[Node] = []
    map_arg((node.args, node.kwargs), uses.append)
    if not isinstance(first, Node) or len(first.users) != 1 or uses.count(first) != 1:
        return False
    made_by = first
    if first.target is getitem:  # of an operator that has several results, each of which may be taken twice
        made_by = first.all_input_nodes[0]
        if [user.args[1:] for user in made_by.users].count(first.args[1:]) != 1:
            return False
    return made_by.target in _FRESH
