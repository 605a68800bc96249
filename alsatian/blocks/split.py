"""A model as a chain of segments, through ``torch.export``: one mechanism for every architecture.

The exported graph is cut where little state is alive (see :mod:`alsatian.blocks.liveness`) and every
piece becomes a graph of its own that takes state and parameters and returns state.
"""

import operator
from typing import Any

import sympy
import torch
from torch.export import Dim, ExportedProgram, export
from torch.export.graph_signature import InputKind, InputSpec, OutputKind
from torch.export.passes import move_to_device_pass
from torch.fx import Graph, GraphModule, Node

from alsatian.blocks.fingerprint import digest_json
from alsatian.blocks.liveness import Flow, analyse, bytes_per_item, cut_positions, states
from alsatian.blocks.segment import Architecture, Segment
from alsatian.errors import SplitError

# To be raised when the same graph is cut or written differently, since identities change with it.
SPLIT_VERSION = 2

_TENSOR_INPUTS = (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR)


class _ReadsAcrossCut(SplitError):
    """A piece of the graph needs more than the state before it."""


def split(
    module: torch.nn.Module, example: tuple[torch.Tensor, ...], device: str | torch.device = "cpu"
) -> Architecture:
    """Split the feature extractor ``module`` into segments that run on ``device``.

    ``example`` holds the module's inputs, each of shape ``(batch, …)`` with a batch of at least two; the
    batch size stays free, everything else is fixed. The module's parameters are not kept.

    Raises:
        SplitError: ``torch.export`` cannot capture the module, or it changes its own buffers.
    """
    if any(t.dim() == 0 or t.shape[0] < 2 for t in example):
        raise SplitError("the example inputs need a batch dimension of at least two items")
    program = _export(module.eval(), example)
    if torch.device(device).type != "cpu":
        program = move_to_device_pass(program, device)
    names, inputs = _placeholders(program)
    nodes = list(program.graph.nodes)
    flow = analyse(nodes, inputs, frozenset(names))
    behind = states(flow)
    segments: list[Segment] = []
    starts: list[tuple[int, tuple[Node, ...]]] = [(0, flow.inputs)]
    for cut in (*cut_positions(flow), len(flow.calls) - 1):
        after = flow.results if cut == len(flow.calls) - 1 else behind[cut]
        while True:
            start, before = starts[-1]
            try:
                segments.append(_segment(flow, names, range(start, cut + 1), before, after))
                break
            except _ReadsAcrossCut:
                if not segments:
                    raise
                # What it reads is no state that can be passed on, so it becomes one block with its predecessor.
                segments.pop()
                starts.pop()
        starts.append((cut + 1, after))
    constants = {name: t for name, t in program.constants.items() if isinstance(t, torch.Tensor)}
    return Architecture(tuple(segments), constants)


