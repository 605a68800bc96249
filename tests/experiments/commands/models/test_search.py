"""``alsatian search``, as a person calls it: folders in, a ranking out, and again on more data or models."""

import ast
import html
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from transformers import ViTForImageClassification

from alsatian.costs.profiling import quick
from alsatian.proxies.logistic import Logistic
from alsatian.ranking import report
from alsatian.records import ranking as records
from experiments.cli import main
from tests.contracts.mixed_checkpoints import VIT, vit, write
from tests.contracts.text_models import two_towers

# One worker reads the shared models, once.
pytestmark = pytest.mark.xdist_group("search")

NAMES = ("base", "one", "two", "three")
Search = Callable[..., int]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base and three fine-tunes of its last layer as transformers saves them, images, and a store to be."""
    root = tmp_path_factory.mktemp("search")
    base = vit(0)
    for seed, name in enumerate(NAMES):
        module = vit(seed, base) if seed else base
        module.save_pretrained(root / "models" / name)
        write(root / "models" / name / "preprocessor_config.json", VIT)
    images(root / "images", range(14))
    return root


def images(root: Path, numbers: range) -> None:
    """Images of three classes, files by number."""
    for label, kind in enumerate(("dark", "middle", "light")):
        (root / kind).mkdir(parents=True, exist_ok=True)
        for i in numbers:
            rng = np.random.default_rng([label, i])
            pixels = rng.integers(30 * label, 190 + 30 * label, (20, 20, 3), np.uint8)
            Image.fromarray(pixels).save(root / kind / f"{i}.png")


@pytest.fixture
def search(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Search:
    """In a folder of its own, with models that are read and features that no other test has left. Of so short a
    search a few items may be measured, so that it is predicted."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(quick, "SHARE", 1.0)
    for name in ("models", "images"):
        shutil.copytree(folder / name, tmp_path / name)

    def call(*words: str) -> int:
        usual = ["models", "--data", "images", "--store", str(folder / "store"), "--batch-size", "8"]
        return main(["search", *(words[:-1] if words and words[-1] == "alone" else [*usual, *words])])

    shutil.rmtree(folder / "store" / "features", ignore_errors=True)
    return call


def document(path: Path = Path("results/search/ranking.json")) -> dict[str, object]:
    found: dict[str, object] = json.loads(path.read_text())
    return found


def scores(document: dict[str, object]) -> list[tuple[str, float]]:
    rows = document["ranked"]
    assert isinstance(rows, list)
    return [(row["model"], row["score"]) for row in rows]


def test_a_ranking_in_eighty_columns(search: Search, capsys: pytest.CaptureFixture[str]) -> None:
    assert search("--top", "3", "--proxy", "logistic,logme") == 0
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    assert all(len(line) <= 80 for line in lines if not line.startswith(("model =", "extractor =")))
    order = [
        printed.index(word) for word in ("Data ", "Models ", "Plan ", "Round 1/", "Round 2/", "logme", "Report:")
    ]
    assert order == sorted(order)
    found = records.Ranking.of(document())
    assert {row.model for row in found.ranked} == set(NAMES)
    assert sum(line.startswith("Round ") for line in lines) == len(found.rounds)
    table = pd.read_csv("results/search/ranking.csv")
    assert [tuple(row) for row in table[["model", "score"]].to_numpy()] == scores(document())
    assert found.predicted_s is not None
    assert found.profile_s is not None
    assert (found.profile or "").startswith("a few items")
    assert "… and 1 more in" in printed


def test_a_search_that_is_too_short_to_measure_anything_is_not_predicted(
    search: Search, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick, "SHARE", 0.0)
    shutil.rmtree(folder / "store" / "profiles", ignore_errors=True)
    assert search() == 0
    assert "Plan       auto, halving\n" in capsys.readouterr().out
    found = records.Ranking.of(document())
    assert found.predicted_s is None
    assert found.profile == "nothing measured: the search is too short"


def test_the_three_lines_load_the_winner(search: Search, capsys: pytest.CaptureFixture[str]) -> None:
    assert search() == 0
    found = records.Ranking.of(document())
    lines = report.snippet(found)
    assert len(lines) == 3
    assert "\n".join(lines) in capsys.readouterr().out
    names: dict[str, torch.nn.Module] = {}
    exec("\n".join(lines), {}, names)  # what the command says to type
    pixels = np.asarray(Image.open("images/dark/0.png"))[None]
    extractor, model = names["extractor"], names["model"]
    prepared = extractor.preprocessing(pixels)  # type: ignore[operator]
    with torch.no_grad():
        whole = ViTForImageClassification.from_pretrained(f"models/{found.ranked[0].model}").eval()
        assert torch.equal(extractor(*prepared), whole.vit(*prepared).last_hidden_state[:, 0])
    assert model.training
    assert model(*prepared).shape == (1, 3)


