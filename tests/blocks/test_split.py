"""A chain of segments computes what the module computes, bit for bit, at any batch size."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import nn

from alsatian.blocks.candidate import ArchitectureSpec
from alsatian.blocks.segment import Architecture, State
from alsatian.blocks.split import split
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.errors import SplitError
from alsatian.models.reading.architectures import build

BATCHES = (1, 2, 3, 5, 32)
PREPROCESSING = ImagePreprocessing(32)
IMAGES = PREPROCESSING.example()
VIT = {"image_size": 32, "patch_size": 8, "num_layers": 3, "num_heads": 4, "hidden_dim": 64, "mlp_dim": 128}
Scrambled = Callable[[nn.Module], nn.Module]


@pytest.fixture(autouse=True)
def plain_attention() -> Iterator[None]:
    """Eager attention as in training: its fused inference path is another kernel, which no export has."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    yield
    torch.backends.mha.set_fastpath_enabled(before)


@pytest.fixture(scope="module")
def resnet(scrambled: Scrambled) -> tuple[nn.Module, Architecture]:
    module = scrambled(build(ArchitectureSpec("torchvision", "resnet18"), ImagePreprocessing(32)))
    return module, split(module, IMAGES)


@pytest.fixture(scope="module")
def vit(scrambled: Scrambled) -> tuple[nn.Module, Architecture]:
    module = scrambled(build(ArchitectureSpec("torchvision", "VisionTransformer", VIT), ImagePreprocessing(32)))
    return module, split(module, IMAGES)


def states(architecture: Architecture, module: nn.Module, inputs: State) -> list[State]:
    """The state behind every segment. Fails if a segment changes the state before it."""
    found: list[State] = []
    state = inputs
    with torch.no_grad():
        for segment, parameters in zip(architecture.segments, architecture.parameters_of(module), strict=True):
            before = [t.clone() for t in state]
            after = segment(state, parameters)
            assert all(torch.equal(t, copy) for t, copy in zip(state, before, strict=True))
            found.append(after)
            state = after
    return found


def eager(module: nn.Module, *inputs: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        result: torch.Tensor = module.eval()(*inputs)
    return result


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape) * 100 + shape[0]))


def check(module: nn.Module, *shape: int, segments: int | None = None) -> Architecture:
    """Split ``module`` for inputs (N, *shape) and compare with eager; returns the architecture."""
    architecture = split(module, (torch.zeros(2, *shape),))
    if segments is not None:
        assert len(architecture.segments) == segments
    for batch in BATCHES:
        inputs = random(batch, *shape)
        last = states(architecture, module, (inputs.clone(),))[-1]
        assert torch.equal(last[0], eager(module, inputs.clone()))
    return architecture


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("name", ["resnet", "vit"])
def test_chain_equals_eager_bit_for_bit(name: str, batch: int, request: pytest.FixtureRequest) -> None:
    module, architecture = request.getfixturevalue(name)
    inputs = random(batch, 3, 32, 32)
    found = states(architecture, module, (inputs,))
    expected = eager(module, inputs)
    assert expected.std() > 0
    assert torch.equal(found[-1][0], expected)
    for segment, state in zip(architecture.segments, found, strict=True):
        assert segment.output_bytes * batch == sum(t.nbytes for t in state)
        # A cached state takes what it is accounted for: no view keeps a larger tensor alive.
        assert segment.output_bytes * batch == sum(t.untyped_storage().nbytes() for t in state)


def test_every_residual_block_is_a_block(resnet: tuple[nn.Module, Architecture]) -> None:
    _, architecture = resnet
    assert len(architecture.segments) >= 9
    residual = [f"layer{stage}.{i}." for stage in range(1, 5) for i in range(2)]
    for segment in architecture.segments:
        assert sum(any(p in name for name in segment.parameter_names) for p in residual) <= 1
    for prefix in residual:
        holders = [s for s in architecture.segments if any(prefix in n for n in s.parameter_names)]
        assert len(holders) == 1
        for name in ("conv1.weight", "bn2.running_var"):
            assert any(n.endswith(prefix + name) for n in holders[0].parameter_names)


def test_every_transformer_layer_starts_a_block(vit: tuple[nn.Module, Architecture]) -> None:
    _, architecture = vit
    layers = [f"encoder.layers.encoder_layer_{i}." for i in range(VIT["num_layers"])]
    for segment in architecture.segments:
        assert sum(any(p in name for name in segment.parameter_names) for p in layers) <= 1
    for prefix in layers:
        first = next(s for s in architecture.segments if any(prefix in n for n in s.parameter_names))
        assert first.parameter_names[0].endswith(f"{prefix}ln_1.weight")


