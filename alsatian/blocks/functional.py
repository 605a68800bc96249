"""An exported graph without operators that overwrite what they read, or that hide whether they copy.

PyTorch has a pass for that, which runs the whole graph again and takes twice as long as the export itself. Few
operators need it: where a graph has no others than those below, they are rewritten here, to the same graph.
"""

import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.fx import Node

from alsatian.blocks.in_place import make_returning

if TYPE_CHECKING:
    from torch.export import ExportedProgram

aten = torch.ops.aten

# Views of their first argument whatever its layout, which PyTorch's pass leaves as they are.
_VIEWS = (
    *(aten.view.default, aten.transpose.int, aten.permute.default, aten.expand.default, aten.slice.Tensor),
    *(aten.select.int, aten.unsqueeze.default, aten.squeeze.dim, aten.squeeze.dims, aten.split.Tensor),
    *(aten.split_with_sizes.default, aten.unbind.int, aten.t.default),
)
_SIZES = (operator.add, operator.sub, operator.mul, operator.floordiv, operator.getitem)


def functional(program: "ExportedProgram") -> "ExportedProgram":
    """``program``, straight from ``torch.export``, as ``program.run_decompositions({})`` gives it."""
    graph = program.graph
    make_returning(graph)
    graph.eliminate_dead_code()
    if not (_lists_buffers_alike(program) and all(_is_functional(node) for node in list(graph.nodes))):
        return program.run_decompositions({})
    graph.eliminate_dead_code()
    return program


def _lists_buffers_alike(program: "ExportedProgram") -> bool:
    """Whether PyTorch's pass leaves the buffers in their order: module by module, those with parameters first."""
    buffers = program.graph_signature.buffers
    places: dict[str, Any] = {}
    for name in (*program.graph_signature.parameters, *buffers):
        place = places
        for part in name.split(".")[:-1]:
            place = place.setdefault(part, {})

    def ranked(name: str) -> list[int]:
        place, ranks = places, []
        for part in name.split(".")[:-1]:
            ranks.append(list(place).index(part))
            place = place[part]
        return ranks

    return sorted(buffers, key=ranked) == list(buffers)


def _is_functional(node: Node) -> bool:
    """Whether ``node`` is as PyTorch's pass leaves it, if need be by rewriting it."""
    if node.op != "call_function":
        return node.op != "get_attr"
    rewrite = _REWRITES.get(node.target)
    return _stays(node.target) if rewrite is None else rewrite(node)


def _stays(target: Any) -> bool:
    """Whether PyTorch's pass leaves the operator ``target`` as it is, by what its schema says of memory."""
    if target in _SIZES or target in _VIEWS:
        return True
    if not isinstance(target, torch._ops.OpOverload) or target.namespace != "aten":
        return False
    if target is aten.lift_fresh_copy.default:  # a constant, which is copied
        return False
    return torch.Tag.maybe_aliasing_or_mutating not in target.tags and all(
        argument.alias_info is None for argument in target._schema.arguments
    )


def _arguments(node: Node) -> dict[str, Any]:
    """All arguments of ``node`` by name, with the defaults of those that are not given."""
    target: Any = node.target
    schema = target._schema.arguments
    given = dict(zip((argument.name for argument in schema), node.args, strict=False)) | node.kwargs
    return {argument.name: given.get(argument.name, argument.default_value) for argument in schema}


def _become(node: Node, value: Any) -> bool:
    """Have all that reads ``node`` read ``value`` instead."""
    node.replace_all_uses_with(value)
    node.graph.erase_node(node)
    return True


def _call(node: Node, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any], value: Any) -> Node:
    """A new call before ``node`` that gives ``value``."""
    with node.graph.inserting_before(node):
        made = node.graph.call_function(target, args, kwargs)
    made.meta["val"] = value
    return made


def _sizes(node: Node, sizes: Sequence[Any]) -> list[Any] | None:
    """``sizes`` as arguments of an operator; None where one is neither known nor a multiple of a batch."""
    found: list[Any] = []
    for size in sizes:
        if isinstance(size, int):
            found.append(size)
            continue
        place = _batch(node, size)
        if place is None:
            return None
        batch, times = place
        found.append(batch if times == 1 else _call(node, operator.mul, (batch, times), {}, size))
    return found


