"""What stands in for published models and items: smaller and fewer ones, which figures call by their own names."""

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.paper.evidence.cells import Cell

# Of the classes that are made smaller; what begins with the word.
_FAMILIES = {
    "VisionTransformer": "ViT", "ViT": "ViT", "Dinov2": "DINOv2", "Bert": "BERT", "ResNet": "ResNet",
    "EfficientNet": "EfficientNet", "ConditionalDetr": "conditional DETR", "DeformableDetr": "deformable DETR",
    "TableTransformer": "table transformer", "Detr": "DETR",
}  # fmt: skip
_NAMED = {"efficientnet_b0": "EfficientNet-B0"}
# Options that say how wide a network is, the first that is there.
_WIDE = ("hidden_dim", "hidden_size", "hidden_sizes", "d_model")
# Convolutions of a block, by its kind; and layers around all blocks.
_LAYERS, _ENDS = {"basic": 2, "bottleneck": 3}, 2


def stand_in(config: Mapping[str, Any], workload: str) -> str:
    """What was really run for the published ``workload``, by its own name; ``workload`` if that is what was run.

    ``config`` is of a record. E.g. ``"ViT, 96 wide"`` for ``"ViT-L-32"``.
    """
    models, network = _mapping(config, "model_set"), _mapping(config, "network")
    if network:
        size, published = _mapping(network, str(network.get("at"))), _mapping(network, "paper")
        if all(size.get(key) == published.get(key) for key in ("architecture", "options")):
            return workload
        return _name(str(size.get("architecture")), _mapping(size, "options"), workload)
    if sets := _mapping(models, "sets"):
        made = [_mapping(sets, name).get("source") == "generated" for name in sets]
        return f"{len(sets)} families of small models" if all(made) else workload
    if models.get("source") == "generated" and (options := _mapping(models, "options")):
        return _name(str(models.get("model")), options, workload)
    return workload


def items(inside: Sequence[Cell]) -> str:
    """How many items the searches ``inside`` a panel saw, and how many those stand for; empty if nobody says.

    E.g. ``"64 to 192 items, standing for 2,000"``; those of the paper if nothing was run.
    """
    published = inside[0].items
    counts = [(cell.train_items or 0) + (cell.test_items or 0) for cell in inside if cell.run_id]
    own = [f"{count:,}" for count in sorted({min(counts), max(counts)})] if counts else []
    if published is None or own == [f"{published:,}"]:
        return f"{own[0]} items" if len(own) == 1 else ""
    return f"{' to '.join(own)} items, standing for {published:,}" if own else f"{published:,} items"


def _name(architecture: str, options: Mapping[str, Any], workload: str) -> str:
    """Family, number of layers of a residual network, and width."""
    family = next((name for start, name in _FAMILIES.items() if architecture.startswith(start)), "")
    name = _NAMED.get(architecture) or family
    if not name:
        return f"{workload}, smaller"
    inner = _mapping(options, "backbone_config") or options
    depths = inner.get("depths")
    if isinstance(depths, list):
        name += f"-{_ENDS + _LAYERS.get(str(inner.get('layer_type', 'bottleneck')), 3) * sum(depths)}"
    wide = next((inner[key] for key in _WIDE if key in inner), None)
    if (factor := options.get("width_coefficient")) is not None:
        return f"{name}, {factor:g} of the width"
    return f"{name}, {wide[-1] if isinstance(wide, list) else wide} wide" if wide else name


def _mapping(found: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = found.get(key)
    return value if isinstance(value, Mapping) else {}
