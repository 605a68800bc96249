"""Synthetic sets: the paper's procedure, what is shared, what is drawn, and what survives an interruption."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from omegaconf import OmegaConf

from alsatian.api import search
from alsatian.data.dataset import make_dataset
from alsatian.data.text import text_items
from alsatian.errors import ConfigError
from alsatian.models.model_set import ModelSet
from alsatian.models.reading.parameters import weights
from alsatian.models.sets.distributions import DISTRIBUTIONS, changed_blocks
from alsatian.models.sets.synthetic import SyntheticSet, letter_tokenizer, redraw
from alsatian.searching.schedules import Exhaustive
from alsatian.searching.strategy import Strategy
from alsatian.store.maintenance import verify
from alsatian.store.store import BlockStore
from alsatian.store.writer import StoreWriter
from experiments.configuration.composition import cells
from experiments.configuration.menu import choices
from experiments.configuration.setup import strategy_named

VIT: dict[str, Any] = {
    "architecture": "VisionTransformer",
    "options": {
        "image_size": 16, "patch_size": 8, "num_layers": 4, "num_heads": 2, "hidden_dim": 16, "mlp_dim": 32,
    },
    "size": 16,
}  # fmt: skip
BERT: dict[str, Any] = {
    "source": "transformers",
    "architecture": "BertModel",
    "options": {
        "vocab_size": 200, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 32, "max_position_embeddings": 16,
    },
    "size": None,
    "length": 8,
}  # fmt: skip


def tiny(**changes: Any) -> SyntheticSet:
    return SyntheticSet(**{**VIT, "count": 6, "distribution": "top_25", **changes})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    return tiny(count=12, distribution="top_50").open(BlockStore(tmp_path_factory.mktemp("store")))


def shared(one: ModelSet, model: int, other: int) -> int:
    """Length of the common prefix of two models' chains, in blocks."""
    pairs = zip(one.candidates[model].blocks, one.candidates[other].blocks, strict=True)
    same = [a.identity == b.identity for a, b in pairs]
    return same.index(False) if False in same else len(same)


@pytest.mark.parametrize(
    ("name", "mean", "deviation"), [("top_layers", 0.1, 0.5), ("top_25", 0.25, 0.5), ("top_50", 0.5, 0.25)]
)
def test_the_number_of_new_blocks_follows_the_distribution(name: str, mean: float, deviation: float) -> None:
    rng = np.random.default_rng(0)
    drawn = np.array([changed_blocks(name, 200, rng, least=0) for _ in range(20_000)])
    # Cutting the normal off at zero, two deviations below the mean, moves mean and deviation a little.
    assert drawn.mean() == pytest.approx(200 * mean, rel=0.04)
    assert drawn.std() == pytest.approx(200 * mean * deviation, rel=0.08)
    assert drawn.min() >= 0
    assert drawn.max() <= 200


def test_zero_new_blocks_only_where_asked_for() -> None:
    assert set(DISTRIBUTIONS) == {"top_layers", "top_25", "top_50"}
    draws = {
        least: {changed_blocks("top_layers", 6, np.random.default_rng(s), least) for s in range(200)}
        for least in (0, 1)
    }
    assert min(draws[1]) == 1
    assert min(draws[0]) == 0


def test_sharing_is_what_the_procedure_says(made: ModelSet) -> None:
    place = {candidate.id: i for i, candidate in enumerate(made.candidates)}
    assert made.candidates[0].metadata["parent"] is None
    for i, candidate in enumerate(made.candidates[1:], start=1):
        parent = place[candidate.metadata["parent"]]
        assert parent < i
        # Every block of this architecture has parameters, so n counts blocks.
        assert shared(made, i, parent) == len(candidate.blocks) - candidate.metadata["changed_blocks"]
        assert shared(made, i, parent) == candidate.metadata["shared_blocks"]


def test_every_model_has_an_id_of_its_own_and_none_is_a_clone(made: ModelSet) -> None:
    assert len({candidate.id for candidate in made.candidates}) == 12
    assert len({tuple(b.identity for b in c.blocks) for c in made.candidates}) == 12
    key = made.candidates[0].id.removesuffix("-00")
    assert [c.id for c in made.candidates] == [f"{key}-{i:02d}" for i in range(12)]


def test_clones_where_asked_for_have_ids_of_their_own(tmp_path: Path) -> None:
    models = tiny(count=30, distribution="top_layers", clones=True).open(BlockStore(tmp_path))
    assert len({c.id for c in models.candidates}) == 30
    clones = [c for c in models.candidates if c.metadata.get("changed_blocks") == 0]
    assert clones
    chains = {c.id: c.blocks for c in models.candidates}
    assert all(c.blocks == chains[c.metadata["parent"]] for c in clones)


