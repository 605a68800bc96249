"""Arguments of the Python API as people write them: accepted, or refused in one line that says what is."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import alsatian
from alsatian.api import predict
from alsatian.costs.model import CostModel
from alsatian.data.digits import digits
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.errors import AlsatianError
from alsatian.fingerprint import features_fingerprint
from alsatian.models.model_set import ModelSet
from alsatian.proxies.linear import Linear
from alsatian.runtime.storage.regime import Storage
from alsatian.searching.named import STRATEGIES, named
from alsatian.searching.search import SearchResult
from alsatian.searching.strategy import Strategy
from alsatian.store.store import BlockStore
from experiments.configuration.setup import strategy_named
from tests.conftest import quick_body, scramble

SIZE = {"size": 8}
DATA = digits(41)


def extractor() -> nn.Module:
    """(N, 3, 8, 8) -> (N, 8, 4, 4) in as few layers as show what differs: every module here is exported anew."""
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.Conv2d(4, 8, 3, stride=2, padding=1),
        nn.ReLU(inplace=True),
    )
    scramble(module, torch.Generator().manual_seed(0))
    return module.eval()


def search(models: Any = None, **changes: Any) -> SearchResult:
    settings: dict[str, Any] = {"preprocessing": SIZE, "proxies": Linear(epochs=5), "batch_size": 8, "verify": True}
    models = {"one": extractor()} if models is None else models
    return alsatian.search(models, changes.pop("data", DATA), **{**settings, **changes})


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    """The module exported once, for what has nothing to do with how modules become models."""
    store = BlockStore(tmp_path_factory.mktemp("known"))
    return ModelSet.from_modules(store, {"one": extractor()}, ImagePreprocessing(8))


def features_of(result: SearchResult, model: str = "one") -> str:
    return result.rounds[-1].fingerprints[model]


def eager(
    module: Callable[[torch.Tensor], torch.Tensor], prepare: ImagePreprocessing | None = None, models: int = 1
) -> str:
    """The digest of what ``module`` itself returns, batch by batch of a search of so many ``models``."""
    prepare = prepare or ImagePreprocessing(8)
    test, train = DATA.batches(8, models)
    with torch.no_grad():
        parts = [
            torch.cat([module(prepare(DATA.items(b))[0]).flatten(1) for b in part]).float()
            for part in (train, test)
        ]
    return features_fingerprint(parts)


class Wraps(nn.Module):
    """Does something to what a model returns."""

    def __init__(self, then: Callable[[torch.Tensor], Any], inner: nn.Module | None = None) -> None:
        super().__init__()
        self.inner = inner or quick_body()
        self.then = then

    def forward(self, x: torch.Tensor) -> Any:
        return self.then(self.inner(x))


class Two(nn.Module):
    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return x * mask


def branches(x: torch.Tensor) -> torch.Tensor:
    return x + 1 if x.sum() > 0 else x - 1


def loops(x: torch.Tensor) -> torch.Tensor:
    for _ in range(int(x.abs().max().item())):
        x = x + 1
    return x


ONE = {"one": extractor()}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "models: a list": (
        {"models": [extractor()]},
        r"models: a value of type list is given; accepted are paths of checkpoints, modules by id",
    ),
    "models: a tuple": (
        {"models": (extractor(),)},
        r"type tuple is given; accepted are paths of checkpoints, modules by id",
    ),
    "models: a module": (
        {"models": extractor()},
        r"type Sequential is given; accepted are paths of checkpoints, modules by id",
    ),
    "models: a path": ({"models": Path("models"), "preprocessing": None}, r"models: there is no such path"),
    "models: a class": ({"models": nn.Linear}, r"the class Linear is given"),
    "models: a generator": ({"models": (m for m in "a")}, r"type generator is given"),
    "ids: integers": ({"models": {0: extractor()}}, r"the id 0 is no text"),
    "ids: None": ({"models": {None: extractor()}}, r"the id None is no text"),
    "ids: empty": ({"models": {"": extractor()}}, r"the id '' is no text"),
    "ids: a tuple": ({"models": {("a", 1): extractor()}}, r"is no text"),
    "module: a state dict": (
        {"models": {"one": extractor().state_dict()}},
        r"'one' is a OrderedDict, a state dict",
    ),
    "models: a state dict": ({"models": extractor().state_dict()}, r"a state dict is given; load it"),
    "module: a path": (
        {"models": {"one": "resnet18.pt"}},
        r"'one' is 'resnet18.pt'; a torch.nn.Module is expected",
    ),
    "module: a class": ({"models": {"one": nn.Linear}}, r"'one' is the class Linear; a torch.nn.Module"),
    "module: a function": ({"models": {"one": lambda x: x}}, r"'one' is a value of type function"),
    "module: None": ({"models": {"one": None}}, r"'one' is a value of type NoneType"),
    "strategy: unknown": (
        {"strategy": "alsation"},
        r"strategy=alsation: there is no such .* did you mean 'alsatian'",
    ),
    "strategy: a class": ({"strategy": Strategy}, r"strategy: the class Strategy is given"),
    "strategy: a number": ({"strategy": 3}, r"strategy: a value of type int is given"),
    "proxy: unknown": ({"proxies": "liner"}, r"proxy=liner: there is no such proxy; did you mean 'linear'"),
    "proxy: a class": ({"proxies": Linear}, r"proxy: the class Linear is given"),
    "proxy: a number": ({"proxies": 1}, r"proxy: a value of type int is given"),
    "preprocessing: none": ({"preprocessing": None}, r"need a preprocessing, e\.g\."),
    "preprocessing: a number": ({"preprocessing": 8}, r"preprocessing: a value of type int is given"),
    "preprocessing: a function": ({"preprocessing": lambda x: x}, r"preprocessing: a value of type function"),
    "preprocessing: a class": ({"preprocessing": ImagePreprocessing}, r"the class ImagePreprocessing is given"),
    "preprocessing: a list": ({"preprocessing": [ImagePreprocessing(8)]}, r"type list is given"),
    "settings: unknown": (
        {"preprocessing": {"size": 8, "men": 3}},
        r"'men' is no setting of images; did you mean 'mean'",
    ),
    "settings: no size": ({"preprocessing": {"mean": (0, 0, 0)}}, r"lacks the size"),
    "settings: empty": ({"preprocessing": {}}, r"lacks the size"),
    "settings: a float": ({"preprocessing": {"size": 8.0}}, r"are no settings of images"),
    "settings: a text": ({"preprocessing": {"size": "8"}}, r"are no settings of images"),
    "settings: one mean": ({"preprocessing": {"size": 8, "mean": 0.5}}, r"are no settings of images"),
    "settings: two means": ({"preprocessing": {"size": 8, "mean": (0.5, 0.5)}}, r"3 finite numbers each"),
    "settings: std of 0": ({"preprocessing": {"size": 8, "std": [0, 0, 0]}}, r"std above 0"),
    "by id: unknown": ({"preprocessing": {"won": SIZE}}, r"'won' is neither a setting .* did you mean 'one'"),
    "by id: missing": (
        {"models": {"one": extractor(), "two": extractor()}, "preprocessing": {"one": SIZE}},
        r"there is none for the model 'two'",
    ),
    "by id: a number": ({"preprocessing": {"one": 8}}, r"preprocessing"),
    "batch size: a float": ({"batch_size": 32.0}, r"batch_size=32\.0: must be a whole number"),
    "batch size: a text": ({"batch_size": "32"}, r"batch_size='32': must be a whole number"),
    "batch size: None": ({"batch_size": None}, r"batch_size=None: must be a whole number"),
    "batch size: true": ({"batch_size": True}, r"batch_size=True: must be a whole number"),
    "batch size: a NumPy float": ({"batch_size": np.float64(8)}, r"batch_size=.*must be a whole number"),
    "device: a number": ({"device": 0}, r"device=0: valid are: cpu, cuda"),
    "device: None": ({"device": None}, r"device=None"),
    "device: meta": ({"device": torch.device("meta")}, r"device=meta: valid are"),
    "device: another GPU": ({"device": torch.device("cuda:3")}, r"device=cuda:3: .*CUDA_VISIBLE_DEVICES"),
    "loader: a name": ({"loader": "sequential"}, r"loader: 'sequential' is given; accepted are a LoaderSettings"),
    "storage: a number": ({"storage": 1e6}, r"storage: a value of type float is given"),
    "hardware: a name": ({"hardware": "a5000"}, r"hardware: 'a5000' is given; accepted are a Hardware"),
    "budget: a list": ({"budget": [1]}, r"cache\.budget=\[1\]: not a size"),
    "budget: a mapping": ({"budget": {"budget": 1}}, r"cache\.budget=.*not a size"),
    "budget: true": ({"budget": True}, r"cache\.budget=True: not a size"),
    "verify: a text": ({"verify": "yes"}, r"verify='yes': True or False"),
    "timeline: a number": ({"timeline": 1}, r"timeline=1: True or False"),
    "on_bad_model: unknown": ({"on_bad_model": "skip"}, r"on_bad_model=skip: valid are: exclude, raise"),
    "on_bad_model: None": ({"on_bad_model": None}, r"on_bad_model=None"),
    "on_bad_model: a list": ({"on_bad_model": ["raise"]}, r"on_bad_model=\['raise'\]"),
    "checkpoint: true": ({"checkpoint": True}, r"checkpoint=True: the path of a folder is expected"),
    "meter level": ({"meter_level": None}, r"meter\.level=None"),
    "progress: a bar": ({"progress": "bar"}, r"progress: 'bar' is given; a function is expected"),
    "data: None": ({"data": None}, r"data: a value of type NoneType is given; accepted are a folder"),
    "data: items": ({"data": np.zeros((20, 8, 8), np.uint8)}, r"data: .*the pair \(items, labels\)"),
    "data: three": ({"data": (1, 2, 3)}, r"data: .*the pair \(items, labels\)"),
    "output: a tuple": (
        {"models": {"one": Wraps(lambda x: (x, x))}},
        r"model 'one': Wraps returns 2 tensors; features",
    ),
    "output: a dict": ({"models": {"one": Wraps(lambda x: {"a": x, "b": x})}}, r"Wraps returns 2 tensors"),
    "output: a list": ({"models": {"one": Wraps(lambda x: [x, x, x])}}, r"Wraps returns 3 tensors"),
    "output: None": ({"models": {"one": Wraps(lambda x: None)}}, r"Wraps returns no tensor"),
    "output: a number": ({"models": {"one": Wraps(lambda x: 3.0)}}, r"Wraps returns no tensor"),
    "output: one for all": ({"models": {"one": Wraps(lambda x: x.mean())}}, r"Wraps returns \(\) for N items"),
    "output: a sum": ({"models": {"one": Wraps(lambda x: x.sum(0))}}, r"Wraps returns \(8, 4, 4\) for N items"),
    "output: tokens as rows": (
        {"models": {"one": Wraps(lambda x: x.reshape(-1, 16))}},
        r"Wraps returns \(8\*N, 16\) for N items",
    ),
    "output: classes": (
        {"models": {"one": Wraps(lambda x: x.flatten(1).argmax(1))}},
        r"returns torch\.int64 numbers",
    ),
    "control flow: a branch": (
        {"models": {"one": Wraps(branches)}},
        r"data-dependent \(test_api_arguments\.py, line \d+",
    ),
    "control flow: a loop": ({"models": {"one": Wraps(loops)}}, r"'one': Wraps cannot be exported"),
    "control flow: a mask": ({"models": {"one": Wraps(lambda x: x[x[:, 0, 0, 0] > 0])}}, r"for N items"),
    "two inputs": ({"models": {"one": Two()}}, r"'one': Two cannot be exported: .*'mask'"),
    "an error inside": ({"models": {"one": Wraps(lambda x: x.nothing)}}, r"Wraps cannot be exported: .*nothing"),
    "no values": (
        {"models": {"one": extractor().to("meta")}},
        r"'one': Sequential has parameters on the meta device",
    ),
    "no shapes": ({"models": {"one": nn.Sequential(nn.LazyLinear(3))}}, r"Sequential has parameters without shape"),
    "another input": ({"models": {"one": nn.Sequential(nn.Linear(3, 3))}}, r"'one': Sequential cannot be exported"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_said_in_one_line(case: str, capfd: pytest.CaptureFixture[str]) -> None:
    changes, message = REFUSED[case]
    changes = dict(changes)
    with pytest.raises(AlsatianError, match=message) as error:
        search(changes.pop("models", None), **changes)
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", ""), "no graph is printed, and no log"


@pytest.mark.filterwarnings("ignore:.*torch.jit")
@pytest.mark.parametrize("make", [torch.jit.script, lambda m: torch.jit.trace(m, torch.zeros(2, 3, 8, 8))])
def test_torchscript_is_refused(make: Callable[[nn.Module], nn.Module]) -> None:
    with pytest.raises(AlsatianError, match=r"'one': .* is TorchScript, which cannot be split"):
        search({"one": make(extractor())})


def test_all_bad_models_are_named_at_once() -> None:
    models = {"tuple": Wraps(lambda x: (x, x)), "good": extractor(), "branch": Wraps(branches)}
    with pytest.raises(AlsatianError) as error:
        search(models)
    first, *lines = str(error.value).splitlines()
    assert first == "2 of 3 models cannot be used; on_bad_model=exclude goes on without them:"
    assert [line.split(":")[0] for line in lines] == ["model 'tuple'", "model 'branch'"]


@pytest.mark.parametrize("bad", [Wraps(lambda x: (x, x)), Wraps(branches)], ids=["tuple", "branch"])
def test_what_cannot_be_split_can_be_left_out(bad: nn.Module) -> None:
    result = search({"bad": bad, "one": extractor()}, on_bad_model="exclude")
    assert result.ranked == ("one", "bad")
    assert list(result.excluded) == ["bad"]
    assert features_of(result) == features_of(search())


def test_without_any_good_model_a_search_fails() -> None:
    with pytest.raises(AlsatianError, match="'bad': Wraps returns 2 tensors"):
        search({"bad": Wraps(lambda x: (x, x))}, on_bad_model="exclude")


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_strategy_by_name_is_that_of_the_command_line(name: str) -> None:
    ours, theirs = named(name), strategy_named(name)
    assert type(ours) is type(theirs)
    assert ours.cache.name == theirs.cache.name
    assert dataclasses.replace(ours, cache=theirs.cache) == theirs


@pytest.mark.parametrize("name", [name for name in STRATEGIES if name != "auto"])
def test_a_strategy_by_name_finds_the_same_features(known: ModelSet, name: str) -> None:
    assert features_of(search(known, preprocessing=None, strategy=name)) == eager(extractor())


def test_a_proxy_by_name_is_the_usual_one(known: ModelSet) -> None:
    by_name, usual = (
        search(known, preprocessing=None, proxies=proxy).rounds[-1].scores for proxy in ("logistic", None)
    )
    assert by_name == usual


@pytest.mark.parametrize(
    "batch_size", [8, np.int64(8), np.uint8(8), torch.tensor(8)], ids=lambda n: type(n).__name__
)
def test_whole_numbers_of_other_libraries_are_batch_sizes(known: ModelSet, batch_size: Any) -> None:
    assert features_of(search(known, preprocessing=None, batch_size=batch_size)) == eager(extractor())


@pytest.mark.parametrize("device", ["cpu", "cpu:0", torch.device("cpu"), torch.device("cpu", 0)], ids=repr)
def test_a_device_of_pytorch_is_a_device(known: ModelSet, device: Any) -> None:
    assert features_of(search(known, preprocessing=None, device=device)) == eager(extractor())


def test_a_checkpoint_is_a_path_or_a_text(known: ModelSet, tmp_path: Path) -> None:
    search(known, preprocessing=None, checkpoint=str(tmp_path / "kept"))
    found = search(known, preprocessing=None, checkpoint=tmp_path / "kept")
    assert features_of(found) == eager(extractor())


OTHER = ImagePreprocessing(8, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"size": 8}, ImagePreprocessing(8)),
        ({"size": np.int64(8)}, ImagePreprocessing(8)),
        ({"size": 8, "mean": [0.5] * 3, "std": np.full(3, 0.25)}, OTHER),
        ({"one": OTHER}, OTHER),
        ({"one": {"size": 8, "mean": (0.5,) * 3, "std": (0.25,) * 3}}, OTHER),
    ],
    ids=["size", "a NumPy size", "lists", "by id", "settings by id"],
)
def test_preprocessing_by_its_settings(given: Any, expected: ImagePreprocessing) -> None:
    assert features_of(search(preprocessing=given)) == eager(extractor(), expected)


def test_each_model_has_a_preprocessing_of_its_own() -> None:
    models = {"one": extractor(), "two": extractor(), "size": extractor()}
    result = search(models, preprocessing={"one": SIZE, "two": OTHER, "size": {"size": 16}}, strategy="base")
    assert features_of(result) == eager(extractor(), models=3)
    assert features_of(result, "two") == eager(extractor(), OTHER, models=3)
    assert features_of(result, "size") == eager(extractor(), ImagePreprocessing(16), models=3)


def test_a_model_set_has_its_own_preprocessing(known: ModelSet) -> None:
    with pytest.raises(AlsatianError, match="preprocessing: the models of a set or in files have their own"):
        search(known)
    assert features_of(search(known, preprocessing=None)) == eager(extractor())


def compiled_in_place(module: nn.Module) -> nn.Module:
    module.compile(backend="eager")
    return module


WRAPPERS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "torch.compile": lambda m: torch.compile(m, backend="eager"),  # type: ignore[dict-item,return-value]
    "DataParallel": nn.DataParallel,
    "both": lambda m: nn.DataParallel(torch.compile(m, backend="eager")),  # type: ignore[arg-type]
    "the other way round": lambda m: torch.compile(nn.DataParallel(m), backend="eager"),  # type: ignore[return-value]
    "averaged": lambda m: torch.optim.swa_utils.AveragedModel(m),
    "compiled in place": compiled_in_place,
    "a tuple of one": lambda m: Wraps(lambda x: (x,), m),
    "a dict of one": lambda m: Wraps(lambda x: {"features": x}, m),
    "a graph module": torch.fx.symbolic_trace,
    "forward without names": lambda m: Wraps(lambda x: x, m),
}


@pytest.mark.parametrize("kind", WRAPPERS)
def test_a_wrapped_module_is_the_module(kind: str) -> None:
    assert features_of(search({"one": WRAPPERS[kind](extractor())})) == eager(extractor())


def test_a_wrapped_module_shares_blocks_with_the_module() -> None:
    result = search({"one": extractor(), "two": torch.compile(extractor()), "three": nn.DataParallel(extractor())})
    alone = search()
    assert result.measurement.counters["block_items"] == alone.measurement.counters["block_items"]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_other_precisions_run_in_float32_in_a_copy(dtype: torch.dtype) -> None:
    module = extractor().to(dtype)
    reference = extractor().to(dtype).float()
    with pytest.warns(UserWarning, match=f"model 'one': its parameters in {dtype} run in float32, in a copy"):
        result = search({"one": module})
    assert features_of(result) == eager(reference)
    assert {tensor.dtype for tensor in module.parameters()} == {dtype}


def test_some_parameters_in_half_precision_are_enough() -> None:
    module = extractor()
    module[3].half()  # type: ignore[index]
    reference = extractor()
    reference[3].half().float()  # type: ignore[index]
    with pytest.warns(UserWarning, match="in torch.float16 run in float32"):
        assert features_of(search({"one": module})) == eager(reference)


def test_a_module_made_in_inference_mode_is_copied() -> None:
    with torch.inference_mode():
        module = extractor()
    assert features_of(search({"one": module})) == eager(extractor())


class Merges(nn.Module):
    """Adds to its weight in evaluation mode, and takes it away again in training, as some adapters do."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(8))
        self.merged = False

    def train(self, mode: bool = True) -> "Merges":
        super().train(mode)
        if self.merged == mode:
            self.weight.data += -1 if mode else 1
            self.merged = not mode
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)[:, :8] * self.weight


