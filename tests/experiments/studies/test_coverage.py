"""A sample of real architectures: the chain equals eager, blocks are small, and what is not exact is reported."""

import csv
import functools
import re
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import nn

from alsatian.blocks.candidate import ArchitectureSpec
from alsatian.blocks.segment import Architecture
from alsatian.blocks.split import split
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.errors import ConfigError
from experiments.cli import main
from experiments.studies.coverage import measurement, page, summary
from experiments.studies.coverage.cases import SAMPLE, select, torchvision_cases, transformers_cases
from experiments.studies.coverage.measurement import Case, CoverageRow, check

# What a block may at most hold one of: the name of its class.
LAYERS = {
    "torchvision/resnet18": "BasicBlock",
    "torchvision/efficientnet_b0": "MBConv",
    "torchvision/squeezenet1_1": "Fire",
    "torchvision/mobilenet_v3_small": "InvertedResidual",
    "transformers/BertModel": "BertLayer",
    "transformers/ViTForImageClassification": "ViTLayer",
    "transformers/GPT2Model": "GPT2Block",
    "transformers/AlbertModel": "AlbertLayer",
    "transformers/DetrForObjectDetection": "ResNetBottleNeckLayer",
    "transformers/T5Model": "T5Block",
    "transformers/ConvNextModel": "ConvNextLayer",
    "transformers/LlamaModel": "LlamaDecoderLayer",
}


@functools.cache
def measured(name: str) -> tuple[CoverageRow, nn.Module, Architecture]:
    """The row of case ``name``, and the module and architecture that it is about."""
    seen: list[tuple[nn.Module, Architecture]] = []

    def recording(module: nn.Module, example: tuple[torch.Tensor, ...]) -> Architecture:
        seen.append((module, split(module, example)))
        return seen[-1][1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measurement, "split", recording)
        row = check(*select([name]))
    assert seen, row.error
    return row, *seen[-1]


# Of each kind one is left: of mobile networks, of encoders of texts, and of images with layers of both kinds.
ALIKE = ("torchvision/efficientnet_b0", "transformers/BertModel", "transformers/ConvNextModel")
EACH = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.thorough] if name in ALIKE else []) for name in SAMPLE]
)


@EACH
def test_the_chain_equals_eager_bit_for_bit(name: str) -> None:
    row, _, architecture = measured(name)
    assert row.error == ""
    assert row.exact
    assert row.name == name
    assert row.blocks == len(architecture.segments)
    assert row.parameters > 0
    assert 0 < row.largest_share < 1
    assert row.pooling != ""


@EACH
def test_no_block_holds_parameters_of_two_layers(name: str) -> None:
    row, module, architecture = measured(name)
    layers = [f"{path}." for path, part in module.named_modules() if type(part).__name__ == LAYERS[name]]
    assert layers
    assert row.blocks > len(layers)
    readers = Counter(parameter for segment in architecture.segments for parameter in segment.parameter_names)
    for segment in architecture.segments:
        # What several blocks read (a table of relative positions in T5's first layer) belongs to none of them.
        own = [parameter for parameter in segment.parameter_names if readers[parameter] == 1]
        assert len({layer for layer in layers for parameter in own if parameter.startswith(layer)}) <= 1, own


def test_a_layer_that_is_used_again_is_a_block_again() -> None:
    row, _, architecture = measured("transformers/AlbertModel")
    users = [s for s in architecture.segments if any("attention.query.weight" in n for n in s.parameter_names)]
    assert len(users) == 3
    assert users[0].fingerprint == users[1].fingerprint  # the third passes no mask on
    assert row.exact


class ReadsAcross(nn.Module):
    """Multiplies at the end by a size that is no multiple of the batch and comes from the start."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pairs = (x @ x.T).flatten()
        for layer in self.layers:
            x = layer(x).relu()
        return x * pairs.shape[0]


class Folds(ReadsAcross):
    """Runs its layers on two rows for every item, so that no state has the batch size alone."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch = x.shape[0]
        x = x.reshape(batch * 2, 4).repeat(1, 2)
        for layer in self.layers:
            x = layer(x).relu()
        return x.reshape(batch, 16) + batch