def test_only_distinct_blocks_lie_on_disk(tmp_path: Path) -> None:
    models = tiny(count=20, distribution="top_layers").open(BlockStore(tmp_path))
    files = list((tmp_path / "blocks").rglob("*.safetensors"))
    assert len(files) == len({b.identity for c in models.candidates for b in c.blocks})
    held = sum(tensor.nbytes for path in files for tensor in safetensors.torch.load_file(path).values())
    assert held == models.distinct_bytes < models.total_bytes / 3
    (path,) = (tmp_path / "sets").glob("*.json")
    metadata = json.loads(path.read_text())["metadata"]
    assert (metadata["distinct_bytes"], metadata["total_bytes"]) == (models.distinct_bytes, models.total_bytes)


def test_the_same_seed_gives_the_same_set_and_another_seed_another(tmp_path: Path) -> None:
    digests = []
    for i, seed in enumerate((0, 0, 1)):
        torch.manual_seed(i)  # the caller's random state must not matter
        digests.append(tiny(seed=seed).open(BlockStore(tmp_path / str(i))).digest)
    assert digests[0] == digests[1] != digests[2]


def test_the_number_of_threads_does_not_matter() -> None:
    origin = torch.randn(300, 700, generator=torch.Generator().manual_seed(0))
    threads = torch.get_num_threads()
    found = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            found.append(redraw(_Segment(("a.weight",), (True,)), [origin], (0, 1))[0])
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*found)


class _Segment:
    """As much of a segment as drawing needs."""

    def __init__(self, names: tuple[str, ...], trainable: tuple[bool, ...]) -> None:
        self.parameter_names = names
        self.trainable = trainable


def test_new_values_have_the_scale_of_the_origin_and_tables_stay() -> None:
    names = ("w", "scale", "bias", "bn.running_mean", "bn.running_var", "inv_freq", "positions")
    origin = [
        torch.randn(400, 100) * 0.3 + 1, torch.ones(4000), torch.zeros(4000), torch.zeros(4000),
        torch.rand(4000) + 0.5, torch.rand(8), torch.arange(8),
    ]  # fmt: skip
    segment = _Segment(names, (True, True, True, False, False, False, False))
    new = dict(zip(names, redraw(segment, origin, (0, 1)), strict=True))  # type: ignore[arg-type]
    other = dict(zip(names, redraw(segment, origin, (0, 2)), strict=True))  # type: ignore[arg-type]
    old = dict(zip(names, origin, strict=True))
    for name in names[:5]:
        assert new[name].dtype == old[name].dtype
        assert not torch.equal(new[name], old[name])
        assert not torch.equal(new[name], other[name])
        assert new[name].mean() == pytest.approx(float(old[name].mean()), abs=0.01)
    assert new["w"].std() == pytest.approx(0.3, rel=0.02)
    assert new["scale"].std() == pytest.approx(0.02, rel=0.1)
    assert new["bn.running_var"].min() > 0
    assert torch.equal(new["inv_freq"], old["inv_freq"])
    assert torch.equal(new["positions"], old["positions"])


