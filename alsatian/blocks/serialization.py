"""Segments as plain data, so that an architecture is exported once and not once a process.

Reading resolves names of tensor operators only; nothing in a file can name other code.
"""

import json
import math
import operator
from collections.abc import Mapping
from keyword import iskeyword
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch.fx import Graph, GraphModule, Node

from alsatian.blocks.in_place import LIKE_FIRST
from alsatian.blocks.segment import Architecture, Segment
from alsatian.files import write_bytes, write_json
from alsatian.fingerprint import digest_json, parameter_fingerprint

_FUNCTIONS = {
    f"operator.{name}": getattr(operator, name)
    for name in ("getitem", "add", "sub", "mul", "floordiv", "mod", "neg", "truediv", "pow")
} | {f"math.{name}": getattr(math, name) for name in ("ceil", "floor", "trunc")}
_NAMES = {function: name for name, function in _FUNCTIONS.items()}
_NAMESPACES = ("aten", "prims", "torchvision")
# Constants that are attributes of the module torch.
_CONSTANTS: dict[type, str] = {torch.dtype: "dtype", torch.memory_format: "memory_format", torch.layout: "layout"}
# What reading raises where a file is cut off, changed, or of another form.
_DAMAGE = (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, safetensors.SafetensorError)


class NotPortable(Exception):
    """A graph holds something that has no name here; it has to be exported in every process."""


def write(path: Path, built: Architecture) -> None:
    """Keep ``built`` in ``path``.json and its constants in ``path``.safetensors, unless it has no such form."""
    try:
        segments = [dump(segment) for segment in built.segments]
    except NotPortable:
        return
    named = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in built.constants.items()}
    write_bytes(path.with_suffix(".safetensors"), safetensors.torch.save(named))
    content = {"segments": segments, "digest": _digest(segments, named)}
    write_json(path.with_suffix(".json"), content)  # last, so that what is listed is whole


def read(path: Path) -> Architecture | None:
    """What :func:`write` kept, or None if there is nothing that can be used."""
    try:
        data, constants = _content(path)
        return Architecture(tuple(load(segment) for segment in data), constants)
    except (*_DAMAGE, NotPortable):
        return None  # it is only a copy of what an export gives


def intact(path: Path) -> bool:
    """Whether what :func:`write` kept is as it was written, though it may be for other versions of libraries."""
    try:
        _content(path)
    except _DAMAGE:
        return False
    return True


def _content(path: Path) -> tuple[list[dict[str, Any]], dict[str, torch.Tensor]]:
    """Segments and constants that :func:`write` kept; fails in many ways if they are damaged."""
    content = json.loads(path.with_suffix(".json").read_bytes())
    constants = safetensors.torch.load_file(path.with_suffix(".safetensors"))
    if content["digest"] != _digest(content["segments"], constants):
        raise ValueError("another content than its digest says")
    return content["segments"], constants


def _digest(segments: list[dict[str, Any]], constants: Mapping[str, torch.Tensor]) -> str:
    """Digest of all that is kept: a changed constant would be a wrong result, not an error."""
    names = sorted(constants)
    return digest_json([segments, names, parameter_fingerprint(constants[name] for name in names)])


def dump(segment: Segment) -> dict[str, Any]:
    """``segment`` as plain data (JSON types).

    Raises:
        NotPortable: its graph holds an operator or argument that cannot be named.
    """
    index: dict[Node, int] = {}
    nodes: list[Any] = []
    for node in segment.code.graph.nodes:
        index[node] = len(nodes)
        if node.op == "placeholder":
            nodes.append(["placeholder", str(node.target)])
        elif node.op == "output":
            nodes.append(["output", _encode(node.args, index)])
        elif node.op == "call_function":
            keywords = {key: _encode(value, index) for key, value in node.kwargs.items()}
            mark = [LIKE_FIRST] if node.meta.get(LIKE_FIRST) else []
            nodes.append([_target_name(node.target), _encode(node.args, index), keywords, *mark])
        else:
            raise NotPortable(node.op)
    return {
        "fingerprint": segment.fingerprint,
        "parameter_names": list(segment.parameter_names),
        "trainable": list(segment.trainable),
        "output_bytes": segment.output_bytes,
        "nodes": nodes,
    }


