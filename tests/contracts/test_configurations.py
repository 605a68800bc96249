"""What config.json says is done, or refused with the reason; what it has no place for is named."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from alsatian.errors import ConfigError
from alsatian.models.reading.inputs.settings import Reading
from alsatian.models.reading.state_models import open_state
from tests.contracts.text_models import TEXTS, edit, features, language_model, opened, vocab_txt
from tests.models.reading.checkpoint_files import RESNET, resnet


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_hidden_layers": "2"}, "'num_hidden_layers' expected int, got str"),
        ({"hidden_act": ["gelu"]}, "'hidden_act' expected str, got list"),
        ({"layer_norm_eps": None}, "'layer_norm_eps' expected float, got NoneType"),
        ({"architectures": ["AutoModel"]}, "names no class of transformers"),
        ({"architectures": ["BertPreTrainedModel"]}, "transformers has no model class 'BertPreTrainedModel'"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    folder = language_model(tmp_path / "m", "BertModel", vocab_txt)
    edit(folder / "config.json", lambda value: value.update(change))
    with pytest.raises(ConfigError) as caught:
        opened(folder)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_layers_that_the_configuration_lacks_are_named(tmp_path: Path) -> None:
    folder = language_model(tmp_path / "m", "BertModel", vocab_txt)
    edit(folder / "config.json", lambda value: value.update(num_hidden_layers=1))
    library, report = transformers.BertModel.from_pretrained(folder, output_loading_info=True)
    loaded = opened(folder, length=24)
    (note,) = (note for note in loaded.notes if note.startswith("left out"))
    unused = sorted(report["unexpected_keys"])
    assert note == f"left out what the model has no parameters for ({len(unused)}): {str(unused[:3])[1:-1]}, …"
    ids, mask = loaded.preprocessing(_array(TEXTS[:1]))
    with torch.no_grad():
        expected = library.eval()(ids[:, : mask.sum()])[0].mean(1)
    torch.testing.assert_close(features(loaded, TEXTS[:1]), expected, rtol=1e-4, atol=1e-5)


def _array(texts: list[str]) -> Any:
    from alsatian.data.text import text_items

    return text_items(texts)


def test_parameters_of_layers_that_torchvision_s_builder_lacks_are_named(tmp_path: Path) -> None:
    state = {**resnet().state_dict(), "layer1.0.gate.weight": torch.ones(2), "a\nb": torch.ones(1)}
    save_file(state, tmp_path / "m.safetensors")
    (tmp_path / "m.json").write_text(json.dumps({**RESNET, "options": {"num_classes": 5}}))
    loaded = open_state(tmp_path / "m.safetensors", tmp_path / "m.json", tmp_path / "architectures", Reading())
    note = "left out what the model has no parameters for (2): 'a\\nb', 'layer1.0.gate.weight'"
    assert note in loaded.notes


def test_nothing_is_named_where_all_is_read(tmp_path: Path) -> None:
    folder = language_model(tmp_path / "m", "BertForSequenceClassification", vocab_txt)
    assert not [note for note in opened(folder).notes if not note.startswith("pooling")]


def test_a_class_of_another_kind_than_the_model_type_is_a_note(tmp_path: Path) -> None:
    folder = language_model(tmp_path / "m", "BertModel", vocab_txt)
    edit(folder / "config.json", lambda value: value.update(model_type="roberta"))
    assert "config.json: model_type=roberta, but read as the BertModel it names" in opened(folder).notes


def test_a_number_that_json_lacks_survives_the_manifest(tmp_path: Path) -> None:
    from alsatian.models.reading.architectures import build, configuration

    folder = language_model(tmp_path / "m", "BertModel", vocab_txt)
    edit(folder / "config.json", lambda value: value.update(bound=[0.0, {"__float__": "-Infinity"}]))
    loaded = opened(folder)
    assert loaded.spec.options["bound"] == [0.0, {"__float__": "-Infinity"}]
    assert configuration(transformers.BertModel, loaded.spec.options).bound == [0.0, float("-inf")]
    assert (
        load_file(folder / "model.safetensors").keys()
        <= build(loaded.spec, loaded.preprocessing).body.state_dict().keys()
    )