class Remembers(nn.Module):
    """Keeps what it saw last."""

    last: object = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.last = x
        return x.flatten(1)


def partly_trained() -> nn.Module:
    module = extractor().train()
    module[1].eval()  # type: ignore[index]
    return module


LEFT: dict[str, Callable[[], nn.Module]] = {
    "evaluation": extractor,
    "training": lambda: extractor().train(),
    "partly": partly_trained,
    "dropout": lambda: nn.Sequential(extractor(), nn.Dropout()).train(),
    "frozen": lambda: extractor().requires_grad_(False),
    "half": lambda: extractor().half().train(),
    "compiled": lambda: torch.compile(extractor().train(), backend="eager"),  # type: ignore[return-value]
    "parallel": lambda: nn.DataParallel(extractor().train()),
    "merging": lambda: Merges().train(),
    "remembering": lambda: Remembers().train(),
    "bad": lambda: Wraps(branches).train(),
    "bad output": lambda: Wraps(lambda x: (x, x)).train(),
}


def state(module: nn.Module) -> list[Any]:
    """All that a search has to leave alone."""
    return [
        [
            (name, part.training, len(part._forward_hooks), len(part._forward_pre_hooks))
            for name, part in module.named_modules()
        ],
        [
            (name, id(t), t.requires_grad, t.dtype, t.device, t.grad, t.sum().item())
            for name, t in (*module.named_parameters(), *module.named_buffers())
        ],
        [(name, getattr(part, "last", None)) for name, part in module.named_modules()],
    ]


