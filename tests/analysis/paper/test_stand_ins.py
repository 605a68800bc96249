"""Figures call what was run by its own name."""

import json

import pytest

from analysis.paper import section
from analysis.paper.kinds.stand_ins import stand_in
from tests.analysis.paper.test_records import RECORDS

PAPER = {"architecture": "vit_l_32", "options": {}}
VIT = {"architecture": "VisionTransformer", "options": {"num_layers": 24, "hidden_dim": 96}}
RESNET = {"hidden_sizes": [64, 128, 256, 512], "depths": [3, 8, 36, 3]}
BASIC = {"hidden_sizes": [16, 32, 64, 128], "depths": [2, 2, 2, 2], "layer_type": "basic"}
DETR = {"backbone_config": {**RESNET, "depths": [3, 4, 6, 3]}, "d_model": 32}


def network(size):
    return {"network": {"at": "laptop", "paper": PAPER, "laptop": size}}


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (network(VIT), "ViT, 96 wide"),
        (network(PAPER | {"bandwidth": "1MB"}), "ViT-L-32"),
        (network({"architecture": "ResNetModel", "options": RESNET}), "ResNet-152, 512 wide"),
        (network({"architecture": "ResNetModel", "options": BASIC}), "ResNet-18, 128 wide"),
        (network({"architecture": "efficientnet_b0", "options": {}}), "EfficientNet-B0"),
        (network({"architecture": "EfficientNetModel", "options": {"width_coefficient": 0.25}}),
         "EfficientNet, 0.25 of the width"),
        (network({"architecture": "Other", "options": {}}), "ViT-L-32, smaller"),
        ({"model_set": {"source": "generated", "model": "DetrForObjectDetection", "options": DETR}},
         "DETR-50, 512 wide"),
        ({"model_set": {"source": "hub", "model": "DetrForObjectDetection", "options": DETR}}, "ViT-L-32"),
        ({"model_set": {"sets": {"a": {"source": "generated"}, "b": {"source": "generated"}}}},
         "2 families of small models"),
        ({"model_set": {"name": "own"}}, "ViT-L-32"),
        ({"network": None, "model_set": None}, "ViT-L-32"),
    ],
)  # fmt: skip
def test_names(config, name):
    assert stand_in(config, "ViT-L-32") == name


def test_the_caption_says_for_what(tmp_path, write, as_published):
    made = as_published("17")
    assert "Standing in" not in section(write(tmp_path / "as_published", *made)).picture.caption
    for run in made:
        size = {"architecture": "BertModel", "options": {"hidden_size": 96}}
        run["config"]["network"] = {"at": "laptop", "laptop": size, "paper": PAPER}
    found = section(write(tmp_path / "smaller", *made))
    assert "Standing in: BERT, 96 wide for BERT." in found.picture.caption
    assert list(found.picture.data["workload"].unique()) == ["BERT"]  # data keep the published cell


def test_every_network_of_the_menu_has_a_name():
    for path in RECORDS:
        for document in json.loads(path.read_text()).values():
            workload = document["config"]["paper"]["workload"].partition("@")[0]
            name = stand_in(document["config"], workload)
            assert name != workload
            assert "smaller" not in name