def load(data: dict[str, Any]) -> Segment:
    """The inverse of :func:`dump`.

    Raises:
        NotPortable: the data names something that is no tensor operator.
    """
    graph = Graph()
    nodes: list[Node] = []
    for entry in data["nodes"]:
        if entry[0] == "placeholder":
            nodes.append(graph.placeholder(_name(entry[1])))
        elif entry[0] == "output":
            nodes.append(graph.output(_decode(entry[1], nodes)[0]))
        else:
            keywords = {_name(key): _decode(value, nodes) for key, value in entry[2].items()}
            nodes.append(graph.call_function(_target(entry[0]), _decode(entry[1], nodes), keywords))
            nodes[-1].meta[LIKE_FIRST] = LIKE_FIRST in entry[3:]
    return Segment(
        fingerprint=data["fingerprint"],
        parameter_names=tuple(data["parameter_names"]),
        trainable=tuple(data["trainable"]),
        output_bytes=data["output_bytes"],
        code=GraphModule({}, graph),
    )


def _name(text: Any) -> str:
    """``text`` if it is a plain name: it becomes a part of the Python code that a graph is turned into."""
    if not isinstance(text, str) or not text.isidentifier() or iskeyword(text):
        raise NotPortable(repr(text))
    return text


def _target_name(target: Any) -> str:
    if target in _NAMES:
        return _NAMES[target]
    if isinstance(target, torch._ops.OpOverload) and target.namespace in _NAMESPACES:
        return str(target)
    raise NotPortable(str(target))


def _target(name: str) -> Any:
    if name in _FUNCTIONS:
        return _FUNCTIONS[name]
    parts = name.split(".")
    if len(parts) != 3 or parts[0] not in _NAMESPACES:
        raise NotPortable(name)
    try:
        overload = getattr(getattr(getattr(torch.ops, parts[0]), parts[1]), parts[2])
    except AttributeError:
        raise NotPortable(name) from None
    # Of what these namespaces hold, some reach outside of memory: operators on files (aten.from_file), and
    # functions of the scripting language (aten.save, aten.warn), which the dispatcher of tensor operators lacks.
    if not isinstance(overload, torch._ops.OpOverload) or not torch._C._dispatch_has_kernel(overload.name()):
        raise NotPortable(name)
    if any(argument.name == "filename" for argument in overload._schema.arguments):
        raise NotPortable(name)
    return overload


def _encode(value: Any, index: dict[Node, int]) -> Any:
    if isinstance(value, Node):
        return {"node": index[value]}
    if isinstance(value, (list, tuple)):
        return {
            type(value).__name__ if type(value) in (list, tuple) else "list": [_encode(v, index) for v in value]
        }
    if isinstance(value, float):
        return {"float": value.hex() if math.isfinite(value) else repr(value)}
    if isinstance(value, torch.device):
        return {"device": str(value)}
    for kind, name in _CONSTANTS.items():
        if isinstance(value, kind):
            return {name: str(value).removeprefix("torch.")}
    if value is None or isinstance(value, (bool, int, str)):
        return value
    raise NotPortable(repr(value))


def _decode(value: Any, nodes: list[Node]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "node":
        return nodes[content]
    if kind == "list":
        return [_decode(v, nodes) for v in content]
    if kind == "tuple":
        return tuple(_decode(v, nodes) for v in content)
    if kind == "float":
        return float.fromhex(content) if "0x" in content else float(content)
    if kind == "device":
        return torch.device(content)
    constant = getattr(torch, content, None)
    if kind not in _CONSTANTS.values() or type(constant) not in _CONSTANTS:
        raise NotPortable(f"{kind}:{content}")
    return constant
