"""A model as a chain of segments, through ``torch.export``: one mechanism for every architecture.

The exported graph is cut where little state is alive (see :mod:`alsatian.blocks.liveness`) and every
piece becomes a graph of its own that takes state and parameters and returns state.
"""

import contextlib
import gc
import io
import logging
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.fx import GraphModule, Node
from torch.fx import config as fx_config

from alsatian.blocks.evaluation import check_no_randomness, evaluated, random_state, takes_any_number
from alsatian.blocks.functional import functional
from alsatian.blocks.liveness import Flow, analyse, bytes_per_item, cut_positions, is_tensor, states
from alsatian.blocks.piece import RECORDED_AS, PieceBuilder, ReadsAcrossCut, affine_relation
from alsatian.blocks.segment import Architecture, Segment
from alsatian.errors import SplitError, first_line

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.export.graph_signature import InputSpec

# To be raised when the same graph is cut or written differently, since identities change with it.
SPLIT_VERSION = 2

_TORCH = str(Path(torch.__file__).parent)
# Kinds of inputs and outputs by name: to import ``torch.export`` takes long, and models that are known need none.
_TENSOR_INPUTS = ("PARAMETER", "BUFFER", "CONSTANT_TENSOR")


def split(
    module: torch.nn.Module, example: tuple[torch.Tensor, ...], device: str | torch.device = "cpu"
) -> Architecture:
    """Split the feature extractor ``module`` into segments that run on ``device``.

    ``example`` holds the module's inputs, each of shape ``(batch, …)`` with a batch of at least two; the
    batch size stays free, everything else is fixed. The module's parameters are not kept, and it is left in the
    mode it was in.

    Raises:
        SplitError: ``torch.export`` cannot capture the module, it changes its own buffers, draws random numbers, or
            returns no tensor of features.
    """
    if any(t.dim() == 0 or t.shape[0] < 2 for t in example):
        raise SplitError("the example inputs need a batch dimension of at least two items")
    with evaluated(module), random_state():
        program = _export(module, example)
    if torch.device(device).type != "cpu":
        from torch.export.passes import move_to_device_pass

        program = move_to_device_pass(program, torch.device(device))
        _relax_views(program)
    names, inputs = _placeholders(program)
    nodes = list(program.graph.nodes)
    flow = replace(
        analyse(nodes, inputs, frozenset(names)), results=_results(program, type(module).__name__, inputs)
    )
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
            except ReadsAcrossCut:
                if not segments:
                    raise
                # What it reads is no state that can be passed on, so it becomes one block with its predecessor.
                segments.pop()
                starts.pop()
        starts.append((cut + 1, after))
    # Only what the features are made of: a graph may hold random numbers that nobody asks for.
    live = (node for segment in segments for node in segment.code.graph.nodes if node.op == "call_function")
    check_no_randomness(live, type(module).__name__)
    constants = {name: t for name, t in program.constants.items() if isinstance(t, torch.Tensor)}
    return Architecture(tuple(segments), constants)


def _export(module: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> "ExportedProgram":
    from torch.export import Dim, export
    from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

    batch = Dim("batch", min=1)
    free = tuple({0: batch} for _ in example)
    try:
        with torch.enable_grad(), _quiet():  # the same graph whatever mode the caller is in
            program = export(module, example, dynamic_shapes=(free,) if takes_any_number(module) else free)
            # Without in-place operators a block cannot change the state it was given, which may be cached.
            program = functional(program)
    except GuardOnDataDependentSymNode as error:
        raise SplitError(
            f"{type(module).__name__} cannot be exported: its control flow is data-dependent ({_place(error)}); "
            "every input has to take the same way"
        ) from error
    except Exception as error:  # torch.export raises many types; the first line says why
        raise SplitError(f"{type(module).__name__} cannot be exported: {first_line(error)}") from error
    for spec in program.graph_signature.output_specs:
        # A changed input is a value that nobody asks for: without in-place operators the input itself is intact.
        if spec.kind.name not in ("USER_OUTPUT", "USER_INPUT_MUTATION"):
            raise SplitError(f"{type(module).__name__} changes its own state ({spec.target}) in eval mode")
    return program


def _place(error: Exception) -> str:
    """Where in a module's own code ``error`` was raised."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(_TORCH)]
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}, in {frames[-1].name}"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Inside, ``torch.export`` neither logs, warns nor prints graphs. What it has to say is in its errors.

    Nor does it note for every operator which code it comes from, or stop to look for garbage: these take up to a
    sixth of its time.
    """
    logged, unplaced, collects = logging.root.manager.disable, fx_config.do_not_emit_stack_traces, gc.isenabled()
    logging.disable(logging.ERROR)
    fx_config.do_not_emit_stack_traces = True
    gc.disable()
    try:
        with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logged)
        fx_config.do_not_emit_stack_traces = unplaced
        if collects:
            gc.enable()


