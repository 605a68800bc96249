"""Other kernels and numbers: close to the module's own, and the same whatever they are called with."""

from collections import Counter
from collections.abc import Callable
from functools import cache

import pytest
import torch
import torchvision
import transformers
from torch import nn

from alsatian.blocks.kernels import (
    KERNELS,
    NUMERICS,
    TunedSegment,
    arithmetic,
    caution,
    check_choice,
    computed_by,
    original,
)
from alsatian.blocks.parameter_forms import bfloat16, channels_last
from alsatian.blocks.segment import Architecture, Segment
from alsatian.blocks.split import split
from alsatian.errors import ConfigError
from alsatian.runtime.loading.transfer import Transfer

CPU = torch.device("cpu")
BATCH = 3
# Of bfloat16's eight bits, over many layers.
CLOSE = {"fp32": 1e-5, "bf16": 0.05}


class Convolutions(nn.Module):
    """With and without a bias, in groups, before a norm and between two, of one dimension and of three."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()),
            *(nn.Conv2d(8, 8, 3, groups=8), nn.BatchNorm2d(8, eps=1e-3), nn.Hardswish()),
            *(nn.BatchNorm2d(8), nn.Conv2d(8, 6, 1), nn.BatchNorm2d(6, affine=False), nn.AvgPool2d(2)),
        )
        self.line = nn.Sequential(nn.Conv1d(6, 5, 3), nn.BatchNorm1d(5), nn.SiLU())
        self.room = nn.Sequential(nn.Conv3d(1, 2, 2), nn.BatchNorm3d(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.body(x)
        flat = maps.view(maps.shape[0], 6, -1)
        return self.room(self.line(flat).view(x.shape[0], 1, 5, 2, -1)).flatten(1)


class Strided(nn.Module):
    """Counts on where in memory a convolution's result lies."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = torch.relu(self.first(x))
        return self.second(maps.as_strided(maps.shape, maps.stride()) + 1).flatten(1)


MODULES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "convolutions of all kinds": (Convolutions, (3, 14, 14)),
    "counts on strides": (Strided, (3, 8, 8)),
    "mobilenet": (
        lambda: torchvision.models.MobileNetV2(
            inverted_residual_setting=[[1, 16, 1, 1], [2, 24, 2, 2]], width_mult=0.5
        ),
        (3, 32, 32),
    ),
    "densenet, norms first": (
        lambda: torchvision.models.DenseNet(growth_rate=4, block_config=(2, 1), num_init_features=8),
        (3, 32, 32),
    ),
    "shufflenet": (
        lambda: torchvision.models.ShuffleNetV2([2, 1, 1], [8, 16, 24, 32, 40]),
        (3, 64, 64),
    ),
    "swin": (
        lambda: torchvision.models.SwinTransformer([4, 4], 8, [1, 1], [1, 1], [4, 4]),
        (3, 32, 32),
    ),
    "resnet of transformers": (
        lambda: Pooled(
            transformers.ResNetModel(
                transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
            )
        ),
        (3, 32, 32),
    ),
}


class Pooled(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x).pooler_output.flatten(1)


@cache
def prepared(name: str) -> tuple[nn.Module, torch.Tensor, Architecture]:
    """A module with norms that do something, a batch for it, and its segments."""
    torch.manual_seed(0)
    build, shape = MODULES[name]
    module = build().eval()
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            nn.init.normal_(part.running_mean, std=0.2)
            nn.init.uniform_(part.running_var, 0.5, 1.5)
            if part.affine:
                nn.init.uniform_(part.weight, 0.5, 1.5)
                nn.init.normal_(part.bias, std=0.2)
    x = torch.rand(BATCH, *shape)
    return module, x, split(module, (x[:2],))


def tuned(built: Architecture, kernels: str, numerics: str) -> list[Segment]:
    chain = computed_by({str(i): s for i, s in enumerate(built.segments)}, kernels, numerics)
    return [chain[str(i)] for i in range(len(built.segments))]