def _batch(node: Node, size: torch.SymInt) -> tuple[Node, int] | None:
    """A node that gives the batch size, and how many of it ``size`` is.

    It stands in front of all calls, so that no input has to be kept for it.
    """
    first = next(call for call in node.graph.nodes if call.op == "call_function")
    for given in node.graph.nodes:
        if given.op != "placeholder" or not isinstance(given.meta.get("val"), torch.Tensor):
            continue
        for dimension, own in enumerate(given.meta["val"].shape):
            times = size.node.expr / own.node.expr if isinstance(own, torch.SymInt) else None
            if times is not None and times.is_Integer:
                if first.target is aten.sym_size.int and first.args == (given, dimension):
                    return first, int(times)
                return _call(first, aten.sym_size.int, (given, dimension), {}, own), int(times)
    return None


def _norm(node: Node) -> bool:
    given = _arguments(node)
    if given["training"] or given["running_mean"] is None or given["running_var"] is None:
        return False
    names = ("input", "weight", "bias", "running_mean", "running_var", "momentum", "eps")
    norm = aten._native_batch_norm_legit_no_training.default
    value = node.meta["val"]
    made = _call(node, norm, tuple(given[name] for name in names), {}, (value, None, None))
    return _become(node, _call(node, operator.getitem, (made, 0), {}, value))


def _dropout(node: Node) -> bool:
    return not _arguments(node)["train"] and _become(node, node.args[0])


def _reshape(node: Node) -> bool:
    source: Any = node.args[0]
    return _view(node, _arguments(node)["shape"] if source.meta["val"].is_contiguous() else None)


def _resized(node: Node) -> bool:
    """For operators that name a part of the shape only."""
    source: Any = node.args[0]
    # Where nothing changes, some return their argument and others a view of it.
    return str(source.meta["val"].shape) != str(node.meta["val"].shape) and _view(node)


def _view(node: Node, shape: list[Any] | None = None) -> bool:
    """Show the first argument in ``shape``, by default in the one that it gets, and copy it where it has to be."""
    source: Any = node.args[0]
    value = node.meta["val"]
    shape = shape or _sizes(node, value.shape)
    if shape is None:
        return False
    try:
        source.meta["val"].view(value.shape)
        viewed = _call(node, aten.view.default, (source, shape), {}, value)
    except (RuntimeError, ValueError):  # its layout does not allow it
        viewed = _call(node, aten._unsafe_view.default, (_copy(node, source), shape), {}, value)
    return _become(node, viewed)


def _copy(node: Node, source: Node) -> Node:
    value = source.meta["val"].clone(memory_format=torch.contiguous_format)
    return _call(node, aten.clone.default, (source,), {"memory_format": torch.contiguous_format}, value)


def _contiguous(node: Node) -> bool:
    source: Any = node.args[0]
    if node.args[1:] or node.kwargs:
        return False  # another layout
    return _become(node, source if source.meta["val"].is_contiguous() else _copy(node, source))


def _to(node: Node) -> bool:
    given = _arguments(node)
    source: Any = node.args[0]
    before, after = source.meta["val"], node.meta["val"]
    if given["copy"] or given["memory_format"] is not None or before.device != after.device:
        return False
    if before.dtype == after.dtype:
        return _become(node, source)
    kept = {name: given[name] for name in ("dtype", "layout", "device") if given.get(name) is not None}
    return _become(node, _call(node, aten._to_copy.default, (source,), kept, after))


def _expand_as(node: Node) -> bool:
    sizes = _sizes(node, node.meta["val"].shape)
    if sizes is None:
        return False
    return _become(node, _call(node, aten.expand.default, (node.args[0], sizes), {}, node.meta["val"]))


def _swapaxes(node: Node) -> bool:
    return _become(node, _call(node, aten.transpose.int, tuple(node.args), {}, node.meta["val"]))


def _chunk(node: Node) -> bool:
    given = _arguments(node)
    source: Any = node.args[0]
    size = source.meta["val"].shape[given["dim"]]
    if not isinstance(size, int) or given["chunks"] > size:
        return False
    args = (source, -(-size // given["chunks"]), *((given["dim"],) if given["dim"] else ()))
    return _become(node, _call(node, aten.split.Tensor, args, {}, node.meta["val"]))


_REWRITES: dict[Any, Callable[[Node], bool]] = {
    aten.batch_norm.default: _norm,
    **dict.fromkeys((aten.dropout.default, aten.dropout_.default, aten.feature_dropout.default), _dropout),
    aten.reshape.default: _reshape,
    **dict.fromkeys((aten.flatten.using_ints, aten.unflatten.int, aten.reshape_as.default), _resized),
    aten.contiguous.default: _contiguous,
    **dict.fromkeys((aten.to.dtype, aten.to.dtype_layout, aten.to.device), _to),
    aten.expand_as.default: _expand_as,
    aten.swapaxes.default: _swapaxes,
    aten.chunk.default: _chunk,
}
