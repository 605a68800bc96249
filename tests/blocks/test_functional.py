"""An exported graph is rewritten as PyTorch's own pass would do it, or by that."""

from collections.abc import Callable

import pytest
import torch
import torchvision
import transformers
from torch import nn
from torch.export import ExportedProgram

from alsatian.blocks import split as splitting
from alsatian.blocks.in_place import make_returning
from alsatian.blocks.split import split

Code = Callable[[torch.Tensor], torch.Tensor]


class Does(nn.Module):
    """A convolution of images (N, 3, 8, 8), and ``code`` behind it."""

    def __init__(self, code: Code) -> None:
        super().__init__()
        self.conv, self.code = nn.Conv2d(3, 4, 3, padding=1), code

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.code(self.conv(x)) + 1


def _masked(x: torch.Tensor) -> torch.Tensor:
    mask = torch.zeros(8, 8)
    mask[2:4] = 1
    return x * mask


def _without_gradient(x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return x.cos() + x.sin()


REWRITTEN: dict[str, Code] = {
    "reshape of what is contiguous": lambda x: x.reshape(x.shape[0], 2, -1),
    "reshape of what has to be copied": lambda x: x.transpose(2, 3).reshape(x.shape[0], -1),
    "reshape of what is not contiguous": lambda x: x.transpose(1, 3).reshape(x.shape[0], 2, 4, -1, 4),
    "reshape to the same shape": lambda x: x.reshape(x.shape),
    "reshape of a transposed one to the same shape": lambda x: x.transpose(2, 3).reshape(x.shape[0], -1, 8, 8),
    "reshape by a size of the batch": lambda x: x.reshape(-1, 64).reshape(x.shape[0], 4, 64),
    "flatten": lambda x: x.flatten(1),
    "flatten with the batch": lambda x: x.flatten(0, 1).relu().unflatten(0, (-1, 4)),
    "flatten with a copy": lambda x: x.permute(0, 2, 3, 1).flatten(1, 2),
    "unflatten": lambda x: x.unflatten(1, (2, 2)),
    "reshape_as": lambda x: x.flatten(2).reshape_as(x),
    "contiguous already": lambda x: x.contiguous(),
    "contiguous by a copy": lambda x: x.transpose(1, 2).contiguous(),
    "chunk": lambda x: torch.cat(x.chunk(3, 1)[::-1], 1),
    "chunk of channels": lambda x: x.chunk(2, dim=1)[1],
    "swapaxes": lambda x: x.swapaxes(1, 3),
    "expand_as": lambda x: x.mean(1, keepdim=True).expand_as(x),
    "to another type and back": lambda x: x.to(torch.float64).float(),
    "to the same type": lambda x: x.to(x.dtype).type_as(x),
    "to a device and a type": lambda x: x.to("cpu", torch.float64).to(torch.float32),
    "dropout": lambda x: nn.functional.dropout2d(nn.functional.dropout(x, training=False), training=False),
    "dropout in place": lambda x: nn.functional.dropout(x.relu(), training=False, inplace=True),
    "batch normalisation": lambda x: nn.functional.batch_norm(x, torch.ones(4), torch.ones(4)),
    "what nobody reads": lambda x: (torch.arange(4), x)[1].relu_(),
    "in place where nobody reads it again": lambda x: x.add_(1),
    "views": lambda x: x.unbind(1)[0].unsqueeze(1).expand(-1, 3, -1, -1)[:, 1].squeeze(1).permute(0, 2, 1),
}
LEFT: dict[str, Code] = {
    "writes to a part": _masked,
    "a constant": lambda x: x * torch.tensor(3.0),
    "code without gradients": _without_gradient,
    "normalisation by the batch": lambda x: nn.functional.batch_norm(x, None, None, training=True),
    "in place on a view": lambda x: x.view(x.shape[0], -1).relu_(),
    "contiguous with channels last": lambda x: x.contiguous(memory_format=torch.channels_last),
}
T = transformers
SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "ResNet-18": (torchvision.models.resnet18, (3, 32, 32)),
    "ShuffleNet": (torchvision.models.shufflenet_v2_x0_5, (3, 32, 32)),
    "a vision transformer": (lambda: torchvision.models.VisionTransformer(16, 8, 1, 2, 16, 32), (3, 16, 16)),
    "ViT of transformers": (
        lambda: T.ViTForImageClassification(T.ViTConfig(image_size=16, patch_size=8, **SMALL)),
        (3, 16, 16),
    ),
    "BERT": (
        lambda: T.BertForSequenceClassification(T.BertConfig(vocab_size=9, **SMALL)),
        (12,),
    ),
}