@torch.no_grad()
def run(chain: list[Segment], built: Architecture, module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """As a search does it: parameters go through the loader's copies."""
    state: tuple[torch.Tensor, ...] = (x,)
    for segment, tensors in zip(chain, built.parameters_of(module), strict=True):
        staged = Transfer().stage(segment.arrange([tensor.detach() for tensor in tensors]))
        given = [tensor.clone() for tensor in state]
        after = segment(state, segment.prepare(staged))
        assert all(torch.equal(a, b) for a, b in zip(given, state, strict=True)), "what it was given has changed"
        state = after
    return state[0]


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize(
    ("kernels", "numerics"), [("layout", "fp32"), ("eager", "bf16"), ("layout", "bf16"), ("eager", "fp32")]
)
def test_features_are_close_to_the_modules_own(name: str, kernels: str, numerics: str) -> None:
    module, x, built = prepared(name)
    found = run(tuned(built, kernels, numerics), built, module, x)
    with torch.no_grad():
        own = module(x)
    assert found.dtype == (torch.bfloat16 if numerics == "bf16" else torch.float32)
    assert float((found.float() - own).norm() / own.norm()) < CLOSE[numerics]
    if numerics == "bf16":
        assert not torch.equal(found, own)
    elif kernels == "eager":  # of the others, some processors give the same bits, too
        assert torch.equal(found, own)


def test_norms_become_part_of_the_convolutions_before_them() -> None:
    *_, built = prepared("convolutions of all kinds")
    operators = Counter(
        str(node.target).split(".")[1]
        for segment in tuned(built, "layout", "fp32")
        for node in segment.code.graph.nodes
        if node.op == "call_function" and "." in str(node.target)
    )
    # Left are the one behind an activation and the one without weights of its own.
    assert operators["_native_batch_norm_legit_no_training"] == 2
    assert operators["conv1d"] + operators["conv2d"] + operators["conv3d"] == 5


def test_convolutions_compute_with_channels_last() -> None:
    module, x, built = prepared("mobilenet")
    chain = tuned(built, "layout", "fp32")
    first = chain[0].prepare(chain[0].arrange(built.parameters_of(module)[0]))
    with torch.no_grad():
        (maps, *_) = chain[0]((x,), first)
    assert maps.is_contiguous(memory_format=torch.channels_last)
    assert not maps.is_contiguous()


def test_one_choice_is_made_of_another_without_a_trace() -> None:
    *_, built = prepared("mobilenet")
    chain = {str(i): s for i, s in enumerate(built.segments)}
    laid = computed_by(chain, "layout", "bf16")
    assert computed_by(laid, "eager", "fp32") == chain
    assert all(
        isinstance(segment, TunedSegment) and original(segment) is chain[key] for key, segment in laid.items()
    )
    assert all(segment.stored_for == chain[key].fingerprint for key, segment in laid.items())
    names = {
        segment.fingerprint
        for kernels in KERNELS
        for numerics in NUMERICS
        for segment in computed_by(laid, kernels, numerics).values()
    }
    assert len(names) == 6 * len({segment.fingerprint for segment in chain.values()})


def test_blocks_of_one_code_share_it() -> None:
    *_, built = prepared("mobilenet")
    segment = built.segments[0]
    found = computed_by({"one": segment, "other": segment}, "layout", "fp32")
    assert found["one"] is found["other"]


def test_bfloat16_is_rounded_as_pytorch_rounds_it() -> None:
    torch.manual_seed(0)
    special = torch.tensor([0.0, -0.0, torch.inf, -torch.inf, torch.nan, 3.4e38, 1e-45, 1.00390625, 1.01171875])
    values = torch.cat([special, torch.randn(10_000) * torch.logspace(-30, 30, 10_000)])
    found, expected = bfloat16(values), values.to(torch.bfloat16)
    number = ~values.isnan()  # there are several patterns that are none
    assert torch.equal(found.isnan(), ~number)
    assert torch.equal(found[number].view(torch.int16), expected[number].view(torch.int16))
    laid = channels_last(torch.randn(4, 3, 2, 2))
    assert torch.equal(bfloat16(laid), laid.to(torch.bfloat16))
    assert bfloat16(laid).stride() == laid.stride()
    assert bfloat16(torch.arange(3)).dtype == torch.int64


@pytest.mark.parametrize(
    ("kernels", "numerics", "message"),
    [
        ("layuot", "fp32", "kernels=layuot: .*layout"),
        ("eager", "bf61", "numerics=bf61: .*bf16"),
        ("eager", None, "numerics=None"),
        ("eager", "tf32", "numerics=tf32: only GPUs"),
    ],
)
def test_what_cannot_be_computed_with_is_refused(kernels: str, numerics: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_choice(kernels, numerics, CPU)


@pytest.mark.parametrize(("capability", "slow"), [("AVX2", True), ("DEFAULT", False), ("AVX512", False)])
def test_what_a_processor_lacks_is_said_before(
    capability: str, slow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert (caution("bf16", CPU) is not None) == slow
    assert caution("fp32", CPU) is None
    assert caution("bf16", torch.device("cuda")) is None


def test_tf32_is_a_choice_of_one_search() -> None:
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    for numerics in ("tf32", "fp32", "bf16"):
        with arithmetic(numerics):
            inside = {torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32}
            assert inside == {numerics == "tf32"}
    assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == before
