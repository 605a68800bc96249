"""On a GPU blocks come in a stream of their own, and what is kept, copied and read ahead changes nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import alsatian
from alsatian.blocks.candidate import Block
from alsatian.blocks.segment import Segment
from alsatian.budgets import Budgets
from alsatian.data.digits import digits
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.models.model_set import ModelSet
from alsatian.planning.orders.given import Given
from alsatian.runtime.cache.policies.none import NoCache
from alsatian.runtime.loading.settings import LoaderSettings
from alsatian.runtime.loading.transfer import CudaTransfer
from alsatian.searching.schedules import Exhaustive
from alsatian.searching.strategy import Strategy
from alsatian.store.store import BlockStore

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
MODELS = {"first": "aaaa", "second": "aaab", "third": "aacc", "twin": "aaab", "alone": "dddd"}


def outcomes(result: alsatian.SearchResult) -> list[tuple[dict[str, float], dict[str, str]]]:
    return [(finished.scores, finished.fingerprints) for finished in result.rounds]


def test_every_way_of_loading_gives_the_same(tmp_path: Path, tiny: Callable[[str], torch.nn.Module]) -> None:
    modules = {model: tiny(letters) for model, letters in MODELS.items()}
    models = ModelSet.from_modules(BlockStore(tmp_path), modules, ImagePreprocessing(8), device="cuda")
    blocks: dict[str, Block] = {b.identity: b for c in models.candidates for b in c.blocks}
    total = sum(block.parameter_bytes for block in blocks.values())
    base = Strategy(schedule=Exhaustive(), sharing="none", order=Given(), cache=NoCache())
    shared = Strategy(schedule=Exhaustive())
    data = digits(400)
    truth = outcomes(alsatian.search(models, data, strategy=base, batch_size=32, device="cuda", verify=True))
    for ahead in (True, False):
        for budget in (None, total // 2):
            for host in (None, "1MB"):
                budgets = Budgets(budget="256KiB", block_budget=budget, block_host_budget=host)
                result = alsatian.search(
                    models, data, strategy=shared, loader=LoaderSettings(read_ahead=ahead), batch_size=32,
                    budget=budgets,
                    device="cuda", verify=True,
                )  # fmt: skip
                assert outcomes(result) == truth
                assert result.measurement.peaks["resident_block_bytes"] <= (budget or total)
                assert result.measurement.peaks.get("host_block_bytes", 0) <= 10**6
                if host or budget is None:
                    assert result.measurement.counters["blocks_read"] == len(blocks)


def test_a_copy_is_waited_for_and_its_memory_is_not_reused_while_it_is_read() -> None:
    """The copy and the work that reads it lie in different streams; each block is dropped at once."""
    transfer = CudaTransfer(torch.device("cuda"))
    size, sums = 4 * 1024 * 1024, []
    for i in range(50):
        loaded = transfer.bring(transfer.stage([torch.full((size,), float(i))]))
        transfer.hand_over(loaded)
        torch.cuda._sleep(1_000_000)  # the work on the device is behind
        sums.append((loaded.parameters[0] == i).sum())
        del loaded
    assert [int(s) for s in sums] == [size] * 50


def test_marks_are_passed_when_the_work_before_them_is_done() -> None:
    transfer = CudaTransfer(torch.device("cuda"))
    torch.cuda._sleep(10_000_000)
    mark = transfer.mark()
    transfer.wait([mark])
    assert mark.query()


def test_parameters_carry_gradients_as_in_the_module() -> None:
    from torch.fx import Graph, GraphModule

    segment = Segment("code", ("a", "b"), (True, False), 4, GraphModule({}, Graph()))
    transfer = CudaTransfer(torch.device("cuda"))
    parameters, _ = transfer.bring(transfer.stage([torch.ones(3), torch.ones(2)]))
    assert [p.requires_grad for p in segment.prepare(parameters)] == [True, False]
