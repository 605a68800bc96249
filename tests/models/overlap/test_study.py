"""What models have in common, and why they do not share more."""

import dataclasses
import json

import pytest
import torch

from alsatian.blocks.candidate import Candidate
from alsatian.blocks.split import split
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.errors import ConfigError
from alsatian.fingerprint import block_identity
from alsatian.models.model_set import ModelSet
from alsatian.models.overlap.differences import BATCH_NORM, DIFFERENT, DTYPE, LOW_RANK, OPERATORS
from alsatian.models.overlap.study import study
from alsatian.models.storing import add_module
from alsatian.records import Overlap
from alsatian.store.store import BlockStore
from tests.stores import add_block

PREPROCESSING = ImagePreprocessing(8)
SIZE = 24


def product(rows, columns, rank, seed=0):
    generator = torch.Generator().manual_seed(seed)
    left = torch.randn(rows, rank, generator=generator)
    return left @ torch.randn(rank, columns, generator=generator)


class Net(torch.nn.Module):
    """Two stages with batch norm, then two linear layers."""

    def __init__(self, activation=torch.nn.ReLU) -> None:
        super().__init__()
        self.stages = torch.nn.Sequential(
            *(
                torch.nn.Sequential(
                    torch.nn.Conv2d(i, o, 3, stride=2, padding=1), torch.nn.BatchNorm2d(o), activation()
                )
                for i, o in ((3, 8), (8, SIZE))
            )
        )
        self.first, self.second = torch.nn.Linear(SIZE, SIZE), torch.nn.Linear(SIZE, SIZE)

    def forward(self, pixels):
        return self.second(torch.relu(self.first(self.stages(pixels).mean((2, 3)))))


@pytest.fixture
def net(scrambled):
    def make(activation=torch.nn.ReLU):
        torch.manual_seed(0)
        return scrambled(Net(activation))

    return make


@pytest.fixture
def store(tmp_path):
    return BlockStore(tmp_path / "store")


def studied(store, modules, preprocessing=PREPROCESSING):
    """The study of modules by id, and each model's row by id."""
    models = ModelSet.from_modules(store, modules, preprocessing)
    found = study(models.candidates, store, models.segments)
    return found, {model.id: model for model in found.models}


def test_shares_histogram_families_and_bytes(store, net, tiny):
    tuned, other = net(), net()
    with torch.no_grad():
        tuned.second.weight.normal_()
        other.first.weight.normal_()
    modules = {
        "base": net(),
        "tuned": tuned,
        "other": other,
        "a": tiny("aaaa"),
        "b": tiny("aabb"),
        "c": tiny("cccc"),
    }
    found, rows = studied(store, modules)
    blocks = rows["base"].blocks
    assert (rows["tuned"].shared_blocks, rows["other"].shared_blocks) == (blocks - 1, blocks - 2)
    assert (rows["a"].shared_blocks, rows["b"].shared_blocks, rows["c"].shared_blocks) == (2, 2, 0)
    assert rows["tuned"].partner == "base"
    assert rows["c"].partner is None
    # The last block of "other" is the base's, though its prefix ends before.
    assert rows["other"].common_blocks == blocks - 1
    assert found.share_with_prefix == found.share_with_common_blocks == 5 / 6
    assert found.prefix_lengths == {0: 1, 2: 3 if blocks == 4 else 2} | {blocks - 2: 3 if blocks == 4 else 1} | {
        blocks - 1: 2
    }
    assert [family.models for family in found.families] == [("base", "tuned", "other"), ("a", "b"), ("c",)]
    assert sum(family.total_bytes for family in found.families) == found.total_bytes
    assert sum(family.distinct_bytes for family in found.families) == found.distinct_bytes < found.total_bytes
    assert found.near_misses == ()
    assert rows["tuned"].near_miss.reason == DIFFERENT
    again = json.loads(json.dumps(found.plain(), allow_nan=False))
    assert Overlap.of(again) == found
    assert again["share_with_prefix"] == 5 / 6


