"""``alsatian inspect`` shows what one model is, whether it is of the store or of its user."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from alsatian.errors import SplitError
from alsatian.models.inspection import BlockFacts
from alsatian.models.sets.folder import add_path
from alsatian.store.store import BlockStore
from experiments import cli
from experiments.commands.models.inspect import runs
from tests.models.reading.checkpoint_files import bert, save_bert, save_vit, vit, write_lora


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base, two that share with it, and a text model; the first two are in the store."""
    folder = tmp_path_factory.mktemp("inspect")
    save_vit(vit(), folder / "base")
    tuned = vit()
    with torch.no_grad():
        tuned.vit.layers[1].mlp.fc1.weight.add_(1)
    save_vit(tuned, folder / "tuned")
    save_vit(vit(), folder / "mine")
    state = load_file(folder / "mine" / "model.safetensors")
    save_file(
        {n: t + 1 if "layernorm" in n and t.dim() == 1 and "vit.layernorm" in n else t for n, t in state.items()},
        folder / "mine" / "model.safetensors",
    )
    save_bert(bert(), folder / "text")
    write_lora(folder / "adapter", "base", ["vit.layers.1.attention.v_proj"])
    store = BlockStore(folder / "store")
    for name in ("base", "tuned"):
        add_path(store, folder / name)
    return folder


@pytest.fixture
def here(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(root)
    return root


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = cli.main(["inspect", *words])
    output = capsys.readouterr()
    return status, output.out, output.err


def test_facts_of_a_model_of_ones_own(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted((here / "store").rglob("*.safetensors"))
    status, text, _ = call(capsys, "tuned", "--json")
    assert status == 0
    found = json.loads(text)
    chain = BlockStore("store").model("tuned").blocks
    assert [block["identity"] for block in found["blocks"]] == [block.identity for block in chain]
    assert [block["bytes"] for block in found["blocks"]] == [block.parameter_bytes for block in chain]
    assert [block["output_bytes"] for block in found["blocks"]] == [block.output_bytes for block in chain]
    assert found["bytes"] == sum(block.parameter_bytes for block in chain)
    base = {block.identity for block in BlockStore("store").model("base").blocks}
    common = [block for block in chain if block.identity in base]
    prefix = next(
        i for i, (a, b) in enumerate(zip(chain, BlockStore("store").model("base").blocks, strict=True)) if a != b
    )
    assert [one["id"] for one in found["shared"]] == [
        "tuned",
        "base",
    ]  # what is stored of the same files comes first
    assert found["shared"][1] == {
        "id": "base",
        "prefix": prefix,
        "prefix_bytes": sum(block.parameter_bytes for block in chain[:prefix]),
        "blocks": len(common),
        "bytes": sum(block.parameter_bytes for block in common),
    }
    assert [block["models"] for block in found["blocks"]] == [2 if b.identity in base else 1 for b in chain]
    assert sum(block["flops"] for block in found["blocks"]) == found["flops"] > 0
    assert sorted((here / "store").rglob("*.safetensors")) == before  # it is not added


def test_a_model_of_the_store_is_compared_with_the_others(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for word in ("store:base", "store:bas*"):
        status, text, _ = call(capsys, word, "--json")
        assert status == 0
        assert [one["id"] for one in json.loads(text)["shared"]] == ["tuned"]


def test_the_text_fits_a_terminal(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["tuned"], ["text"], ["mine", "--blocks"]):
        status, text, _ = call(capsys, *words)
        assert status == 0
        assert max(map(len, text.splitlines())) <= 80
    assert "shares blocks with 2 models of store" in text
    assert "--blocks shows" not in text


def test_what_a_model_takes_is_said_in_words(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, text, _ = call(capsys, "tuned")
    words = " ".join(text.split())
    assert "input images of 32×32 pixels" in words
    assert "size height 32 width 32" in words
    assert "interpolation bilinear" in words
    assert "mean 0.5/0.5/0.5, std 0.25/0.25/0.25" in words
    assert "head cut off, features are its input" in words
    _, text, _ = call(capsys, "text")
    words = " ".join(text.split())
    assert "input texts of at most 16 tokens" in words
    assert "pooling mean_tokens" in words
    assert "assumed pooling: mean_tokens; its files say none" in words
    assert "shares no block with the models of store" in words


def test_layers_that_follow_each_other_with_equal_code_are_one_row() -> None:
    def facts(layer: str, code: str) -> BlockFacts:
        return BlockFacts(0, layer, "linear", "", code, 1, 1, 1, 1, 0)

    chain = [
        ("stem", "s"),
        ("a.0", "x"),
        ("a.0", "y"),
        ("a.1", "x"),
        ("a.1", "y"),
        ("a.2", "x"),
        ("a.2", "z"),
        ("head", "x"),
    ]
    found = runs(tuple(facts(*each) for each in chain))
    assert [[(block.layer, block.architecture) for block in run] for run in found] == [
        chain[:1], chain[1:5], chain[5:7], chain[7:],
    ]  # fmt: skip


def test_a_model_that_cannot_be_split_says_why(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise SplitError("ImageExtractor cannot be exported: its control flow is data-dependent\nmore")

    monkeypatch.setattr("alsatian.models.reading.saved_models.architecture", refuse)
    status, text, error = call(capsys, "mine")
    assert (status, text) == (1, "")
    assert error == (
        "alsatian: mine: cannot be split: ImageExtractor cannot be exported: its control flow is data-dependent\n"
    )


WRONG = [
    (["nothing"], "nothing: there is no such path"),
    (["store:bsae"], "store:bsae: the store has no such model; did you mean 'base'?"),
    (["."], "names 5 models (adapter, base, mine, …); name one of them"),
    (["adapter"], "its base 'base' is not in this folder"),
    (["base", "--store", "base"], None),
]


@pytest.mark.parametrize(("words", "message"), WRONG)
def test_words_that_name_no_single_model(
    here: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str | None
) -> None:
    status, _, error = call(capsys, *words)
    if message is None:  # a folder that is no store holds nothing to compare with
        assert status == 0
        return
    assert status == 1
    assert message in error
    assert len(error.splitlines()) == 1
