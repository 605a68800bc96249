"""Overwriting what nobody reads again changes no bit, neither of the result nor of what a block was given."""

from collections import Counter
from collections.abc import Callable

import pytest
import torch
from torch import nn

from alsatian.blocks import functional, serialization
from alsatian.blocks.in_place import make_returning, overwriting
from alsatian.blocks.segment import Architecture
from alsatian.blocks.split import split

Body = Callable[["Parts", torch.Tensor], torch.Tensor]


class Parts(nn.Module):
    """Some layers, which ``body`` combines."""

    def __init__(self, body: Body) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = body
        self.conv, self.other = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(2))
        self.norm = nn.BatchNorm2d(3)
        self.dropout = nn.Dropout(0.5)
        self.bias = nn.Parameter(torch.randn(3, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(self, x).flatten(1)


def view(parts: Parts, x: torch.Tensor) -> torch.Tensor:
    """A view of a value sees what is written to it."""
    made = parts.conv(x)
    flat = made.view(-1)
    return torch.relu(made) + flat.view_as(made)


BODIES: dict[str, tuple[Body, tuple[str, ...]]] = {
    # The operators that overwrite, in order.
    "the block of a ResNet": (
        lambda p, x: nn.functional.relu(p.norm(p.other(torch.relu(p.norm(p.conv(x))))) + x),
        ("relu_", "add_", "relu_"),
    ),
    "a chain of activations": (
        lambda p, x: nn.functional.silu(nn.functional.gelu(nn.functional.hardswish(p.conv(x)))),
        ("hardswish_", "gelu_", "silu_"),
    ),
    "dropout becomes a copy": (lambda p, x: torch.tanh(p.dropout(p.conv(x))) + x, ("tanh_", "add_")),
    "a copy that is returned": (lambda p, x: p.dropout(p.conv(x)), ()),
    "the input is what a block was given": (lambda p, x: p.conv(torch.relu(x)), ()),
    "a parameter is nobody's to change": (lambda p, x: p.conv(x) * torch.sigmoid(p.bias) + x, ("add_",)),
    "a value is read later": (lambda p, x: (lambda y: torch.relu(y) + y)(p.conv(x)), ("add_",)),
    "a value is read twice": (lambda p, x: (lambda y: y * y)(p.conv(x)), ()),
    "a smaller operand is spread": (
        lambda p, x: torch.relu(p.conv(x).mean(1, keepdim=True) + p.conv(x)),
        ("relu_",),
    ),
    "a view is read later": (view, ("add_",)),
    "another type comes out": (lambda p, x: p.conv(x) > 0.1, ()),
}


def used(built: Architecture) -> tuple[str, ...]:
    """The in-place operators of inference, in order."""
    codes = [overwriting(segment.code) for segment in built.segments]
    names = [str(node.target).split(".") for code in codes for node in code.graph.nodes]
    return tuple(name[1] for name in names if len(name) == 3 and name[1].endswith("_"))


def chain(built: Architecture, module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    state: tuple[torch.Tensor, ...] = (x,)
    for segment, parameters in zip(built.segments, built.parameters_of(module), strict=True):
        before = [tensor.clone() for tensor in (*state, *parameters)]
        given = (*state, *parameters)
        state = segment(state, parameters)
        assert all(torch.equal(a, b) for a, b in zip(before, given, strict=True)), "what it was given has changed"
    return state[0]


@pytest.mark.parametrize("name", BODIES)
def test_results_and_what_was_given_stay_the_same(name: str) -> None:
    body, expected = BODIES[name]
    module = Parts(lambda p, x: body(p, x).float()).eval()
    x = torch.randn(4, 3, 6, 6)
    built = split(module, (x[:2],))
    assert used(built) == expected
    with torch.no_grad():
        assert torch.equal(chain(built, module, x), module(x))
    kept = [serialization.load(serialization.dump(segment)) for segment in built.segments]
    assert used(Architecture(tuple(kept), built.constants)) == expected


def read_later(parts: Parts, x: torch.Tensor) -> torch.Tensor:
    made = parts.conv(x)
    other = parts.other(made)
    return other + made.relu_() + made


def seen_through_a_view(parts: Parts, x: torch.Tensor) -> torch.Tensor:
    made = parts.conv(x)
    flat = made.view(-1)
    return made.relu_() + flat.view_as(made)


def seen_through_dropout(parts: Parts, x: torch.Tensor) -> torch.Tensor:
    """In evaluation, dropout returns what it was given."""
    made = parts.conv(x)
    return parts.dropout(made).relu_() + made


# A model's own in-place code, and what of it is left to PyTorch to make functional.
OWN: dict[str, tuple[Body, tuple[str, ...]]] = {
    "the block of a ResNet": (lambda p, x: p.norm(p.conv(x)).relu_().add_(x).relu_(), ()),
    "a chain of activations": (
        lambda p, x: nn.functional.silu(nn.functional.hardtanh_(p.conv(x), 0.0, 6.0), inplace=True),
        (),
    ),
    "a value is read later": (read_later, ("relu_",)),
    "a view is read later": (seen_through_a_view, ("relu_",)),
    "dropout is read later": (seen_through_dropout, ("relu_",)),
    "the input is what it was given": (lambda p, x: p.conv(x.relu_()), ("relu_",)),
    "a value is added to itself": (lambda p, x: (lambda y: y.add_(y))(p.conv(x)), ("add_",)),
    "a smaller operand is spread": (lambda p, x: p.conv(x).mul_(p.bias), ("mul_",)),
    "another layout": (lambda p, x: p.conv(x).add_(x.transpose(2, 3)), ("add_",)),
}


@pytest.mark.parametrize("name", OWN)
def test_code_that_overwrites_gives_the_same_graph_and_results(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body, expected = OWN[name]
    module = Parts(body).eval()
    x = torch.randn(4, 3, 6, 6)
    left: list[str] = []

    def looked_at(graph: torch.fx.Graph) -> None:
        make_returning(graph)
        names = [str(node.target).split(".")[1] for node in graph.nodes if str(node.target).startswith("aten.")]
        left.extend(name for name in names if name.endswith("_"))

    monkeypatch.setattr(functional, "make_returning", looked_at)
    built = split(module, (x[:2].clone(),))
    assert tuple(left) == expected
    with torch.no_grad():
        assert torch.equal(chain(built, module, x), module(x.clone()))
    monkeypatch.setattr(functional, "make_returning", lambda graph: None)
    whole = split(module, (x[:2].clone(),))
    assert [s.fingerprint for s in built.segments] == [s.fingerprint for s in whole.segments]
    assert used(built) == used(whole)


def test_gradients_are_those_of_the_module() -> None:
    """Results that a gradient needs are not overwritten: a sigmoid's backward reads what it returned."""
    module = Parts(lambda p, x: torch.tanh(torch.sigmoid(p.conv(x)))).eval()
    x = torch.randn(2, 3, 6, 6)
    built = split(module, (x,))
    assert used(built) == ("sigmoid_", "tanh_")
    (segment,), (parameters,) = built.segments, built.parameters_of(module)
    (features,) = segment((x,), parameters)
    found = torch.autograd.grad(features.sum(), parameters)
    expected = torch.autograd.grad(module(x).sum(), [module.conv.weight, module.conv.bias])
    assert segment.parameter_names == ("conv.weight", "conv.bias")
    torch.testing.assert_close(found, expected)


def test_a_network_has_those_of_its_own_code() -> None:
    from torchvision.models import resnet18

    module = resnet18(weights=None).eval()
    with torch.no_grad():
        built = split(module, (torch.randn(2, 3, 32, 32),))
    assert Counter(used(built)) == Counter({"relu_": 17, "add_": 8})
