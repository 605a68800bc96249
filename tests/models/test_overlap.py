"""What models have in common, and why they do not share more."""

import dataclasses
import json

import pytest
import torch
from safetensors.torch import save_file

from alsatian.blocks.candidate import Candidate
from alsatian.blocks.fingerprint import block_identity
from alsatian.blocks.split import split
from alsatian.blocks.store import BlockStore
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.errors import ConfigError
from alsatian.models.differences import BATCH_NORM, DIFFERENT, DTYPE, LOW_RANK, OPERATORS, difference, low_rank
from alsatian.models.model_set import ModelSet, add_module
from alsatian.models.overlap import study
from experiments.commands import overlap as command

PREPROCESSING = ImagePreprocessing(8)
SIZE = 24


def product(rows, columns, rank, seed=0):
    generator = torch.Generator().manual_seed(seed)
    left = torch.randn(rows, rank, generator=generator)
    return left @ torch.randn(rank, columns, generator=generator)


@pytest.mark.parametrize("rank", [1, 3, 16])
@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_low_rank(rank, scale):
    base = torch.randn(96, 64) * 0.05
    merged = base + scale * product(96, 64, rank)
    assert low_rank(base, merged) == low_rank(merged, base) == rank


def test_low_rank_of_merges_in_half_precision():
    base = torch.randn(256, 256) * 0.05
    merged = (base + 0.2 * product(256, 256, 4)).to(torch.bfloat16).float()
    assert low_rank(base, merged) == 4


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (torch.zeros(64, 64), torch.randn(64, 64)),
        (torch.zeros(64, 64), product(64, 64, 17)),  # above a quarter
        (torch.zeros(3, 64), product(3, 64, 1)),  # too small to tell
        (torch.zeros(64), torch.ones(64)),
        (torch.zeros(64, 64), torch.full((64, 64), torch.nan)),
        (torch.zeros(8, 8, dtype=torch.int64), torch.ones(8, 8, dtype=torch.int64)),
    ],
)
def test_not_low_rank(ours, theirs):
    assert low_rank(ours, theirs) is None


def test_convolutions_are_matrices_of_their_outputs():
    assert low_rank(torch.zeros(16, 4, 3, 3), product(16, 36, 2).view(16, 4, 3, 3)) == 2


def reason(ours, theirs, **options):
    return difference(ours, theirs, **options).reason


def test_reasons():
    weight, mean = torch.randn(32, 32), torch.randn(32)
    names = ("conv.weight", "bn.running_mean")
    assert reason([weight, mean], [weight, mean]) is None
    assert reason([weight, mean], [weight, mean], same_operators=False) == OPERATORS
    assert reason([weight, mean], [weight, mean + 1], names=names) == BATCH_NORM
    assert reason([weight, mean], [weight, mean + 1]) == DIFFERENT  # nothing says what it is
    assert reason([weight, mean], [weight + 1e-3 * torch.randn(32, 32), mean]) == DIFFERENT
    found = difference([weight, mean], [weight + product(32, 32, 2), mean], names)
    assert (found.reason, found.rank, found.tensors) == (LOW_RANK, 2, 1)
    assert reason([weight, mean], [weight + product(32, 32, 2), mean + 1], names=names) == DIFFERENT


@pytest.mark.parametrize("lower", [torch.bfloat16, torch.float16])
def test_dtypes_are_seen_even_if_both_are_read_in_float32(lower):
    weight = torch.randn(32, 32)
    for copy in (weight.to(lower), weight.to(lower).float()):
        found = difference([weight], [copy])
        assert (found.reason, found.detail) == (DTYPE, str(lower).removeprefix("torch."))
        assert reason([copy], [weight], same_operators=copy.dtype == weight.dtype) == DTYPE
    assert reason([weight], [(weight * 1.1).to(lower)]) == DIFFERENT


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
    json.dumps(found.as_dict(), allow_nan=False)


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
    block = store.add_block(block_identity("half", ""), tensors, 16)
    candidates.append(Candidate("b", (block,), None, PREPROCESSING))
    found = study(candidates, store)
    assert [m.near_miss.reason for m in found.models if m.near_miss] == [DTYPE, DTYPE]


def test_long_chains_and_many_models_take_linear_time(store):
    """Two thousand chains over few blocks; comparing all pairs would take minutes."""
    blocks = [store.add_block("x", [torch.full((4, 4), float(i))], 8) for i in range(40)]
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


@pytest.fixture
def folder(tmp_path):
    """Four ResNets: a base, other batch-norm statistics, a copy in half precision, a fine-tune."""
    from torchvision.models import resnet18

    torch.manual_seed(0)
    base = resnet18(num_classes=5).state_dict()
    kinds = {
        "base": base,
        "statistics": {n: t + 1 if n.endswith("running_mean") else t for n, t in base.items()},
        "half": {n: t.to(torch.bfloat16) if t.is_floating_point() else t for n, t in base.items()},
        "tuned": {n: t + torch.rand_like(t) if n.startswith("layer4.1.conv") else t for n, t in base.items()},
    }
    root = tmp_path / "models"
    root.mkdir()
    for name, state in kinds.items():
        save_file(state, root / f"{name}.safetensors")
    value = {"source": "torchvision", "name": "resnet18", "options": {"num_classes": 5}, "size": 32}
    (root / "alsatian.json").write_text(json.dumps(value))
    return root


def call(monkeypatch, tmp_path, capsys, *words):
    """Run the command in a folder of its own; its status and what it printed."""
    import argparse

    from rich.console import Console

    monkeypatch.chdir(tmp_path)
    parser = argparse.ArgumentParser()
    command.configure(parser)
    status = command.handle(parser.parse_args([str(word) for word in words]), Console(width=200))
    return status, capsys.readouterr()


def test_the_command_over_a_folder(monkeypatch, tmp_path, capsys, folder):
    status, printed = call(monkeypatch, tmp_path, capsys, folder)
    assert status == 0
    assert "4 models in 3 families" in printed.out
    assert "batch-norm statistics differ" in printed.out
    assert "equal up to dtype (bfloat16)" in printed.out
    written = sorted(path.name for path in (tmp_path / "results" / "overlap").iterdir())
    assert written == ["overlap.csv", "overlap.json", "overlap.pdf", "overlap.png"]
    found = json.loads((tmp_path / "results" / "overlap" / "overlap.json").read_text())
    reasons = {m["id"]: m["near_miss"] and m["near_miss"]["reason"] for m in found["models"]}
    assert (reasons["statistics"], reasons["half"], reasons["tuned"]) == (BATCH_NORM, DTYPE, DIFFERENT)

    BlockStore(tmp_path / "store").add_set("pair", ["base", "tuned"], {})
    status, printed = call(monkeypatch, tmp_path, capsys, "--set", "pair", "half")
    assert status == 0
    assert "3 models in 2 families" in printed.out

    (folder / "bad.pkl").write_bytes(b"")
    status, printed = call(monkeypatch, tmp_path, capsys, folder)
    assert status == 1
    assert "bad.pkl: is refused" in printed.err
    assert "4 models" in printed.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name folders or models"),
        (["nothing"], "nothing: is neither a folder or file nor a model of store"),
        (["--set", "nothing"], "--set=nothing: store has no such model set"),
        (["x", "--length", "1"], "--length=1"),
    ],
)
def test_bad_words_end_in_one_line(monkeypatch, tmp_path, capsys, words, message):
    with pytest.raises(ConfigError) as caught:
        call(monkeypatch, tmp_path, capsys, *words)
    assert message in str(caught.value)
