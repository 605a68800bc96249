"""A model set comes back from its store as it was, or says why not."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from alsatian.blocks.candidate import ArchitectureSpec, Candidate
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.errors import AlsatianError, ConfigError, StoreError
from alsatian.fingerprint import sealed
from alsatian.models.model_set import ModelSet
from alsatian.models.reading.architectures import architecture, build
from alsatian.models.storing import add_module
from alsatian.store.store import BlockStore

PREPROCESSING = ImagePreprocessing(16)
OPTIONS = {"image_size": 16, "patch_size": 8, "num_layers": 2, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 16}
SPEC = ArchitectureSpec("torchvision", "VisionTransformer", OPTIONS)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> BlockStore:
    """Two transformers that differ in their last block."""
    made = BlockStore(tmp_path_factory.mktemp("store"))
    built = architecture(SPEC, PREPROCESSING)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = build(SPEC, PREPROCESSING)
    add_module(made, "one", module, built, SPEC, PREPROCESSING, {"parent": None})
    with torch.no_grad():
        dict(module.named_parameters())[built.segments[-1].parameter_names[0]].add_(1)
    add_module(made, "two", module, built, SPEC, PREPROCESSING, {"parent": "one"})
    return made


def edit(store: BlockStore, target: Path, **changes: object) -> BlockStore:
    """A copy of the store's models whose manifest of ``one`` has other entries; the blocks stay where they are."""
    other = BlockStore(target)
    (target / "models").mkdir(parents=True)
    value = json.loads((store.root / "models" / "one.json").read_text())
    (target / "models" / "one.json").write_text(json.dumps(sealed({**value, **changes})))
    return other


def test_models_open_with_the_code_of_their_architecture(store: BlockStore) -> None:
    models = ModelSet.open(store, ["two", "one"])
    assert [c.id for c in models.candidates] == ["two", "one"]
    built = architecture(SPEC, PREPROCESSING)
    for candidate in models.candidates:
        assert [models.segments[b.identity] for b in candidate.blocks] == list(built.segments)
    one, two = (store.model(name) for name in ("one", "two"))
    assert [a == b for a, b in zip(one.blocks, two.blocks, strict=True)] == [True] * (len(one.blocks) - 1) + [False]
    assert two.metadata["parent"] == "one"


def test_sizes_and_digest(store: BlockStore) -> None:
    models = ModelSet.open(store, ["one", "two"])
    one = models.candidates[0]
    assert models.total_bytes == 2 * one.parameter_bytes
    assert models.distinct_bytes == one.parameter_bytes + one.blocks[-1].parameter_bytes
    assert models.digest == ModelSet.open(store, ["two", "one"]).digest
    assert models.digest != ModelSet.open(store, ["one"]).digest
    renamed = dataclasses.replace(models, candidates=(one, dataclasses.replace(models.candidates[1], id="three")))
    assert renamed.digest != models.digest


def test_an_empty_set_is_refused(store: BlockStore) -> None:
    with pytest.raises(ConfigError, match="model set is empty"):
        ModelSet.open(store, [])
    with pytest.raises(ConfigError, match="two models have the id 'one'"):
        ModelSet.open(store, ["one", "one"])


def test_an_unknown_model_is_refused(store: BlockStore) -> None:
    with pytest.raises(StoreError, match="no model 'ones' in this store; did you mean 'one'"):
        ModelSet.open(store, ["ones"])


def test_a_model_of_another_process_is_refused(store: BlockStore, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="'one' has no architecture"):
        ModelSet.open(edit(store, tmp_path, architecture=None), ["one"])


@pytest.mark.parametrize(
    ("entry", "value"),
    [("output_bytes", 1), ("identity", None)],
    ids=["another split", "more blocks"],
)
def test_a_model_that_was_split_differently_is_refused(
    store: BlockStore, tmp_path: Path, entry: str, value: object
) -> None:
    blocks = [dataclasses.asdict(block) for block in store.model("one").blocks]
    blocks = [*blocks, blocks[0]] if value is None else [{**blocks[0], entry: value}, *blocks[1:]]
    with pytest.raises(StoreError, match=r"'one' was stored by torch .* splits differently"):
        ModelSet.open(edit(store, tmp_path, blocks=blocks), ["one"])