class Regions(ReadsAcross):
    """Switches gradients and mixed precision on the way."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            x = self.layers[0](x).relu()
        with torch.autocast("cpu", enabled=False):
            x = self.layers[1](x).relu()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            x = self.layers[2](x)
        return x.float()


@pytest.mark.parametrize("module_class", [ReadsAcross, Folds, Regions])
def test_odd_graphs_are_cut_less_but_never_wrong(module_class: type[nn.Module]) -> None:
    torch.manual_seed(0)
    module = module_class().eval()
    architecture = split(module, (torch.zeros(2, 8),))
    assert len(architecture.segments) >= 3
    for batch in (1, 2, 5):
        x = torch.randn(batch, 8)
        with torch.no_grad():
            assert torch.equal(measurement.run_chain(architecture, module, (x,)), module(x))


def test_everything_that_torchvision_lists_is_a_case() -> None:
    from torchvision import models

    assert [case.spec.name for case in torchvision_cases()] == models.list_models(module=models)


def test_there_are_enough_model_classes_of_transformers() -> None:
    cases = transformers_cases()
    assert len({case.spec.name for case in cases}) >= 40
    assert sum(case.vocabulary > 0 for case in cases) >= 20
    assert sum(case.vocabulary == 0 for case in cases) >= 20


def test_a_sample_is_a_fixed_mix() -> None:
    assert [case.name for case in select(sample=12)] == list(SAMPLE)
    assert [case.name for case in select(sample=3)] == list(SAMPLE[:3])
    more = [case.name for case in select(sample=30)]
    assert more[:12] == list(SAMPLE)
    assert len(set(more)) == 30
    everything = {case.name for case in select()}
    assert everything == {case.name for case in select(sample=len(everything) + 5)}
    with pytest.raises(ConfigError, match="did you mean 'resnet18'"):
        select(["resnet81"])


TINY = Case(
    ArchitectureSpec(
        "torchvision",
        "VisionTransformer",
        {"image_size": 16, "patch_size": 8, "num_layers": 1, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 8},
    ),
    ImagePreprocessing(16),
)


def test_a_difference_in_the_last_bit_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(TINY).error == ""
    chain = measurement.run_chain

    def wrong(*arguments: object) -> torch.Tensor:
        features: torch.Tensor = chain(*arguments)  # type: ignore[arg-type]
        features[0, 0] = torch.nextafter(features[0, 0], features[0, 0] + 1)
        return features

    monkeypatch.setattr(measurement, "run_chain", wrong)
    row = check(TINY)
    assert not row.exact
    assert row.error.startswith("differs by up to")
    assert row.error.endswith("at batch size 1")


def test_features_that_prove_nothing_are_not_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    def silence(module: nn.Module, generator: torch.Generator) -> None:
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.zero_()

    monkeypatch.setattr(measurement, "enliven", silence)
    row = check(TINY)
    assert not row.exact
    assert "prove nothing" in row.error


def test_an_error_becomes_a_row_and_settings_are_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before, state = torch.backends.mha.get_fastpath_enabled(), torch.random.get_rng_state()
    row = check(Case(ArchitectureSpec("torchvision", "resnet81"), ImagePreprocessing(32)))
    assert not row.exact
    assert row.error.startswith("ConfigError: torchvision has no model 'resnet81'")

    def broken(*arguments: object) -> Architecture:
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr(measurement, "split", broken)
    assert check(TINY).error == "RuntimeError: first line"
    assert torch.backends.mha.get_fastpath_enabled() == before
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("exact", [True, False])
def test_the_command_writes_the_table_and_says_whether_all_are_exact(
    exact: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fake(case: Case) -> CoverageRow:
        right = exact or case.spec.name != "resnet18"
        return CoverageRow(
            case.name, case.input, "none", 1000, 4, 0.5, right, 1.25, "" if right else "differs, much"
        )

    monkeypatch.setattr(measurement, "check", fake)
    status = main(["coverage", "resnet18", "BertModel", "--out", str(tmp_path)])
    assert status == (0 if exact else 1)
    out = capsys.readouterr().out
    assert "[2/2] transformers/BertModel: 4 blocks, exact" in out
    assert ("2 of 2 exact" if exact else "1 of 2 exact (torchvision 0 of 1, transformers 1 of 1)") in out
    with (tmp_path / "coverage.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == tuple(CoverageRow.__dataclass_fields__)
    assert [row["name"] for row in rows] == ["torchvision/resnet18", "transformers/BertModel"]
    assert [row["exact"] for row in rows] == [str(exact), "True"]
    text = re.sub(" +", " ", (tmp_path / "coverage.md").read_text())
    assert f"PyTorch {torch.__version__.split('+')[0]}" in text
    assert "| transformers/BertModel | 16 tokens | none | 1,000 | 4 | 50% | yes | 1.2 |" in text
    assert ("- torchvision/resnet18: differs, much" in text) == (not exact)


def test_the_command_refuses_bad_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["coverage", "resnet81"]) == 1
    assert "no architecture 'resnet81' is covered; did you mean 'resnet18'?" in capsys.readouterr().err
    with pytest.raises(SystemExit) as bad:
        main(["coverage", "--sample", "0"])
    assert bad.value.code == 2
    assert "--sample: '0' is no number of at least 1" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(measurement, "check", lambda case: CoverageRow(case.name, case.input))
    assert main(["coverage", "resnet18", "--out", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err == f"alsatian: {tmp_path / 'file'}: File exists\n"


def test_a_table_without_rows_is_a_table() -> None:
    assert summary([]) == "0 of 0 exact"
    assert "| model" in page([]).blocks[-1]