def test_equal_layers_at_different_depth_have_equal_fingerprints(
    resnet: tuple[nn.Module, Architecture], vit: tuple[nn.Module, Architecture]
) -> None:
    def fingerprint_of(architecture: Architecture, parameter: str) -> str:
        names = ((s.fingerprint, name) for s in architecture.segments for name in s.parameter_names)
        return next(fingerprint for fingerprint, name in names if name.endswith(parameter))

    for name in ("ln_1.weight", "mlp.0.weight"):
        first, second = (fingerprint_of(vit[1], f"encoder.layers.encoder_layer_{i}.{name}") for i in range(2))
        assert first == second
    assert fingerprint_of(resnet[1], "layer1.0.conv1.weight") == fingerprint_of(resnet[1], "layer1.1.conv1.weight")
    # The same operators on another shape are another block.
    assert fingerprint_of(resnet[1], "layer1.1.conv1.weight") != fingerprint_of(resnet[1], "layer2.1.conv1.weight")


def test_export_is_repeatable_and_ignores_parameters(vit: tuple[nn.Module, Architecture]) -> None:
    module = build(ArchitectureSpec("torchvision", "VisionTransformer", VIT), ImagePreprocessing(32))
    assert split(module, IMAGES).fingerprint == vit[1].fingerprint
    with torch.no_grad():
        assert split(module, (torch.zeros(4, 3, 32, 32),)).fingerprint == vit[1].fingerprint


class InPlace(nn.Module):
    """Changes everything it can in place, but not its input."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 3, 3, padding=1)
        self.second = nn.Conv2d(3, 3, 3, padding=1)

    def part(self, x: torch.Tensor, layer: nn.Module) -> torch.Tensor:
        x.relu_().add_(0.5)
        return layer(x).add_(x).relu_()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.part(x.clone(), self.first)
        x = self.part(x, self.second)
        x[:, 0].mul_(2)
        return x.flatten(1)


class InPlaceOnInput(InPlace):
    """Changes even its own input, as a model does that starts with ``ReLU(inplace=True)``."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.part(self.part(x, self.first), self.second)


@pytest.mark.parametrize("module_class", [InPlace, InPlaceOnInput])
def test_in_place_operators_never_change_the_state_before_a_segment(module_class: type[nn.Module]) -> None:
    assert len(check(module_class(), 3, 8, 8).segments) >= 2


class Masked(nn.Module):
    """Takes a mask made at the start along through all layers."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(8, 8)
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mask = self.gate(x).sigmoid()
        for layer in self.layers:
            x = layer(x).relu() * mask
        return x


def test_what_runs_alongside_is_carried_in_the_state() -> None:
    architecture = check(Masked(), 8, segments=9)
    found = states(architecture, Masked(), (random(3, 8),))
    assert [len(state) for state in found] == [2] * 8 + [1]
    assert [segment.output_bytes for segment in architecture.segments] == [64] * 8 + [32]
    # The first layers read x before the mask, the last returns no mask; all others are the same code.
    assert len({segment.fingerprint for segment in architecture.segments[2:-1]}) == 1


class Tied(nn.Module):
    """Uses one layer twice, and its weight a third time."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 8)
        self.again = self.first
        self.third = nn.Linear(8, 8)
        self.third.weight = self.first.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.third(self.again(self.first(x).relu()).relu())


def test_tied_parameters_reach_every_block_that_uses_them() -> None:
    module = Tied()
    architecture = check(module, 8, segments=3)
    tensors = architecture.parameters_of(module)
    assert architecture.segments[0].fingerprint == architecture.segments[1].fingerprint
    for part in tensors:
        assert any(torch.equal(t, module.first.weight) for t in part)


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 8)
        self.second = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(x).relu() * mask) * mask


def test_several_inputs_make_the_first_state() -> None:
    module = TwoInputs()
    architecture = split(module, (torch.zeros(2, 8), torch.zeros(2, 8)))
    for batch in BATCHES:
        x, mask = random(batch, 8), random(batch, 8).sign()
        assert torch.equal(states(architecture, module, (x, mask))[-1][0], eager(module, x, mask))


@pytest.mark.parametrize("module", [nn.Identity(), nn.Flatten(), nn.ReLU()], ids=lambda m: type(m).__name__)
def test_a_module_without_parameters_is_one_block(module: nn.Module) -> None:
    architecture = check(module, 3, 4, 4, segments=1)
    assert architecture.segments[0].output_bytes == 3 * 4 * 4 * 4


class Attention(nn.Module):
    def __init__(self, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(16, heads, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.attention(x, x, x, need_weights=False)[0]
        return out


class ResidualAttention(Attention):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + super().forward(x)


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (Attention(4), (5, 16)),
        (nn.Sequential(nn.Flatten(0, 1), nn.Linear(6, 7), nn.Linear(7, 8), nn.Unflatten(0, (-1, 3))), (3, 6)),
    ],
    ids=["attention", "flatten"],
)
def test_the_batch_may_be_folded_into_another_dimension(
    module: nn.Module, shape: tuple[int, ...], scrambled: Scrambled
) -> None:
    check(scrambled(module), *shape)


class Branches(nn.Module):
    """Adds or subtracts two layers of the same shapes: only the wiring differs."""

    def __init__(self, order: tuple[int, int]) -> None:
        super().__init__()
        self.order = order

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = (x.relu(), x.sigmoid())
        return parts[self.order[0]] - parts[self.order[1]]


