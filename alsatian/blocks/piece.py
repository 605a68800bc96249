"""A piece of a graph as a graph of its own, and the canonical record that its fingerprint is taken of."""

import operator
from typing import Any

import torch
from torch.fx import Graph, Node

from alsatian.blocks.in_place import LIKE_FIRST, like_first
from alsatian.errors import SplitError
from alsatian.fingerprint import digest_json

# Marks a node whose operator was exchanged for one that computes the same: the name to record.
RECORDED_AS = "alsatian_recorded_as"


class ReadsAcrossCut(SplitError):
    """A piece of the graph needs more than the state before it."""


def affine_relation(value: Any) -> tuple[int, int] | None:
    """``(c, d)`` where ``value`` is the size ``c * B + d`` at batch size ``B``, None for anything else."""
    if not isinstance(value, torch.SymInt):
        return None
    expression = value.node.expr
    symbols = expression.free_symbols
    if len(symbols) != 1 or not expression.is_polynomial():
        return None
    import sympy  # slow, and there already where a graph has sizes like this

    poly = sympy.Poly(expression, next(iter(symbols)))
    if poly.degree() != 1 or not all(c.is_Integer for c in poly.all_coeffs()):
        return None
    scale, offset = poly.all_coeffs()
    return int(scale), int(offset)


class PieceBuilder:
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
                scale, offset = affine_relation(size) or (0, 0)
                if scale > 0 and offset == 0 and (self._batch is None or scale < self._batch[2]):
                    self._batch = (self._env[node], dim, scale)

    def copy(self, node: Node) -> None:
        affine = affine_relation(node.meta.get("val"))
        if affine is not None:
            self._env[node] = self._size(*affine)
            self._label[node] = f"size{affine}"
            return
        copy = self._env[node] = self.graph.node_copy(node, self._env.__getitem__)
        copy.meta[LIKE_FIRST] = like_first(node)
        self._label[node] = str(len(self._record))
        target = getattr(node.target, "__name__", None) or str(node.target)
        target = str(node.target) if "." in str(node.target) and "<" not in str(node.target) else target
        target = node.meta.get(RECORDED_AS, target)
        self._record.append([target, self._canonical(node.args), self._canonical(node.kwargs)])

    def finish(self, after: tuple[Node, ...]) -> None:
        self.graph.output(tuple(self._env[node] for node in after))
        self._record.append(["output", [self._label[node] for node in after]])

    def fingerprint(self) -> str:
        return digest_json(self._record)

    def _size(self, scale: int, offset: int) -> Node:
        if self._batch is None:
            raise ReadsAcrossCut("the state before the cut does not tell the batch size")
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
            return {str(k): self._canonical(v) for k, v in value.items() if k != "device"}
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
