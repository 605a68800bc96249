"""The tests of verdicts notice faults in them.

With ``--pages docs/results`` all faults are planted (two minutes of one core) and the outcome is written as a page.
"""

import re
from collections.abc import Callable

import pytest

from tests.analysis.paper import faults, planting


@pytest.mark.slow
def test_planted_faults_are_caught(measured: Callable[..., str]) -> None:
    text = measured(planting, "planted_faults", "--every", 30)
    caught, planted = map(int, re.search(r"\*\*(\d+) of (\d+) faults are caught", text).groups())
    assert planted >= 10
    assert caught >= planting.BAR * planted


def test_every_kind_of_fault_is_planted_where_verdicts_are_made() -> None:
    found = faults.faults()
    assert len({(fault.module, fault.line, fault.after, fault.before) for fault in found}) > 200
    assert {fault.module.rpartition(".")[2] for fault in found} >= {
        "claims", "spreads", "comparisons", "thresholds", "cells", "fig05", "fig11", "fig12", "fig13", "fig16",
        "overlap", "searches", "figure", "measurements",
    }  # fmt: skip
    whole = {name: faults.ast.unparse(faults.tree_of(name)) for name in faults.modules()}
    assert all(faults.ast.unparse(faults.changed(fault)) != whole[fault.module] for fault in found[::40])