@pytest.mark.parametrize(
    ("one", "other", "shape"),
    [
        (ResidualAttention(2), ResidualAttention(4), (5, 16)),
        (nn.Conv2d(3, 4, 3, stride=1, padding=1), nn.Conv2d(3, 4, 3, stride=2, padding=1), (3, 8, 8)),
        (nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=2, dilation=2), (4, 8, 8)),
        (nn.LayerNorm(16, eps=1e-5), nn.LayerNorm(16, eps=1e-6), (16,)),
        (nn.BatchNorm2d(3, eps=1e-5), nn.BatchNorm2d(3, eps=1e-3), (3, 4, 4)),
        (nn.LeakyReLU(0.01), nn.LeakyReLU(0.2), (16,)),
        (nn.GELU(), nn.GELU(approximate="tanh"), (16,)),
        (nn.ReLU(), nn.Sigmoid(), (16,)),
        (Branches((0, 1)), Branches((1, 0)), (16,)),
        (nn.Linear(16, 4), nn.Linear(16, 4).double(), (16,)),
    ],
    ids=["heads", "stride", "dilation", "eps", "batch-norm eps", "slope", "gelu", "operator", "wiring", "dtype"],
)
def test_constants_of_the_architecture_change_the_fingerprint(
    one: nn.Module, other: nn.Module, shape: tuple[int, ...]
) -> None:
    def fingerprint(module: nn.Module) -> str:
        dtype = next((p.dtype for p in module.parameters()), torch.float32)
        return split(module, (torch.zeros(2, *shape, dtype=dtype),)).fingerprint

    assert fingerprint(one) != fingerprint(other)


class Counts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))
        self.layer = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        out: torch.Tensor = self.layer(x)
        return out


class Decides(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + 1 if x.sum() > 0 else x - 1


class Branching(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = torch.cond(x.sum() > 0, lambda y: y + 1, lambda y: y - 1, (x,))
        return out


class FixedBatch(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(2, 8) + 1


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (Counts(), r"Counts changes its own state \(calls\)"),
        (Decides(), "Decides cannot be exported: .*data-dependent"),
        (FixedBatch(), "FixedBatch cannot be exported: .*batch"),
        (Branching(), "control flow"),
    ],
    ids=["buffer", "control flow", "fixed batch", "cond"],
)
def test_what_cannot_be_split_is_refused_in_one_line(module: nn.Module, reason: str) -> None:
    with pytest.raises(SplitError, match=reason) as error:
        split(module, (torch.zeros(2, 8),))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("example", [torch.zeros(1, 8), torch.zeros(0, 8), torch.zeros(())], ids=["1", "0", "0-d"])
def test_an_example_of_fewer_than_two_items_is_refused(example: torch.Tensor) -> None:
    with pytest.raises(SplitError, match="at least two items"):
        split(nn.Linear(8, 8), (example,))


def test_a_module_that_lacks_a_parameter_is_refused() -> None:
    architecture = split(nn.Linear(8, 8), (torch.zeros(2, 8),))
    with pytest.raises(SplitError, match="bias"):
        architecture.parameters_of(nn.Linear(8, 8, bias=False))


class MakesTensors(nn.Module):
    """Makes tensors on the device of its input, and holds one that is no parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        steps = torch.arange(8, device=x.device) + torch.ones(8, device=x.device)
        out: torch.Tensor = self.layer(x + steps) * torch.tensor([1.0, 2, 3, 4, 5, 6, 7, 8], device=x.device)
        return out


@pytest.fixture(scope="module", params=["vit", "makes tensors"])
def two_devices(request: pytest.FixtureRequest) -> tuple[nn.Module, State, Architecture, Architecture]:
    """A module, an example, and its architectures on the CPU and on the device that only has shapes."""
    if request.param == "vit":
        module, here = request.getfixturevalue("vit")
        return module, IMAGES, here, split(module, IMAGES, device="meta")
    module, example = MakesTensors(), (torch.zeros(2, 8),)
    return module, example, split(module, example), split(module, example, device="meta")


def test_segments_run_on_a_second_device(two_devices: tuple[nn.Module, State, Architecture, Architecture]) -> None:
    module, example, here, there = two_devices
    inputs = torch.zeros(3, *example[0].shape[1:])
    state: State = (inputs.to("meta"),)
    with torch.no_grad():
        for segment, parameters, expected in zip(
            there.segments, here.parameters_of(module), states(here, module, (inputs,)), strict=True
        ):
            state = segment(state, [p.to("meta") for p in parameters])
            assert all(t.device.type == "meta" for t in state)
            assert [t.shape for t in state] == [t.shape for t in expected]


def test_fingerprints_do_not_depend_on_the_device(
    two_devices: tuple[nn.Module, State, Architecture, Architecture],
) -> None:
    _, _, here, there = two_devices
    assert [s.fingerprint for s in here.segments] == [s.fingerprint for s in there.segments]
