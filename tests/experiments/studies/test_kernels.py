from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from alsatian.blocks.kernels import KERNELS
from experiments.studies import kernels, study

SMALL = ["resnet18", "squeezenet1_1", "--repeats", "2", "--batch", "2", "--size", "32", "--threads", "1"]


def test_networks_are_measured_side_by_side(tmp_path: Path) -> None:
    said: list[str] = []
    assert study.execute("kernels", [*SMALL, "--out", str(tmp_path)], said.append) in (0, 1)
    found = pd.read_csv(tmp_path / "kernels.csv")
    assert list(found["network"]) == ["torchvision/resnet18", "torchvision/squeezenet1_1"]
    assert (found[["module_s", *KERNELS]] > 0).all(axis=None)
    assert (found["distance"] < 1e-4).all()
    text = (tmp_path / "kernels.md").read_text()
    assert "Batches of 2 images, 1 thread," in text
    assert "over 2 networks" in text
    assert said[0].startswith("[1/2] torchvision/resnet18: eager ")


@pytest.mark.parametrize(("eager", "good"), [([0.9, 1.0, 1.3], True), ([1.01, 1.01, 0.8], False)])
def test_the_aim_is_about_the_median_over_networks(eager: list[float], good: bool) -> None:
    rows: list[dict[str, Any]] = [
        {"network": f"n{i}", "input": "8 px", "module_s": [1.0], "eager": [r], "layout": [0.5], "distance": 0.0}
        for i, r in enumerate(eager)
    ]
    made = kernels.page(rows, study.parse(kernels, "alsatian study kernels", []))
    assert made.good == good
    assert f"is {'' if good else 'not '}reached" in made.blocks[0]
    assert f"in {sum(r <= 1 for r in eager)} of them" in made.blocks[0]


def test_every_turn_begins_with_another_one() -> None:
    order: list[str] = []

    def noted(name: str) -> kernels.Run:
        def run() -> torch.Tensor:
            order.append(name)
            return torch.zeros(1)

        return run

    times, _ = kernels.turns({name: noted(name) for name in "abc"}, 3)
    assert "".join(order[3:]) == "abcbcacab"
    assert {name: len(own) for name, own in times.items()} == {"a": 3, "b": 3, "c": 3}


def test_what_is_no_network_of_torchvision_is_refused() -> None:
    with pytest.raises(Exception, match="none of these is a network of torchvision"):
        study.execute("kernels", ["BertModel"], print)