def _placeholders(program: "ExportedProgram") -> tuple[dict[Node, "InputSpec"], list[Node]]:
    """Placeholders of parameters, buffers and constants with their specifications, and those of the inputs."""
    nodes = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    names: dict[Node, InputSpec] = {}
    inputs: list[Node] = []
    for spec in program.graph_signature.input_specs:
        if spec.kind.name in _TENSOR_INPUTS:
            names[nodes[spec.arg.name]] = spec
        elif spec.kind.name == "USER_INPUT":
            inputs.append(nodes[spec.arg.name])
        else:
            raise SplitError(f"inputs of kind {spec.kind.name} are not supported ({spec.target})")
    return names, inputs


def _relax_views(program: "ExportedProgram") -> None:
    """Let views copy where they must: other devices' kernels may lay their results out differently.

    The export has turned ``reshape`` into ``view`` wherever the CPU's layout allows it.
    """
    for node in program.graph.nodes:
        if node.target is torch.ops.aten.view.default:
            node.meta[RECORDED_AS] = str(node.target)
            node.target = torch.ops.aten.reshape.default


def _results(program: "ExportedProgram", name: str, inputs: list[Node]) -> tuple[Node, ...]:
    """What the module ``name`` returns: the one tensor of features, alone or within a tuple or dict."""
    specs = program.graph_signature.output_specs
    given = zip(specs, program.graph.output_node().args[0], strict=True)
    found = tuple(
        node
        for spec, node in given
        if spec.kind.name == "USER_OUTPUT" and isinstance(node, Node) and is_tensor(node)
    )
    if len(found) != 1:
        what = f"{len(found)} tensors" if found else "no tensor"
        raise SplitError(
            f"{name} returns {what}; features are one tensor (N, …): wrap it in a module that returns it"
        )
    value, batch = found[0].meta["val"], str(inputs[0].meta["val"].shape[0])
    if not value.dim() or str(value.shape[0]) != batch:
        shape = ", ".join(str(n).replace(batch, "N") for n in value.shape)
        raise SplitError(f"{name} returns ({shape}) for N items; features are (N, …), a row for each item")
    if not value.is_floating_point():
        raise SplitError(f"{name} returns {value.dtype} numbers; features are floating-point numbers")
    return found


def _segment(
    flow: Flow, names: dict[Node, "InputSpec"], span: range, before: tuple[Node, ...], after: tuple[Node, ...]
) -> Segment:
    """The piece of the graph that computes ``after`` from ``before`` with the calls in ``span``."""
    needed = _needed(after, before)
    parameters = [node for node in names if node in needed]
    builder = PieceBuilder(before, parameters)
    inside = {flow.calls[i] for i in span}
    for node in flow.calls:
        if node in needed:
            if node in flow.dependent and node not in inside:
                raise ReadsAcrossCut(f"{node.name} is read across a cut but not part of the state")
            builder.copy(node)
    builder.finish(after)
    return Segment(
        fingerprint=builder.fingerprint(),
        parameter_names=tuple(str(names[node].target) for node in parameters),
        trainable=tuple(names[node].kind.name == "PARAMETER" for node in parameters),
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
        if affine_relation(node.meta.get("val")) is None:
            stack.extend(node.all_input_nodes)
    return needed
