"""Where a flat graph may be cut: points at which little state is alive.

A *cut position* ``i`` lies behind node ``i`` of the graph's call list. Its state is every tensor that is
computed from the model's input at or before ``i`` and read after ``i``. Tensors that do not depend on the
input (parameters, tables made from them, sizes) are no state: a later block makes them again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.fx import Node

# A tensor alive over more of the graph than this is carried beside the chain (an attention mask, rotary
# tables); at a cut exactly one other tensor is alive.
CARRIED_SHARE = 1 / 3
# "A small tuple of state" in numbers.
MAX_STATE = 4


@dataclass(frozen=True)
class Flow:
    """The data flow of one exported graph.

    Attributes:
        calls: the call nodes, in execution order.
        inputs: placeholders of the model's inputs.
        results: the nodes that the graph returns.
        dependent: nodes whose *values* depend on the model's input. Sizes do not count.
        weighted: calls that read a parameter of at least two dimensions: convolutions, linear layers, …
    """

    calls: tuple[Node, ...]
    inputs: tuple[Node, ...]
    results: tuple[Node, ...]
    dependent: frozenset[Node]
    weighted: frozenset[Node]


def is_tensor(node: Node) -> bool:
    """Whether ``node`` yields one tensor (not a tuple, not a size)."""
    return isinstance(node.meta.get("val"), torch.Tensor)


def analyse(nodes: Sequence[Node], inputs: Sequence[Node], parameters: frozenset[Node]) -> Flow:
    """Follow the model's inputs and its matrices through ``nodes`` (a whole graph, in order)."""
    dependent = set(inputs)
    matrices = {p for p in parameters if is_tensor(p) and p.meta["val"].dim() >= 2}
    weighted = set()
    calls = tuple(node for node in nodes if node.op == "call_function")
    for node in calls:
        sources = node.all_input_nodes
        if any(source in dependent for source in sources) and _carries_values(node):
            dependent.add(node)
            if any(source in matrices for source in sources):
                weighted.add(node)
        elif any(source in matrices for source in sources):
            matrices.add(node)  # e.g. a transposed weight
    output = next(node for node in nodes if node.op == "output")
    results = tuple(output.all_input_nodes)
    return Flow(calls, tuple(inputs), results, frozenset(dependent), frozenset(weighted))


def _carries_values(node: Node) -> bool:
    value = node.meta.get("val")
    if isinstance(value, (list, tuple)):
        return any(isinstance(item, torch.Tensor) for item in value)
    return isinstance(value, torch.Tensor)


def batch_coefficient(node: Node) -> int | None:
    """``c`` where the tensor has ``c * B`` elements at batch size ``B``; None for any other relation."""
    numel = node.meta["val"].numel()
    if isinstance(numel, int):
        return None
    expression = numel.node.expr
    symbols = expression.free_symbols
    if len(symbols) != 1:
        return None
    coefficient = expression / next(iter(symbols))
    return int(coefficient) if coefficient.is_Integer else None


def bytes_per_item(node: Node) -> int:
    """Bytes of the tensor for each item of the batch (it must have a :func:`batch_coefficient`)."""
    return (batch_coefficient(node) or 0) * node.meta["val"].element_size()


def states(flow: Flow) -> list[tuple[Node, ...]]:
    """The state behind every call: the nodes alive there, in order of definition."""
    position = {node: i for i, node in enumerate(flow.calls)}
    end = len(flow.calls)
    born: list[list[Node]] = [[] for _ in range(end + 1)]
    dies: list[list[Node]] = [[] for _ in range(end + 1)]
    for node in (*flow.inputs, *flow.calls):
        if node not in flow.dependent:
            continue
        uses = [position[user] for user in node.users if user in position]
        last = end if node in flow.results else max(uses, default=-1)
        start = position.get(node, -1)
        if last > start:
            born[max(start, 0)].append(node)
            dies[last].append(node)
    alive: dict[Node, None] = {}
    behind = []
    for i in range(end):
        alive.update(dict.fromkeys(born[i]))
        for node in dies[i]:
            alive.pop(node, None)
        behind.append(tuple(alive))
    return behind


def cut_positions(flow: Flow) -> list[int]:
    """Positions at which to cut, ascending, without the end of the graph.

    Allowed is a position with exactly one tensor alive beside the carried ones, all of them proportional
    to the batch size. In a stretch of allowed positions without a weighted call one is enough; the one
    with the smallest state is taken, the last of equals, so that a block ends after its pooling.
    """
    behind = states(flow)
    lifetime: dict[Node, int] = {}
    for state in behind:
        for node in state:
            lifetime[node] = lifetime.get(node, 0) + 1
    carried = {node for node, life in lifetime.items() if life > CARRIED_SHARE * len(flow.calls)}

    cuts = []
    best: int | None = None
    best_bytes = 0
    computed = False  # whether anything was computed since the last cut
    for i, state in enumerate(behind):
        narrow = sum(node not in carried for node in state) == 1 and len(state) <= MAX_STATE
        if best is not None and (flow.calls[i] in flow.weighted or not narrow):
            cuts.append(best)
            best, computed = None, False
        computed = computed or flow.calls[i] in flow.dependent
        # A tuple on its way to being unpacked cannot be state, but does not end the stretch either.
        if narrow and computed and all(is_tensor(node) and batch_coefficient(node) for node in state):
            size = sum(bytes_per_item(node) for node in state)
            if best is None or size <= best_bytes:
                best, best_bytes = i, size
    # What is still open runs into the end of the graph, which is a cut anyway.
    return cuts