@pytest.mark.filterwarnings("ignore:model 'one'")
@pytest.mark.parametrize("kind", LEFT)
def test_modules_are_left_as_they_were(kind: str) -> None:
    module = LEFT[kind]()
    list(module.modules())[-1].register_forward_hook(lambda *_: None)
    before = state(module)
    search({"one": module, "good": extractor()}, on_bad_model="exclude")
    assert state(module) == before


def test_hooks_that_change_what_passes_are_part_of_the_module() -> None:
    module = extractor()
    module[0].register_forward_hook(lambda part, inputs, output: output * 2)  # type: ignore[index]
    assert features_of(search({"one": module})) == eager(module)


def costs_of(models: ModelSet) -> CostModel:
    from tests.searching.tiny_search import slow_reads

    return alsatian.api.cost_model(slow_reads(models), models.candidates, DATA, Storage(), models.segments)


def test_a_prediction_takes_sets_and_names(known: ModelSet) -> None:
    costs = costs_of(known)
    one = predict(known, DATA.batches(8), costs, strategy="shift")
    two = predict(known.candidates, DATA.batches(8), costs, strategy=named("shift"))
    assert one.measurement.parts_s == two.measurement.parts_s
    assert one.measurement.counters == two.measurement.counters


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"candidates": ["one"]}, "candidates: a value of type list is given; accepted are a ModelSet"),
        ({"candidates": ONE}, "candidates: a value of type dict is given"),
        ({"candidates": ()}, "the model set is empty"),
        ({"batches": DATA}, r"batches: a value of type Dataset is given; accepted are .*Dataset\.batches"),
        ({"batches": 8}, "batches: a value of type int"),
        ({"batches": None}, "batches: a value of type NoneType"),
        ({"costs": "a5000"}, "costs: 'a5000' is given; accepted are a CostModel"),
        ({"costs": None}, "costs: None is given"),
        ({"strategy": "shft"}, "did you mean 'shift'"),
        ({"budget": []}, r"cache\.budget=\[\]: not a size"),
        ({"loader": True}, "loader: a value of type bool is given"),
        ({"scores": {"one": 1.0}}, "scores: a value of type dict is given; a function is expected"),
        ({"seed": 0.5}, r"seed=0\.5: must be a whole number"),
        ({"file_bytes": 3}, "file_bytes: a value of type int is given"),
    ],
)
def test_arguments_of_a_prediction(known: ModelSet, changes: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"candidates": known, "batches": DATA.batches(8), "costs": costs_of(known), **changes}
    with pytest.raises(AlsatianError, match=message) as error:
        predict(given.pop("candidates"), given.pop("batches"), given.pop("costs"), **given)
    assert "\n" not in str(error.value)