def test_a_chain_may_end_early(store: BlockStore, tmp_path: Path) -> None:
    blocks = [dataclasses.asdict(block) for block in store.model("one").blocks[:2]]
    models = ModelSet.open(edit(store, tmp_path, blocks=blocks), ["one"])
    assert len(models.candidates[0].blocks) == len(models.segments) == 2


def test_modules_are_split_and_stored(tmp_path: Path) -> None:
    layers = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 4, 3)).train()
    models = ModelSet.from_modules(BlockStore(tmp_path), {"a": layers, "b": layers}, PREPROCESSING)
    assert [c.id for c in models.candidates] == ["a", "b"]
    assert models.candidates[0].blocks == models.candidates[1].blocks
    assert len(models.segments) == 2
    assert models.store.model("a") == models.candidates[0]
    assert isinstance(models.candidates[0], Candidate)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (ArchitectureSpec("torchvsion", "resnet18"), "did you mean 'torchvision'"),
        (ArchitectureSpec("torchvision", "resnet81"), "torchvision has no model 'resnet81'; did you mean 'resnet"),
        (ArchitectureSpec("torchvision", "resnet18", {"sice": 3}), "resnet18 does not take .*sice"),
        (ArchitectureSpec("torchvision", "VisionTransformer", {**OPTIONS, "num_heads": 3}), "num_heads|divi"),
        (ArchitectureSpec("torchvision", "resnet18", {"weights": "DEFAULT"}), "option weights is refused"),
        (ArchitectureSpec("transformers", "ViTModel", {"num_attention_heads": 0}), "ViTModel does not take .*zero"),
        (ArchitectureSpec("transformers", "ViTModel", {"hidden_act": "evil"}), "ViTModel does not take .*evil"),
        (ArchitectureSpec("transformers", "ViTModel", {"attn_implementation": "a/b"}), "attn_impl.* is refused"),
        (ArchitectureSpec("transformers", "ViTModel", {"x": [{"auto_map": {}}]}), "auto_map is refused"),
    ],
)
def test_an_architecture_that_does_not_exist_is_refused(spec: ArchitectureSpec, message: str) -> None:
    with pytest.raises(AlsatianError, match=message) as error:
        build(spec, PREPROCESSING)
    assert "\n" not in str(error.value)


def test_an_architecture_that_cannot_be_kept_is_trouble_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file")
    spec = ArchitectureSpec("torchvision", "VisionTransformer", {**OPTIONS, "mlp_dim": 20})
    with pytest.raises(StoreError, match="store: cannot write an architecture"):
        architecture(spec, PREPROCESSING, folder=tmp_path / "store" / "architectures")


def test_exporting_leaves_the_random_state_alone() -> None:
    options = {**OPTIONS, "mlp_dim": 12}
    before = torch.random.get_rng_state()
    built = architecture(ArchitectureSpec("torchvision", "VisionTransformer", options), PREPROCESSING)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert architecture(ArchitectureSpec("torchvision", "VisionTransformer", dict(options)), PREPROCESSING) is built


def test_one_export_serves_all_preprocessing_that_gives_the_same_shapes() -> None:
    options = {**OPTIONS, "image_size": 24}
    spec = ArchitectureSpec("torchvision", "VisionTransformer", options)
    built = architecture(spec, ImagePreprocessing(24))
    other = ImagePreprocessing(24, mean=(0.5, 0.5, 0.5))
    assert other.fingerprint != ImagePreprocessing(24).fingerprint
    assert architecture(spec, other) is built
    with pytest.raises(AssertionError, match="image height"):  # of another shape: not what is kept
        architecture(spec, ImagePreprocessing(32))