@pytest.mark.parametrize("after", [0, 1, 5])
def test_a_set_broken_off_goes_on_to_the_same_models(
    tmp_path: Path, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tiny().open(BlockStore(tmp_path / "whole")).digest
    store = BlockStore(tmp_path / "broken")
    written = []
    add_model = StoreWriter.add_model

    def failing(self: StoreWriter, candidate: Any) -> None:
        if len(written) == after:
            raise RuntimeError("out of power")
        written.append(candidate.id)
        add_model(self, candidate)

    with monkeypatch.context() as patch:
        patch.setattr(StoreWriter, "add_model", failing)
        with pytest.raises(RuntimeError, match="out of power"):
            tiny().open(store)
    assert not store.set_names()
    assert len(store.model_ids()) == after
    assert tiny().open(store).digest == whole


def test_damaged_descriptions_are_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = BlockStore(tmp_path)
    first = tiny().open(store)
    damaged = [store.manifest_path(first.candidates[i].id) for i in (0, 2)]
    for path in damaged:
        path.write_text(path.read_text().replace('"schema": 1', '"schema": 3'))
    assert tiny().open(store).digest == first.digest
    assert {message.partition(": ")[0] for message in caplog.messages} == set(map(str, damaged))
    assert verify(store) == []


def test_a_set_that_is_there_is_only_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tiny().open(BlockStore(tmp_path))
    monkeypatch.setattr(SyntheticSet, "_make", lambda *_: pytest.fail("made again"))
    assert tiny().open(BlockStore(tmp_path)).digest == first.digest


def test_strategies_agree_on_a_synthetic_set(tmp_path: Path) -> None:
    models = SyntheticSet(architecture="shufflenet_v2_x0_5", size=32, count=4, distribution="top_50").open(
        BlockStore(tmp_path)
    )
    rng = np.random.default_rng(0)
    data = make_dataset("noise", rng.integers(0, 256, (40, 32, 32), dtype=np.uint8), np.arange(40) % 2)
    ours = search(models, data, strategy=Strategy(schedule=Exhaustive()), batch_size=16, verify=True)
    theirs = search(models, data, strategy=strategy_named("base"), batch_size=16, verify=True)
    assert ours.rounds[-1].scores == theirs.rounds[-1].scores
    assert ours.rounds[-1].fingerprints == theirs.rounds[-1].fingerprints
    assert len(set(ours.rounds[-1].fingerprints.values())) == 4
    assert ours.measurement.counters["block_items"] < theirs.measurement.counters["block_items"]


def test_text_models_get_a_tokenizer_of_characters(tmp_path: Path) -> None:
    models = SyntheticSet(**BERT, count=3).open(BlockStore(tmp_path))
    texts = ["a fine film", "not so", "Nothing happens; twice.", "yes"] * 10
    data = make_dataset("texts", text_items(texts), np.arange(40) % 2)
    result = search(models, data, batch_size=16, verify=True)
    assert len(result.ranked) == 3
    ids, mask = models.candidates[0].preprocessing(text_items(["ab", "b"]))
    assert ids.shape == mask.shape == (2, 8)
    assert mask.sum(1).tolist() == [4, 3]
    assert letter_tokenizer() == letter_tokenizer()


def test_a_start_can_come_from_a_file(tmp_path: Path, scrambled: Any) -> None:
    from torchvision.models import VisionTransformer

    options: dict[str, Any] = VIT["options"]
    module = scrambled(VisionTransformer(**options))
    torch.save(module.state_dict(), tmp_path / "start.pt")
    safetensors.torch.save_file(module.state_dict(), tmp_path / "start.safetensors")
    sets = [tiny(weights=str(tmp_path / f"start.{kind}"), count=2) for kind in ("pt", "safetensors")]
    opened = [each.open(BlockStore(tmp_path / str(i))) for i, each in enumerate(sets)]
    chains = [models.candidates[0].blocks for models in opened]
    assert chains[0] == chains[1]
    first = opened[0].store.load_block(chains[0][0].identity, "")
    assert torch.equal(first[0], module.conv_proj.weight)
    assert "the parameters in start.pt" in opened[0].candidates[0].metadata["start"]
    assert opened[0].digest != tiny(count=2).open(BlockStore(tmp_path / "random")).digest


def test_weights_that_are_not_cached_give_a_random_start_and_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    spec = SyntheticSet(architecture="resnet18").spec
    found = weights.find_weights("torchvision:DEFAULT", spec)
    assert found.file is None
    assert "resnet18-f37072fd.pth is not in PyTorch's local cache" in found.note
    file = tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"anything")
    assert weights.find_weights("torchvision:DEFAULT", spec).file == file
    models = tiny(count=1)
    assert models.open(BlockStore(tmp_path / "store")).candidates[0].metadata["start"] == "random parameters"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": 0}, "the model set is empty"),
        ({"size": None}, "set either size"),
        ({"length": 8}, "set either size"),
        ({"size": 0}, "size and length must be at least 1"),
        ({"size": None, "length": -1}, "size and length must be at least 1"),
        ({"seed": -1}, "seed at least 0"),
        ({"distribution": "top_26"}, "did you mean 'top_25'?"),
        ({"architecture": "resnet19"}, "did you mean 'resnet1"),
        ({"source": "torchvison"}, "did you mean 'torchvision'?"),
        ({"weights": "nowhere.pt"}, "weights=nowhere.pt: there is no such file"),
        ({"architecture": "resnet18", "weights": "torchvision:DEFAUL"}, "did you mean 'DEFAULT'?"),
        ({**BERT, "options": {**BERT["options"], "vocab_size": 90}}, "vocab_size=90"),
    ],
)
def test_bad_settings_end_in_one_line(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        tiny(**changes).open(BlockStore(tmp_path))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


# What a figure's network decides composes in the figures only.
SETS = [name for name in choices("model_set") if name.startswith("synthetic") and name != "synthetic_network"]


@pytest.mark.parametrize("name", SETS)
def test_every_shipped_set_composes_at_every_scale(name: str) -> None:
    counts = {}
    for scale in choices("scale"):
        (cell,) = cells([f"model_set={name}", f"scale={scale}", "model_set.distribution=top_50"])
        settings = OmegaConf.to_container(cell.config.model_set, resolve=True)
        assert isinstance(settings, dict)
        assert settings.pop("_target_") == "alsatian.models.sets.synthetic.SyntheticSet"
        composed = SyntheticSet(**{str(key): value for key, value in settings.items()})
        assert (composed.name, composed.distribution) == (name, "top_50")
        counts[scale] = composed.count
    assert counts["ci"] <= 4
    assert counts["laptop"] == (8 if name == "synthetic" else 35)


def test_a_file_of_another_architecture_is_refused(tmp_path: Path) -> None:
    safetensors.torch.save_file({"conv_proj.weight": torch.zeros(1)}, tmp_path / "shape.safetensors")
    safetensors.torch.save_file({"something": torch.zeros(1)}, tmp_path / "names.safetensors")
    (tmp_path / "broken.pt").write_bytes(b"not a checkpoint")
    for name in ("shape.safetensors", "names.safetensors", "broken.pt"):
        with pytest.raises(Exception, match=name.replace(".", r"\.")) as caught:
            tiny(weights=str(tmp_path / name)).open(BlockStore(tmp_path / "store"))
        assert "\n" not in str(caught.value)