@pytest.mark.parametrize("modality", ["image", "text"])
def test_of_two_towers_the_lines_load_the_one_that_was_searched(search: Search, modality: str) -> None:
    two_towers(Path("clip"), "CLIPModel")
    items = [f"{'good' if i % 2 else 'bad'} film {i}" for i in range(12)]
    pd.DataFrame({"text": items, "label": ["a", "b"] * 6}).to_csv("reviews.csv", index=False)
    data = "images" if modality == "image" else "reviews.csv"
    assert search("clip", "--data", data, "--limit", "12", "alone") == 0
    lines = report.snippet(records.Ranking.of(document()))
    assert all(f'modality="{modality}"' in line for line in lines[1:])
    names: dict[str, torch.nn.Module] = {}
    exec("\n".join(lines), {}, names)
    assert names["extractor"].preprocessing.modality == modality  # type: ignore[union-attr]


def test_another_seed_draws_other_items_whatever_was_kept(search: Search) -> None:
    assert search() == 0
    assert search("--seed", "1") == 0
    kept = document()
    assert search("--seed", "1", "--no-reuse") == 0
    assert scores(kept) == scores(document())
    assert kept["data"]["split"] == document()["data"]["split"]  # type: ignore[index]


def test_json_is_all_that_is_printed(search: Search, capsys: pytest.CaptureFixture[str]) -> None:
    assert search("--json") == 0
    out, err = capsys.readouterr()
    printed = json.loads(out)
    jsonschema.validate(printed, records.Ranking.model_json_schema(by_alias=True, mode="serialization"))
    assert printed == document()
    assert "Round 1/" in err


def test_again_on_the_same_nothing_is_extracted(search: Search, capsys: pytest.CaptureFixture[str]) -> None:
    assert search() == 0
    first = document()
    capsys.readouterr()
    assert search() == 0
    second = document()
    assert scores(second) == scores(first)
    assert second["work"]["block_items"] == 0  # type: ignore[index]
    assert "Reused     features of 4 of 4 models" in capsys.readouterr().out