def test_near_misses_are_found_with_their_nearest_model(store, net):
    modules = {name: net() for name in ("base", "far", "statistics", "half", "lora", "equal")}
    with torch.no_grad():
        for parameter in modules["far"].parameters():
            parameter.normal_()
        for name, buffer in modules["statistics"].named_buffers():
            if name.endswith("running_mean"):
                buffer.add_(1)
        for tensor in (*modules["half"].parameters(), *modules["half"].buffers()):
            tensor.copy_(tensor.to(torch.bfloat16))
        modules["lora"].first.weight.add_(product(SIZE, SIZE, 3))
        modules["lora"].second.weight.add_(product(SIZE, SIZE, 2))
    found, rows = studied(store, modules)
    blocks = rows["base"].blocks
    misses = {name: row.near_miss for name, row in rows.items()}
    assert misses["base"] is None  # "equal" shares everything with it
    assert (misses["statistics"].reason, misses["statistics"].block) == (BATCH_NORM, 0)
    assert misses["statistics"].lost_blocks == blocks
    assert misses["statistics"].lost_bytes == rows["base"].parameter_bytes
    assert (misses["half"].reason, misses["half"].detail, misses["half"].lost_blocks) == (DTYPE, "bfloat16", blocks)
    assert (misses["lora"].reason, misses["lora"].rank) == (LOW_RANK, 3)
    assert misses["lora"].block + misses["lora"].lost_blocks == blocks
    assert rows["lora"].shared_blocks == misses["lora"].block > 0
    assert misses["far"].reason == DIFFERENT
    assert misses["half"].partner == "base"  # not one that parts from it further on
    assert not misses["far"].near
    assert {m.id for m in found.near_misses} == {"statistics", "half", "lora"}
    assert {misses[name].partner for name in ("statistics", "half", "lora")} <= {"base", "equal"}


def test_equal_blocks_behind_other_preprocessing_or_operators(store, net):
    models = ModelSet.from_modules(store, {"a": net(), "b": net(), "c": net(torch.nn.GELU)}, PREPROCESSING)
    a, b, c = models.candidates
    b = dataclasses.replace(b, preprocessing=ImagePreprocessing(8, mean=(0.0, 0.0, 0.0)))
    found = study([a, b, c], store, models.segments)
    rows = {model.id: model for model in found.models}
    assert rows["a"].shared_blocks == rows["b"].shared_blocks == 0
    assert rows["a"].near_miss.reason == rows["b"].near_miss.reason == "preprocessing differs"
    assert rows["a"].near_miss.lost_blocks == len(a.blocks)
    assert rows["c"].near_miss.reason == OPERATORS
    assert rows["c"].near_miss.partner == "a"


def test_half_precision_modules_differ_from_full_up_to_dtype(store):
    layers = {name: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 8)).eval() for name in ("a", "b")}
    layers["b"].load_state_dict(layers["a"].state_dict())
    candidates = [
        add_module(store, "a", layers["a"], split(layers["a"], PREPROCESSING.example()), None, PREPROCESSING)
    ]
    # The same model as half precision would be stored.
    tensors = [p.to(torch.float16) for p in layers["b"].parameters()]
    block = add_block(store, block_identity("half", ""), tensors, 16)
    candidates.append(Candidate("b", (*candidates[0].blocks[:-1], block), None, PREPROCESSING))
    found = study(candidates, store)
    assert [m.near_miss.reason for m in found.models if m.near_miss] == [DTYPE, DTYPE]
    # What comes before, a change of shape without parameters, is nothing to share.
    assert [m.shared_blocks for m in found.models] == [0, 0]
    assert len(found.families) == 2


def test_long_chains_and_many_models_take_linear_time(store):
    """Two thousand chains over few blocks; comparing all pairs would take minutes."""
    blocks = [add_block(store, "x", [torch.full((4, 4), float(i))], 8) for i in range(40)]
    candidates = [
        Candidate(
            str(i), tuple(blocks[j] if j != i % 30 else blocks[30 + i % 10] for j in range(30)), None, PREPROCESSING
        )
        for i in range(2000)
    ]
    found = study(candidates, store)
    assert len(found.models) == 2000


def test_no_models(store):
    with pytest.raises(ConfigError, match="no model to study"):
        study([], store)
