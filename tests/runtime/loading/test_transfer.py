"""Copies of parameters: their own memory, the same bits, and no threads of PyTorch's beside the search."""

import os
import sys
import threading
from collections.abc import Callable

import pytest
import torch

from alsatian.runtime.loading.transfer import Transfer


@pytest.mark.parametrize(
    "tensor",
    [
        torch.randn(7, 5),
        torch.randn(8, 6)[::2, 1:4],
        torch.tensor(3),
        torch.empty(0, 4),
        torch.randn(9).to(torch.bfloat16),
        torch.tensor([True, False]),
        torch.arange(5, dtype=torch.int64)[1:],
        torch.arange(5)[:3],
    ],
    ids=["matrix", "strided", "scalar", "empty", "bfloat16", "bool", "offset", "beginning"],
)
def test_what_is_staged_is_equal_and_has_memory_of_its_own(tensor: torch.Tensor) -> None:
    (copy,) = Transfer().stage([tensor])
    assert copy.dtype == tensor.dtype
    assert copy.shape == tensor.shape
    assert torch.equal(copy, tensor)
    assert copy.is_contiguous()
    assert copy.storage_offset() == 0
    assert copy.data_ptr() % 64 == 0
    assert copy.untyped_storage().nbytes() == tensor.nbytes
    # It is copied unless it was so before.
    alone = tensor.untyped_storage().nbytes() == tensor.nbytes and tensor.data_ptr() % 64 == 0
    if tensor.numel():
        assert (copy.data_ptr() == tensor.data_ptr()) == alone


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_copying_beside_the_search_starts_no_threads() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    large, small = torch.zeros(1 << 20), torch.zeros((1 << 15) - 1)

    def started(copy: Callable[[], object]) -> int:
        """How many threads more there are, while the thread that has called ``copy`` is there."""
        counts: list[int] = []

        def work() -> None:
            counts.append(len(os.listdir("/proc/self/task")))
            copy()
            counts.append(len(os.listdir("/proc/self/task")))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return counts[1] - counts[0]

    try:
        # A thread of somebody else may end meanwhile, so the largest of several differences counts.
        for tensor in (large, small):
            assert max(started(lambda: Transfer().stage([tensor])) for _ in range(5)) == 0  # noqa: B023
        # What it has to do without:
        assert max(started(large.clone) for _ in range(5)) > 0
    finally:
        torch.set_num_threads(before)