def test_more_data_and_models_reuse_what_is_still_valid(search: Search, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.move("models/three", "three")
    assert search("--schedule", "exhaustive") == 0
    shutil.move("three", "models/three")
    images(Path("images"), range(14, 18))
    capsys.readouterr()
    assert search("--schedule", "exhaustive") == 0
    reused = document()
    assert "Reused     features of 3 of 4 models" in capsys.readouterr().out
    assert reused["work"]["reused_items"] > 0  # type: ignore[index]


def test_a_search_that_is_broken_off_goes_on(
    search: Search, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert search("--no-reuse", "--schedule", "exhaustive") == 0
    whole = document()
    scored, score = [], Logistic.score

    def interrupted(own: Logistic, *given: torch.Tensor) -> object:
        scored.append(1)
        if len(scored) == 3:
            raise KeyboardInterrupt
        return score(own, *given)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Logistic, "score", interrupted)
        assert search("--schedule", "exhaustive") == 130
    assert "interrupted; the same command continues" in capsys.readouterr().err
    assert search("--schedule", "exhaustive") == 0
    rest = document()
    assert scores(rest) == scores(whole)
    assert 0 < rest["work"]["block_items"] < whole["work"]["block_items"]  # type: ignore[index]
    assert "Reused     features of 2 of 4 models" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["models", "--data", "nowhere", "alone"], "data: there is no file or folder 'nowhere'"),
        (["nothing", "--data", "images", "alone"], "nothing"),
        (["--proxy", "logist"], "proxy=logist: there is no such proxy; did you mean 'logistic'"),
        (["--strategy", "autp"], "strategy=autp: there is no such strategy; did you mean 'auto'"),
        (["--kernels", "layuot"], "kernels=layuot: did you mean 'layout'"),
        (["--verify-blocks", "one"], "storage.verify_blocks=one: did you mean 'once'"),
        (["--mirror-size", "much"], "storage.mirror_size=much: not a size"),
        (["--mirrors", "/dev/null/m", "--store", "file:///a"], "no mirror of file:///a can be made there"),
        (["--numerics", "tf32"], "numerics=tf32: only GPUs compute with it; on a CPU choose fp32 or bf16"),
        (["--schedule", "halfing"], "schedule=halfing: there is no such schedule; did you mean 'halving'"),
        (["--memory", "much"], "memory=much: not a size"),
        (["--top", "0"], "--top 0: must be at least 1"),
        (["--limit", "1"], "limit=1: must be a number of items, at least 2"),
        (["--device", "tpu"], "device=tpu"),
        (["--batch-size", "0"], "batch_size=0: must be at least 1"),
        (["--seed", "-1"], "seed=-1: must be a whole number, at least 0"),
        (["--out", "images/dark/0.png"], "--out images/dark/0.png: 'images/dark/0.png' is a file; name a folder"),
        (["--out", "images/dark/0.png/a/b"], "0.png' is a file; name a folder"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_left(
    search: Search, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert search(*words) == 1
    assert message in capsys.readouterr().err
    assert not Path("results").exists()


ODD = ["ünï 'code' \"q\" [red]x[/red]", "new\nline\x1b[31m", "x" * 200, "=1,2;3", "store:one", "<b>", " "]


def test_names_are_names_whatever_they_hold(search: Search, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ODD:
        shutil.copytree("models/one", f"odd/{name}")
    os.mkdir(b"odd/\xff")
    shutil.copytree(b"models/one", b"odd/\xff", dirs_exist_ok=True)
    shutil.move("images", 'images [b] "q"\nü')
    words = ["odd", "--data", 'images [b] "q"\nü', "--schedule", "exhaustive", "--top", "9", "alone"]
    assert search(*words) == 1
    assert "its name is no UTF-8; rename it" in capsys.readouterr().err
    assert search("--skip-bad", *words) == 0
    printed = capsys.readouterr().out
    assert all(c.isprintable() or c == "\n" for c in printed)
    found = records.Ranking.of(document())
    named = [row.model for row in found.ranked]
    assert sorted(named) == sorted([*ODD, "\\udcff"])
    assert pd.read_csv("results/search/ranking.csv")["model"].tolist() == named
    page = Path("results/search/report.html").read_text()
    assert all(html.escape(name) in page for name in ODD if "'" not in name and '"' not in name)
    assert "<b>" not in page
    for row in found.ranked[:-1]:
        lines = report.snippet(found.model_copy(update={"ranked": (row,)}))
        assert ast.literal_eval(lines[1].removeprefix("extractor = alsatian.load(").removesuffix(")")) == row.source


def test_a_bad_checkpoint_can_be_left_out(search: Search, capsys: pytest.CaptureFixture[str]) -> None:
    Path("models/bad.pt").write_bytes(b"no weights")
    assert search() == 1
    assert "bad.pt" in capsys.readouterr().err
    assert search("--skip-bad") == 0
    last = records.Ranking.of(document()).ranked[-1]
    assert last.model.startswith("bad")
    assert last.failed


def test_numbers_are_scored_by_ridge_regression(search: Search, capsys: pytest.CaptureFixture[str]) -> None:
    paths = sorted(Path("images").rglob("*.png"))
    table = pd.DataFrame({"path": [str(path) for path in paths], "label": [0.5 + i / 7 for i in range(len(paths))]})
    table.to_csv("numbers.csv", index=False)
    assert search("models", "--data", "numbers.csv", "--store", "store", "--batch-size", "8", "alone") == 0
    found = records.Ranking.of(document())
    assert found.proxies == ("ridge",)
    assert "ridge" in capsys.readouterr().out
    assert "classes=1)" in report.snippet(found)[-1]


@pytest.mark.parametrize("choice", ["best", "mean"])
def test_inner_layers(search: Search, choice: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert search("--layers", choice) == 0
    printed = " ".join(capsys.readouterr().out.split())
    found = records.Ranking.of(document())
    layers = vit(0).config.num_hidden_layers
    assert {row.layers for row in found.ranked} == {layers}
    table = pd.read_csv("results/search/ranking.csv")
    page = Path("results/search/report.html").read_text()
    if choice == "best":
        assert all(1 <= (row.layer or 0) <= layers for row in found.ranked)
        assert f"A score is the best of a model's {layers} layers" in printed
        assert f"{found.ranked[0].layer}/{layers}" in printed
        assert ">Layer</th>" in page
        assert list(table["layer"]) == [row.layer for row in found.ranked]
    else:
        assert f"Features are the mean over a model's {layers} layers" in printed
        assert {row.layer for row in found.ranked} == {None}
        assert "layer" not in table
        assert ">Layer</th>" not in page
    assert search("--layers", "middle") == 1
    assert "layers=middle: valid are: best, last, mean" in " ".join(capsys.readouterr().err.split())


def test_kernels_and_numbers_are_said(search: Search, capsys: pytest.CaptureFixture[str]) -> None:
    assert search("--json") == 0
    usual = json.loads(capsys.readouterr().out)
    assert (usual["kernels"], usual["numerics"]) == ("layout", "fp32")
    assert search("--kernels", "eager", "--numerics", "bf16") == 0
    capsys.readouterr()
    found = document()
    assert (found["kernels"], found["numerics"]) == ("eager", "bf16")
    assert {model for model, _ in scores(found)} == set(NAMES)
    assert "in bf16 by eager kernels" in Path("results/search/report.html").read_text()
