"""Generated families of a hub: the overlap that was asked for, read as downloaded models are."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest

from alsatian.errors import ConfigError
from alsatian.models.overlap.study import study
from alsatian.models.sets import families
from alsatian.models.sets.families import FamilySet
from alsatian.models.sets.hub import HubSet
from alsatian.models.sets.union import JoinedSet
from alsatian.store.store import BlockStore

RESNET = {"embedding_size": 8, "hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1], "layer_type": "basic"}
FAMILY = FamilySet(
    name="small",
    base="lab/small",
    count=5,
    sharing=0.6,
    model="ResNetForImageClassification",
    options=RESNET,
    size=32,
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> BlockStore:
    return BlockStore(tmp_path_factory.mktemp("store"))


def test_as_many_models_share_blocks_as_asked_for(store: BlockStore) -> None:
    models = FAMILY.open(store)
    found = study(models.candidates, models.store)
    assert found.share_with_common_blocks == found.share_with_prefix == 0.6
    (base,) = (model for model in models.candidates if model.id.endswith("-base"))
    for model in models.candidates:
        if model is base:
            continue
        same = [
            a.identity == b.identity for a, b in zip(model.blocks, base.blocks, strict=True) if a.parameter_bytes
        ]
        assert same == sorted(same, reverse=True)  # a prefix
        assert not all(same)


def test_a_second_opening_makes_nothing(store: BlockStore, monkeypatch: pytest.MonkeyPatch) -> None:
    before = FAMILY.open(store).digest
    monkeypatch.setattr(FamilySet, "_write", lambda *_: pytest.fail("made again"))
    assert FAMILY.open(store).digest == before


def test_a_folder_that_is_lost_is_made_again_the_same(store: BlockStore, tmp_path: Path) -> None:
    whole = FAMILY.open(store)
    other = BlockStore(tmp_path)
    FAMILY.open(other)
    (folder,) = (tmp_path / "generated").iterdir()
    lost = sorted(path for path in folder.iterdir() if path.name.endswith("003"))
    shutil.rmtree(lost[0])
    again = FAMILY.open(other)
    assert again.digest == whole.digest
    assert not list(folder.glob(".*"))  # nothing temporary


def test_families_of_the_hub_are_asked_for_there(store: BlockStore, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[HubSet] = []
    monkeypatch.setattr(HubSet, "open", lambda self, *_: asked.append(self))
    dataclasses.replace(FAMILY, source="hub", offline=True).open(store)
    (hub,) = asked
    assert (hub.base, hub.limit, hub.folder, hub.offline) == ("lab/small", 4, None, True)


def test_joined_sets_hold_the_models_of_each(store: BlockStore) -> None:
    other = dataclasses.replace(FAMILY, name="other", count=2, sharing=1.0)
    joined = JoinedSet(name="both", sets={"a": FAMILY, "b": other}).open(store)
    assert [c.id for c in joined.candidates] == [
        c.id for one in (FAMILY, other) for c in one.open(store).candidates
    ]
    assert {b.identity for c in joined.candidates for b in c.blocks} <= set(joined.segments)
    with pytest.raises(ConfigError, match="sets is empty"):
        JoinedSet(name="none", sets={})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "hubb"}, "model_set.source=hubb: did you mean 'hub'?"),
        ({"count": 1}, "count=1"),
        ({"sharing": 1.5}, "sharing=1.5"),
        ({"distribution": "top_51"}, "did you mean 'top_50'?"),
        ({"model": "ResNotModel"}, "transformers has no model class 'ResNotModel'"),
        ({"options": {"layer_type": "none"}}, "does not take"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        dataclasses.replace(FAMILY, **changes).open(BlockStore(tmp_path))
    assert message in str(caught.value)
    assert families.SOURCES == ("generated", "hub")


def test_base_models_share_as_asked_for_too(store: BlockStore) -> None:
    options = {
        "hidden_size": 16,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "image_size": 32,
        "patch_size": 16,
    }
    family = dataclasses.replace(FAMILY, name="tokens", model="Dinov2Model", options=options)
    models = family.open(store)
    assert study(models.candidates, models.store).share_with_prefix == 0.6