def _export(module: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> ExportedProgram:
    batch = Dim("batch", min=1)
    try:
        with torch.enable_grad():  # the same graph whatever mode the caller is in
            program = export(module, example, dynamic_shapes=tuple({0: batch} for _ in example))
            # Without in-place operators a block cannot change the state it was given, which may be cached.
            program = program.run_decompositions({})
    except Exception as error:  # torch.export raises many types; the first line says why
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise SplitError(f"{type(module).__name__} cannot be exported: {reason}") from error
    for spec in program.graph_signature.output_specs:
        if spec.kind is not OutputKind.USER_OUTPUT:
            raise SplitError(f"{type(module).__name__} changes its own state ({spec.target}) in eval mode")
    return program


def _placeholders(program: ExportedProgram) -> tuple[dict[Node, InputSpec], list[Node]]:
    """Placeholders of parameters, buffers and constants with their specifications, and those of the inputs."""
    nodes = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    names: dict[Node, InputSpec] = {}
    inputs: list[Node] = []
    for spec in program.graph_signature.input_specs:
        if spec.kind in _TENSOR_INPUTS:
            names[nodes[spec.arg.name]] = spec
        elif spec.kind is InputKind.USER_INPUT:
            inputs.append(nodes[spec.arg.name])
        else:
            raise SplitError(f"inputs of kind {spec.kind.name} are not supported ({spec.target})")
    return names, inputs


def _segment(
    flow: Flow, names: dict[Node, InputSpec], span: range, before: tuple[Node, ...], after: tuple[Node, ...]
) -> Segment:
    """The piece of the graph that computes ``after`` from ``before`` with the calls in ``span``."""
    needed = _needed(after, before)
    parameters = [node for node in names if node in needed]
    builder = _Builder(before, parameters)
    inside = {flow.calls[i] for i in span}
    for node in flow.calls:
        if node in needed:
            if node in flow.dependent and node not in inside:
                raise _ReadsAcrossCut(f"{node.name} is read across a cut but not part of the state")
            builder.copy(node)
    builder.finish(after)
    return Segment(
        fingerprint=builder.fingerprint(),
        parameter_names=tuple(str(names[node].target) for node in parameters),
        trainable=tuple(names[node].kind is InputKind.PARAMETER for node in parameters),
        output_bytes=sum(bytes_per_item(node) for node in after),
        code=GraphModule({}, builder.graph),
    )


def _needed(after: tuple[Node, ...], before: tuple[Node, ...]) -> set[Node]:
    """Everything that ``after`` is computed from, back to ``before`` and the parameters."""
    known = set(before)
    stack = [node for node in after if node not in known]
    needed: set[Node] = set()
    while stack:
        node = stack.pop()
        if node in needed or node in known:
            continue
        if node.op == "get_attr":
            raise SplitError(f"control flow in the graph ({node.target}) is not supported")
        needed.add(node)
        # A size in affine relation to the batch is taken from the state at hand, not from its origin.
        if _affine(node) is None:
            stack.extend(node.all_input_nodes)
    return needed


def _affine(node: Node) -> tuple[int, int] | None:
    """``(c, d)`` where ``node`` is the size ``c * B + d`` at batch size ``B``, None for any other node."""
    return _affine_size(node.meta.get("val"))


def _affine_size(value: Any) -> tuple[int, int] | None:
    """:func:`_affine` of a size."""
    if not isinstance(value, torch.SymInt):
        return None
    expression = value.node.expr
    symbols = expression.free_symbols
    if len(symbols) != 1 or not expression.is_polynomial():
        return None
    poly = sympy.Poly(expression, next(iter(symbols)))
    if poly.degree() != 1 or not all(c.is_Integer for c in poly.all_coeffs()):
        return None
    scale, offset = poly.all_coeffs()
    return int(scale), int(offset)


class _Builder:
    """Copies nodes into a graph of its own and writes down, canonically, what it computes."""

    def __init__(self, before: tuple[Node, ...], parameters: list[Node]) -> None:
        self.graph = Graph()
        self._env: dict[Node, Node] = {}
        self._label: dict[Node, str] = {}
        self._record: list[Any] = []
        self._batch: tuple[Node, int, int] | None = None
        for prefix, nodes in (("s", before), ("p", parameters)):
            for i, node in enumerate(nodes):
                self._env[node] = self.graph.placeholder(f"{prefix}{i}")
                self._label[node] = f"{prefix}{i}"
                self._record.append([f"{prefix}{i}", *_signature(node)])
        # The batch size is read from a dimension of the state that is a multiple of it, best of it alone.
        for node in before:
            for dim, size in enumerate(node.meta["val"].shape):
                scale, offset = _affine_size(size) or (0, 0)
                if scale > 0 and offset == 0 and (self._batch is None or scale < self._batch[2]):
                    self._batch = (self._env[node], dim, scale)

    def copy(self, node: Node) -> None:
        affine = _affine(node)
        if affine is not None:
            self._env[node] = self._size(*affine)
            self._label[node] = f"size{affine}"
            return
        self._env[node] = self.graph.node_copy(node, self._env.__getitem__)
        self._label[node] = str(len(self._record))
        target = getattr(node.target, "__name__", None) or str(node.target)
        target = str(node.target) if "." in str(node.target) and "<" not in str(node.target) else target
        self._record.append([target, self._canonical(node.args), self._canonical(node.kwargs)])

    def finish(self, after: tuple[Node, ...]) -> None:
        self.graph.output(tuple(self._env[node] for node in after))
        self._record.append(["output", [self._label[node] for node in after]])

    def fingerprint(self) -> str:
        return digest_json(self._record)

    def _size(self, scale: int, offset: int) -> Node:
        if self._batch is None:
            raise _ReadsAcrossCut("the state before the cut does not tell the batch size")
        node, dim, multiple = self._batch
        size = self.graph.call_function(torch.ops.aten.sym_size.int, (node, dim))
        if multiple != 1:
            size = self.graph.call_function(operator.floordiv, (size, multiple))
        if scale != 1:
            size = self.graph.call_function(operator.mul, (size, scale))
        if offset != 0:
            size = self.graph.call_function(operator.add, (size, offset))
        return size

    def _canonical(self, value: Any) -> Any:
        """``value`` as JSON: nodes by label, the device left out, everything else by its text."""
        if isinstance(value, Node):
            return {"node": self._label[value]}
        if isinstance(value, (list, tuple)):
            return [self._canonical(item) for item in value]
        if isinstance(value, dict):
            return {str(k): self._canonical(v) for k, v in value.items() if not isinstance(v, torch.device)}
        if isinstance(value, torch.device):
            return "device"
        return repr(value)


def _signature(node: Node) -> tuple[str, list[str]]:
    """Dtype and shape of a placeholder, the batch size written as ``B``."""
    value = node.meta["val"]
    shape = []
    for size in value.shape:
        text = str(size)
        if isinstance(size, torch.SymInt):
            for symbol in size.node.expr.free_symbols:
                text = text.replace(str(symbol), "B")
        shape.append(text)
    return str(value.dtype), shape
