"""What the models of records promise, to those who write and to those who read with other tools."""

import subprocess
import sys

import jsonschema
import pytest

from alsatian.records import FieldError, Layers, Overlap, Run, Sweep

# Everything below analysis, and what writes and reads records.
IMPORTS = """
import importlib, pkgutil, sys
import alsatian.records, alsatian.records.trace, analysis
for module in pkgutil.walk_packages(analysis.__path__, "analysis."):
    importlib.import_module(module.name)
assert len([name for name in sys.modules if name.startswith("analysis.")]) > 20
sys.exit("torch" in sys.modules)
"""


def test_records_and_their_analysis_do_not_load_torch():
    assert subprocess.run([sys.executable, "-c", IMPORTS], timeout=120).returncode == 0


def test_a_record_says_again_what_it_was_made_of(record):
    run = Run.of(record())
    again = Run.of(run.plain())
    assert again == run
    jsonschema.validate(run.plain(), Run.model_json_schema())


@pytest.mark.parametrize("model", [Run, Sweep, Layers, Overlap])
def test_every_field_is_in_the_schema(model):
    schema = model.model_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert {field.alias or name for name, field in model.model_fields.items()} == schema["properties"].keys()


def test_records_are_frozen(record):
    with pytest.raises(ValueError, match="frozen"):
        Run.of(record()).winner = "m1"


def test_a_prediction_says_what_is_behind_it(record):
    behind = {"hardware": "h200", "source": "profiled", "scores": "drawn"}
    run = Run.of(record(kind="predicted", prediction=behind))
    assert (run.ok, run.kind, run.origin) == (True, "predicted", ", predicted for h200")
    assert (Run.of(record()).kind, Run.of(record()).origin) == ("measured", "")
    with pytest.raises(FieldError, match=r"prediction.scores: input should be 'recorded' or 'drawn'"):
        Run.of(record(prediction={**behind, "scores": "guessed"}))
