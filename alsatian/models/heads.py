"""Whether a module ends in a classifier, so that what it returns are logits and no features.

The rule, which leaves feature extractors that end in a projection alone: going back from what the module returns,
past operators without parameters that a head may end with (softmax, flattening, pooling), the first one is a linear
layer or a convolution

- whose parameter has a name that classifiers have (see ``NAMES``) in its path, and
- which has fewer outputs than inputs, and as many as labels have rather than embeddings: no multiple of 32.

After a softmax, the name alone is enough.
"""

from collections.abc import Iterator

import torch
from torch.fx import Node

from alsatian.blocks.segment import Architecture, module_tensors

# As torchvision, timm, transformers, fairseq and mmpretrain call classifiers and what holds them.
NAMES = frozenset(
    {
        "fc", "head", "heads", "classifier", "cls_classifier", "classification_head", "logits", "score",
        "last_linear", "cls_head", "fc_cls",
    }
)  # fmt: skip
# Sizes of embeddings are multiples of it, numbers of labels hardly ever.
EMBEDDING = 32
_SOFTMAX = ("softmax", "log_softmax", "_softmax", "_log_softmax", "sigmoid")
_PASSED = (
    *_SOFTMAX, "view", "reshape", "flatten", "squeeze", "unsqueeze", "clone", "contiguous", "alias", "relu", "mean",
    "adaptive_avg_pool2d", "_adaptive_avg_pool2d", "avg_pool2d", "div", "mul", "_to_copy", "to",
)  # fmt: skip
_LAYERS = ("linear", "convolution", "conv2d", "conv1d", "addmm")


def classifier_of(built: Architecture, module: torch.nn.Module) -> str | None:
    """The name of the classifier that ``module``, whose segments are ``built``, ends in; None without one."""
    probabilities = False
    for node, parameters in _backwards(built):
        operator = _name(node)
        probabilities |= operator in _SOFTMAX
        if operator in _PASSED:
            continue
        name = next((parameters[n] for n in node.all_input_nodes if n in parameters), None)
        if operator not in _LAYERS or name is None or not NAMES & set(name.split(".")[:-1]):
            return None
        weight = module_tensors(module).get(name)
        if weight is None or weight.dim() < 2:
            return None
        outputs, inputs = weight.shape[:2]
        few = outputs < inputs and outputs % EMBEDDING > 0
        return name.rpartition(".")[0] if few or probabilities else None
    return None


def _backwards(built: Architecture) -> Iterator[tuple[Node, dict[Node, str]]]:
    """The calls that features pass, last first, up to the first with several sources; with the parameters that its
    segment reads, by placeholder."""
    for segment in reversed(built.segments):
        graph = segment.code.graph
        places = [node for node in graph.nodes if node.op == "placeholder"]
        count = len(places) - len(segment.parameter_names)
        parameters = dict(zip(places[count:], segment.parameter_names, strict=True))
        states = places[:count]
        (node,) = next(node for node in graph.nodes if node.op == "output").args[0][:1]
        while node not in states:
            yield node, parameters
            sources = [n for n in node.all_input_nodes if n not in parameters and _is_tensor(n)]
            if len(sources) != 1:
                return
            (node,) = sources
        if node is not states[0]:
            return


def _is_tensor(node: Node) -> bool:
    return isinstance(node.meta.get("val"), torch.Tensor)


def _name(node: Node) -> str:
    """Of the operator, without namespace and overload."""
    return str(node.target).split(".")[1] if str(node.target).startswith("aten.") else str(node.target)