class Table(nn.Module):
    """A buffer ahead of a module with parameters and a buffer: PyTorch's pass lists them the other way round."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Module(), Does(lambda x: x.flatten(1))
        for module in (self.first, self.second):
            module.register_buffer("table", torch.rand(1), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(x) * self.first.table + self.second.table


class Logits(nn.Module):
    """The logits of a model of transformers, or what another one gives."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result = self.module(x)
        return result if isinstance(result, torch.Tensor) else result.logits


def by_pytorch(program: ExportedProgram) -> ExportedProgram:
    make_returning(program.graph)
    return program.run_decompositions({})


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> Callable[[nn.Module, torch.Tensor], bool]:
    """Whether a module's graph was rewritten; its segments are those of PyTorch's pass."""
    passes: list[str] = []
    own = ExportedProgram.run_decompositions

    def counted(program: ExportedProgram, table: dict[object, object]) -> ExportedProgram:
        passes.append("one")
        return own(program, table)  # type: ignore[arg-type]

    monkeypatch.setattr(ExportedProgram, "run_decompositions", counted)

    def compare(module: nn.Module, example: torch.Tensor) -> bool:
        module = Logits(module).eval()
        found = split(module, (example,))
        rewritten = not passes
        with monkeypatch.context() as patch:
            patch.setattr(splitting, "functional", by_pytorch)
            reference = split(module, (example,))
        assert len(passes) == 2 - rewritten
        assert [s.fingerprint for s in found.segments] == [s.fingerprint for s in reference.segments]
        assert [s.parameter_names for s in found.segments] == [s.parameter_names for s in reference.segments]
        assert [s.output_bytes for s in found.segments] == [s.output_bytes for s in reference.segments]
        state: tuple[torch.Tensor, ...] = (example,)
        for segment in found.segments:
            state = segment(state, [tensor_of(module, name, found.constants) for name in segment.parameter_names])
        with torch.no_grad():
            assert torch.equal(state[0], module(example))
        return rewritten

    return compare


def tensor_of(module: nn.Module, name: str, constants: object) -> torch.Tensor:
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return tensors[name] if name in tensors else constants[name]  # type: ignore[index]


@pytest.mark.parametrize("name", REWRITTEN)
def test_operators_are_rewritten_as_pytorch_does(name: str, both: Callable[..., bool]) -> None:
    assert both(Does(REWRITTEN[name]), torch.rand(3, 3, 8, 8))


@pytest.mark.parametrize("name", LEFT)
def test_what_is_not_known_is_left_to_pytorch(name: str, both: Callable[..., bool]) -> None:
    assert not both(Does(LEFT[name]), torch.rand(3, 3, 8, 8))


def test_buffers_that_would_be_listed_in_another_order_are_left_to_pytorch(both: Callable[..., bool]) -> None:
    assert not both(Table(), torch.rand(3, 3, 8, 8))


@pytest.mark.parametrize("name", NETWORKS)
def test_common_networks_are_rewritten(name: str, both: Callable[..., bool]) -> None:
    make, shape = NETWORKS[name]
    example = torch.rand(2, *shape) if len(shape) > 1 else torch.randint(9, (2, *shape))
    assert both(make(), example)
