"""The paper's figures for the tests of reports about them."""

import json

import pytest

from analysis.report import reproduction
from tests.analysis.paper.conftest import (  # noqa: F401  fixtures
    as_published,
    blocks_document,
    overlap_document,
    place,
)


def _events():
    """A second in two rounds: blocks of models, one after the other, and what is read beside them."""
    for tid, lane in enumerate(("search", "read-ahead"), start=1):
        yield {"name": "thread_name", "ph": "M", "pid": 1, "tid": tid, "args": {"name": lane}}
    for i in range(20):
        about = {"round": 1 + i // 12, "model": f"model <{i % 4}>", "models": 1 + i % 2, "block": f"{i:02d}ab" * 10}
        for tid, part in ((1, "inference"), (2, "prepare_model")):
            args = {"part": part, **about, **({"depth": 1 + i % 5} if tid == 1 else {})}
            yield {
                "name": part,
                "cat": "busy",
                "ph": "X",
                "ts": i * 5e4,
                "dur": 4e4,
                "pid": 1,
                "tid": tid,
                "args": args,
            }


TRACE = {"traceEvents": list(_events())}


@pytest.fixture(scope="package")
def results(tmp_path_factory, write, as_published, blocks_document, overlap_document, place):  # noqa: F811
    """Figures of runs, of blocks and of families; one run of Figure 14 failed."""
    root = tmp_path_factory.mktemp("results")
    for number in ("10", "11", "14"):
        made = as_published(number, best=True)
        if number == "14":
            made[3] |= {"status": "oom", "error": "no memory\nfor block 3", "repeats": [], "rounds": []}
            made[3] |= {"ranking": [], "winner": None}
        write(root / f"fig{number}", *made)
    place(
        root / "fig12", "blocks.json",
        blocks_document("ViT-L-32", [10] * 24, [0.1] * 24), blocks_document("ResNet-152", [1, 2, 9], [3, 1, 1]),
    )  # fmt: skip
    place(root / "overlap", "overlap.json", overlap_document("DETR-50", 0.5))
    for one in (quickstart := as_published("17")[:3]):
        one["config"]["another_setting"] = one["config"].pop("figure")
        one["config"].pop("paper")
    write(root / "quickstart", *quickstart)
    (root / "quickstart" / quickstart[0]["run_id"] / "timeline.json").write_text(json.dumps(TRACE))
    return root


@pytest.fixture(scope="package")
def built(results):
    return reproduction.build(results, ["fig14: no memory <b>"], {"fig10": "x", "fig15": "All together"})


@pytest.fixture(scope="package")
def text(built):
    return built.path.read_text()
