"""Every claim of every figure holds with one set of records, fails with another, and is too close with a third."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from alsatian.records import Run
from analysis.paper import CLOSE, FAILS, GIVEN, HOLDS, UNTESTABLE, figures, section
from analysis.paper.evidence import published
from analysis.paper.evidence.sources import Key, Sources
from analysis.paper.kinds.figure import PaperFigure

RUNS = ["5", "10", "11", "13", "14", "15", "16", "17"]
ALL = [*RUNS, "12", "overlap"]
# Repeats of a run, over its time: they agree, or tell nothing.
STEADY, WIDE = (1, 1 + 1e-6, 1 - 1e-6), (1, 8, 1 / 8)
Documents = list[dict[str, Any]]


def slower(runs: Documents, factor: float, part: str = "", **labels: Any) -> Documents:
    """Make the runs with these labels, or a part of them, take ``factor`` times as long."""
    changed = 0
    for run in runs:
        facts = run["config"]["paper"] | {"approach": run["config"]["strategy"]["name"]}
        if all(facts[name] == value for name, value in labels.items()):
            changed += 1
            for repeat in run["repeats"]:
                parts = repeat["parts_s"]
                repeat["wall_s"] *= 1 if part else factor
                repeat["parts_s"] = {n: s * (factor if part in ("", n) else 1) for n, s in parts.items()}
    assert changed
    return runs


def shared(documents: Documents, share: float, workload: str) -> Documents:
    """Make so many of a family's models share blocks."""
    (found,) = [d for d in documents if d["config"]["paper"]["workload"] == workload]
    for i, model in enumerate(found["models"]):
        model["common_blocks"] = int(i < round(share * len(found["models"])))
    return documents


def blocks(documents: Documents, key: str, factor: float, first: int, last: int, workload: str) -> Documents:
    """Change what some blocks of a model hold or take."""
    (found,) = [d for d in documents if d["config"]["paper"]["workload"] == workload]
    for block in found["blocks"][first:last]:
        one = block[key]
        block[key] = [factor * s for s in one] if isinstance(one, list) else int(factor * one)
    return documents


ALSATIAN, SHIFT, BASE = ({"approach": name} for name in ("alsatian", "shift", "base"))
TOP = {"distribution": "TOP_LAYERS"}
R18, TIGHT = {"workload": "ResNet-18"}, {"workload": "ViT-L-32@5GB"}
# What makes a claim fail, by figure ("" for any) and by how the claim begins. Each lies close beyond the bound.
BREAKS: dict[tuple[str, str], Callable[[Documents], Documents]] = {
    ("5", "With 9,216 items"): partial(slower, factor=13, part="prepare_data", items=9216, workload="ViT-L-32"),
    ("5", "With 96 items"): partial(slower, factor=2.5, part="prepare_data", items=96, workload="ResNet-152"),
    ("5", "With the input of the last three"): partial(
        slower, factor=1.7, part="prepare_data", distribution="cache_after_3rd_last_block", **R18
    ),
    ("5", "For ResNet-18, preparing the data"): partial(slower, factor=1.1, part="inference", items=9216, **R18),
    ("", "Alsatian is faster than SHiFT."): partial(slower, factor=11, **ALSATIAN),
    ("", "SHiFT is faster than Base wherever"): partial(slower, factor=2.9, **SHIFT),
    ("", "SHiFT is slower than Base where"): partial(slower, factor=1.1, items=2000, **BASE),
    ("", "Alsatian is faster than Base."): partial(slower, factor=14, **ALSATIAN),
    ("", "Alsatian's speed-up over Base grows"): partial(slower, factor=2.4, **ALSATIAN, **TOP),
    ("", "Base takes the same time"): partial(slower, factor=1.06, **BASE, **TOP),
    ("", "SHiFT takes the same time"): partial(slower, factor=0.94, **SHIFT, **TOP),
    ("10", "Alsatian is 3.2 to 13.6×"): partial(slower, factor=1.2, **ALSATIAN, **TOP, **R18),
    ("10", "Alsatian is 2.4 to 10.7×"): partial(slower, factor=1.2, **ALSATIAN, **TOP, **R18),
    ("14", "Alsatian is 1.7 to 6.1×"): partial(slower, factor=1.2, **ALSATIAN, workload="DETR-50"),
    ("15", "Alsatian is 2.1 to 3.8×"): partial(slower, factor=1.2, **ALSATIAN, items=8000),
    ("17", "Alsatian is 4.8 to 13.8×"): partial(slower, factor=1.2, **ALSATIAN, **TOP),
    ("11", "Alsatian needs less time than SHiFT for preparing models"): partial(
        slower, factor=2.5, part="prepare_model", distribution="FIFTY_PERCENT", **ALSATIAN
    ),
    ("11", "Alsatian needs less time than SHiFT for preparing data"): partial(
        slower, factor=9.5, part="prepare_data", items=2000, **ALSATIAN
    ),
    ("11", "Alsatian needs less time than SHiFT for inference"): partial(
        slower, factor=5.6, part="inference", items=2000, **ALSATIAN
    ),
    ("11", "Proxy scoring takes Alsatian as long"): partial(
        slower, factor=0.98, part="proxy_scoring", items=8000, **ALSATIAN
    ),
    ("11", "With more overlap, Alsatian"): partial(slower, factor=1.7, part="inference", **ALSATIAN, **TOP),
    ("", "SHiFT needs more time than Base for preparing models"): partial(
        slower, factor=1.21, part="prepare_model", **BASE
    ),
    ("13", "Alsatian gains as much as with synthetic"): partial(
        slower, factor=0.75, **ALSATIAN, workload="ViT-L-32"
    ),
    ("16", "Alsatian stays ahead of Base and SHiFT"): partial(slower, factor=2.4, **ALSATIAN, **TIGHT),
    ("12", "ViT-L-32's parameters are flat"): partial(
        blocks, key="parameters", factor=1.2, first=18, last=24, workload="ViT-L-32"
    ),
    ("12", "ViT-L-32's inference time is flat"): partial(
        blocks, key="inference_s", factor=0.9, first=0, last=6, workload="ViT-L-32"
    ),
    ("12", "ResNet-152 computes early"): partial(
        blocks, key="inference_s", factor=1.1, first=26, last=51, workload="ResNet-152"
    ),
    ("12", "ResNet-152 has its parameters late"): partial(
        blocks, key="parameters", factor=1.1, first=0, last=25, workload="ResNet-152"
    ),
    **{
        ("overlap", f"{percent}% of the models share blocks: {name}."): partial(
            shared, share=(percent + 2) / 100, workload=name
        )
        for name, percent in (("DETR-50", 87), ("other DETR 1", 90), ("other DETR 2", 94))
    },
    **{
        ("overlap", f"At most 63% of the models share blocks: {name}."): partial(shared, share=0.65, workload=name)
        for name in ("ResNet-18", "ResNet-152", "DINOv2-L")
    },
}


@pytest.fixture(scope="session")
def kept() -> dict[tuple[str, str, tuple[float, ...]], Any]:
    """Records as published, which many tests judge."""
    return {}


@pytest.fixture
def judged(tmp_path, kept, write, as_published, blocks_document, overlap_document):
    """The verdicts of a figure whose records are as published, but for what is said."""

    def documents(number: str, scale: str, repeats: tuple[float, ...]) -> Documents:
        if number in RUNS:
            return as_published(number, scale=scale, repeats=repeats)
        if number == "12":
            names = ("ViT-L-32", "ResNet-152")
            return [published_blocks(blocks_document, name, repeats, scale) for name in names]
        rows, models = published.values("overlap"), 10 if repeats == WIDE else 1000
        shares = dict(zip(rows["workload"], rows["value"] / 100, strict=True))
        return [overlap_document(name, share, models, scale) for name, share in shares.items()]

    def call(number: str, change: Any = None, scale: str = "paper", repeats: tuple[float, ...] = STEADY) -> Any:
        figure = figures()[number]
        if number == "13" and not (folder := tmp_path / scale / "fig10").exists():
            others = as_published("10", scale=scale, repeats=STEADY)
            write(
                folder, *[run for run in others if run["config"]["paper"]["distribution"] == "TWENTY_FIVE_PERCENT"]
            )
        if change:
            runs, models = read(figure, change(documents(number, scale, repeats)))
        else:
            key = number, scale, repeats
            kept[key] = runs, models = kept.get(key) or read(figure, documents(*key))
        found = Sources(tmp_path / scale / f"fig{number}", number, scale, (), runs, models, not models, ())
        return figure(found).verdicts()

    return call


def read(figure: type[PaperFigure], made: Documents) -> tuple[dict[Key, Run], dict[str, Any]]:
    """The runs by their cell, or the models of other records by workload."""
    runs, models = {}, {}
    for document in made:
        place = document["config"]["paper"]
        if figure.source.kind:
            models[place["workload"]] = figure.source.kind.of(document)
        else:
            run = Run.of(document)
            runs[Key(place["workload"], place["items"], place["distribution"], run.strategy)] = run
    return runs, models


def published_blocks(document: Any, model: str, repeats: tuple[float, ...], scale: str) -> Any:
    """As published; repeats differ in how long the first half of the blocks takes."""
    rows = published.values("12")
    own = rows[rows["workload"].str.startswith(model)]
    params, seconds = (list(own.loc[own["component"] == kind, "value"]) for kind in ("params", "inference"))
    half = len(seconds) // 2
    times = [[factor * s for s in seconds[:half]] + seconds[half:] for factor in repeats]
    return document(model, [int(count) for count in params], *times, scale=scale)


def by_claim(found: Any, start: str) -> Any:
    (verdict,) = [v for v in found if v.claim.startswith(start)]
    return verdict


def settled(number: str, claim: str, scale: str = "paper") -> str:
    """What a claim is whose numbers bear it out."""
    made = (number == "12" and "parameters" in claim) or (number == "overlap" and scale != "paper")
    return GIVEN if made else HOLDS


def entries(number: str, claim: str) -> list[tuple[str, str]]:
    return [key for key in BREAKS if key[0] in ("", number) and claim.startswith(key[1])]


def test_every_figure_is_judged_here() -> None:
    assert sorted(ALL) == sorted(figures())


@pytest.mark.parametrize("number", ALL)
def test_the_papers_own_numbers_bear_its_claims_out(judged, number):
    found = judged(number)
    assert len(found) >= 3
    assert [(v.claim, v.result) for v in found if v.result != settled(number, v.claim)] == []
    assert {v.figure for v in found} == {number}
    assert all("N=" in v.numbers for v in found if v.result == HOLDS and number != "overlap")


@pytest.mark.parametrize("number", ALL)
def test_every_claim_can_fail(judged, number):
    """A new claim needs an entry above."""
    claims = [verdict.claim for verdict in judged(number)]
    for claim in claims:
        keys = entries(number, claim)
        assert len(keys) == 1, f"{claim}: {len(keys)} entries say how it fails"
        verdict = by_claim(judged(number, BREAKS[keys[0]]), claim)
        assert verdict.result == FAILS, f"{claim}: {verdict.result} ({verdict.numbers})"


def test_no_entry_is_left_over(judged):
    used = {key for number in ALL for verdict in judged(number) for key in entries(number, verdict.claim)}
    assert used == set(BREAKS)


@pytest.mark.parametrize("number", ALL)
def test_every_claim_can_be_too_close_to_call(judged, number):
    found = judged(number, repeats=WIDE)
    assert [
        (v.claim, v.result) for v in found if v.result != (CLOSE if settled(number, v.claim) == HOLDS else GIVEN)
    ] == []


@pytest.mark.parametrize("number", [number for number in ALL if number != "overlap"])
def test_two_repeats_decide_nothing(judged, number):
    found = judged(number, repeats=(1, 1))
    assert {v.result for v in found} == {UNTESTABLE} | {settled(number, v.claim) for v in found} - {HOLDS}
    assert all("fewer than 3 repeats" in v.numbers and "N=2" in v.numbers for v in found if v.result == UNTESTABLE)
    ones = [by_claim(judged(number, BREAKS[entries(number, v.claim)[0]], repeats=(1,)), v.claim) for v in found[:1]]
    assert {v.result for v in ones} == ({FAILS} if number == "12" else {UNTESTABLE})


@pytest.mark.parametrize("number", ALL)
def test_runs_that_are_too_short_decide_nothing(judged, number):
    found = judged(number, scale="ci")
    assert {v.result for v in found} == {UNTESTABLE}
    assert {v.numbers for v in found} == {"runs of the scale ci are too short to judge by"}


def test_generated_models_share_what_they_were_generated_to_share(judged):
    assert {v.result for v in judged("overlap", scale="laptop")} == {GIVEN}
    off = by_claim(judged("overlap", partial(shared, share=0.5, workload="DETR-50"), scale="laptop"), "87%")
    assert off.result == FAILS
    assert off.numbers == "50% of 1,000 models (± 0 points)"


def test_published_factors_need_the_published_numbers_of_models(judged):
    found = judged("10", scale="laptop")
    factors = by_claim(found, "Alsatian is 3.2 to 13.6×")
    assert factors.result == UNTESTABLE
    assert "here they are 3.2× to 13.6×" in factors.numbers
    assert by_claim(found, "Alsatian is faster than SHiFT").result == HOLDS
    assert by_claim(judged("10", scale="desktop"), "Alsatian is 3.2 to 13.6×").result == HOLDS


def test_what_contradicts_a_claim_is_named(judged):
    one = {"workload": "ResNet-18", "items": 2000, "distribution": "TOP_LAYERS", "approach": "alsatian"}
    found = judged("10", partial(slower, factor=4, **one))
    assert by_claim(found, "Alsatian is faster than SHiFT").result == HOLDS
    grows = by_claim(found, "Alsatian's speed-up")
    assert grows.result == FAILS
    assert (
        grows.numbers
        == "not in 1 of 8; N=3; ResNet-18, 2,000 items: 4.4× (4.4–4.4), 5.7× (5.7–5.7), 1.7× (1.7–1.7)"
    )


def test_median_range_and_number_of_repeats_stand_beside(judged):
    shift = by_claim(judged("15", repeats=(1, 1.02, 0.99, 1.01)), "SHiFT is faster than Base")
    assert shift.result == HOLDS
    assert shift.numbers == "N=4; HF-combined, 8,000 items: shift 282 s (278–286), base 512 s (504–520)"


def test_where_the_paper_shows_the_opposite_that_is_the_claim(judged):
    """At 2,000 items SHiFT is slower than Base in Fig 15, and nowhere else."""
    for number in ("10", "13", "14", "16", "17"):
        assert not [v for v in judged(number) if v.claim.startswith("SHiFT is slower")]
    found = judged("15")
    slow = by_claim(found, "SHiFT is slower than Base where it is in the paper: HF-combined, 2,000 items.")
    assert slow.result == HOLDS
    assert "8,000" not in slow.numbers
    assert "2,000" not in by_claim(found, "SHiFT is faster than Base").numbers


def test_a_claim_about_all_cells_needs_all_cells(judged):
    def without(runs: Documents) -> Documents:
        return [run for run in runs if "TOP" not in run["config"]["paper"]["distribution"]]

    found = judged("17", without)
    first = by_claim(found, "Alsatian is faster than SHiFT")
    assert first.result == UNTESTABLE
    assert first.numbers.startswith("1 of 3 not measured; N=3; BERT, Top 50%")
    assert by_claim(found, "Alsatian's speed-up").numbers == "nothing of it was measured"
    broken = judged("17", lambda runs: without(slower(runs, 5, approach="alsatian")))
    assert by_claim(broken, "Alsatian is faster than SHiFT").result == FAILS
    assert {v.result for v in judged("17", lambda runs: runs[:1])} == {UNTESTABLE}


def test_times_of_other_conditions_decide_nothing(judged):
    def threads(runs: Documents) -> Documents:
        for run in runs:
            if run["config"]["strategy"]["name"] == "alsatian":
                run["environment"]["threads"] = 1
        return runs

    found = judged("13", threads)
    assert by_claim(found, "Alsatian is faster than Base").result == UNTESTABLE
    assert by_claim(found, "Alsatian gains as much").result == UNTESTABLE
    assert by_claim(found, "SHiFT is faster than Base").result == HOLDS


@pytest.mark.parametrize("inside", ["", "predicted/a5000"])
def test_trained_models_are_compared_with_synthetic_ones(tmp_path: Path, write, as_published, inside):
    trained, synthetic = (tmp_path / name / inside for name in ("fig13", "fig10"))
    write(trained, *as_published("13", repeats=STEADY))
    assert by_claim(section(trained).verdicts, "Alsatian gains as much").result == UNTESTABLE
    write(synthetic, *slower(as_published("10", repeats=STEADY), 2, workload="ViT-L-32", approach="alsatian"))
    gains = by_claim(section(trained).verdicts, "Alsatian gains as much")
    assert gains.result == FAILS
    assert gains.numbers == "not in 1 of 4; N=3; ViT-L-32: 6.4× (6.4–6.4), synthetic 3.3× (3.3–3.3)"
    other = tmp_path / "other"
    write(other / "fig13", *as_published("13", repeats=STEADY))
    write(other / "fig10", *as_published("10", scale="paper", repeats=STEADY))
    assert by_claim(section(other / "fig13").verdicts, "Alsatian gains as much").result == UNTESTABLE


def test_a_part_that_takes_no_time_is_not_compared(judged):
    found = judged("11", partial(slower, factor=0, part="proxy_scoring"))
    assert by_claim(found, "Proxy scoring").result == UNTESTABLE
    assert "3 of 3 not measured" not in by_claim(found, "Alsatian needs less time than SHiFT for inf").numbers


@pytest.mark.parametrize(
    ("number", "claim", "first"),
    [
        ("10", "Alsatian is faster than SHiFT.", "ResNet-152, Top 50%, 8,000 items: alsatian 7.5 s"),  # 2.4×
        ("10", "SHiFT is faster than Base", "ViT-L-32, Top Layers, 2,000 items: shift 34.2 s"),  # 1.1×
        ("10", "Alsatian's speed-up", "ResNet-18, 2,000 items: 4.4×"),  # 6.7× is but 1.2 times 5.7×
        ("10", "Base takes the same time", "ResNet-18, 2,000 items: 6.4 s"),
        ("10", "SHiFT takes the same time", "ResNet-152, 2,000 items: 12.2 s"),
        ("11", "With more overlap", "ResNet-152, 8,000 items, prepare model: 2.8 s"),  # 1.9 s is 1.5 times 1.2 s
        ("13", "Alsatian gains as much", "ResNet-18: 4.0×"),
    ],
)
def test_the_least_clear_case_stands_first(judged, number, claim, first):
    assert f"; the least clear are {first} (" in by_claim(judged(number), claim).numbers


def test_the_cell_that_misses_a_factor_most_stands_first(judged):
    def two(runs: Documents) -> Documents:
        other = {"workload": "ViT-L-32", "items": 2000, "distribution": "TOP_LAYERS"}
        for factor, place in ((1.5, R18 | TOP), (2, other), (1.3, {"workload": "EffNetV2-L"})):
            slower(runs, factor, approach="alsatian", **place)
        return runs

    factors = by_claim(judged("10", two), "Alsatian is 3.2 to 13.6×").numbers
    assert factors.startswith(
        "not in 9 of 24; N=3; the worst are ViT-L-32, Top Layers, 2,000 items: 5.8× (5.8–5.8)"
    )


def test_the_largest_part_and_the_next_are_told(judged):
    few = by_claim(judged("5"), "With 96 items").numbers
    assert "ViT-L-32, 96 items: prepare model 87%, 4.3 s (4.3–4.3), prepare data 8%, 0.38 s (0.38–0.38)" in few


def test_one_repeat_without_parts_leaves_parts_untested(judged):
    def total(runs: Documents) -> Documents:
        for run in runs:
            for repeat in run["repeats"][1:]:
                repeat["level"], repeat["parts_s"] = "total", {}
        return runs

    found = by_claim(judged("11", total), "Alsatian needs less time than SHiFT for inference")
    assert (found.result, found.numbers.partition(";")[0]) == (UNTESTABLE, "fewer than 3 repeats in 3 of 3")


def test_runs_without_parts_leave_parts_untested(judged):
    def total(runs: Documents) -> Documents:
        for run in runs:
            for repeat in run["repeats"]:
                repeat["level"], repeat["parts_s"] = "total", {}
        return runs

    for number, claim in (("11", "Alsatian needs less time than SHiFT for inference"), ("5", "With 96 items")):
        found = by_claim(judged(number, total), claim)
        assert (found.result, found.numbers) == (UNTESTABLE, "nothing of it was measured")


@pytest.mark.parametrize("change", [lambda runs: runs, BREAKS["", "Alsatian is faster than SHiFT."]])
def test_times_that_others_disturbed_decide_nothing(judged, change):
    def disturb(runs: Documents, first: int) -> Documents:
        for run in change(runs):
            if run["config"]["strategy"]["name"] == "alsatian":
                for repeat in run["repeats"][first:]:
                    repeat["conditions"] = {"cores": 2, "others_s": 1e9}
        return runs

    for first, repeats in ((0, 0), (1, 1), (2, 2)):
        found = by_claim(judged("17", partial(disturb, first=first)), "Alsatian is faster than SHiFT.")
        assert found.result == UNTESTABLE
        assert found.numbers.startswith(f"fewer than 3 repeats in 3 of 3; N={repeats};")


def test_short_parts_have_a_largest_and_parts_of_no_time_have_none(judged):
    def parts(runs: Documents, factor: float) -> Documents:
        for run in runs:
            for repeat in run["repeats"]:
                repeat["parts_s"] = {name: factor * seconds for name, seconds in repeat["parts_s"].items()}
        return runs

    assert {v.result for v in judged("5", partial(parts, factor=1e-3))} == {HOLDS}
    assert {v.numbers for v in judged("5", partial(parts, factor=0))} == {"nothing of it was measured"}


def test_where_the_papers_times_are_equal_none_is_the_faster(judged, monkeypatch):
    values = published.values
    rows = values("15").copy()
    equal = (rows["items"] == 2000) & rows["approach"].isin(["base", "shift"])
    rows.loc[equal, "value"] = 10.0
    monkeypatch.setattr(published, "values", lambda figure: rows if figure == "15" else values(figure))
    found = judged("15", lambda runs: runs)  # not to be kept for other tests
    assert not [v for v in found if v.claim.startswith("SHiFT is slower")]
    assert "2,000" not in by_claim(found, "SHiFT is faster than Base").numbers


def named(numbers: str) -> list[str]:
    """The workloads of the least clear cases, in their order."""
    return [case.partition(":")[0].partition(",")[0] for case in numbers.partition("clear are ")[2].split("; ")]


def test_the_gain_that_is_least_alike_stands_first(judged):
    found = judged("13", partial(slower, factor=0.8, **ALSATIAN, **R18), repeats=(1, 1.02, 0.98))
    gains = by_claim(found, "Alsatian gains as much")
    assert (gains.result, named(gains.numbers)) == (HOLDS, ["ResNet-18", "EffNetV2-L", "ViT-L-32"])


def test_the_largest_part_that_is_least_ahead_stands_first(judged):
    cached = {"distribution": "cache_after_3rd_last_block", "workload": "ResNet-152"}
    found = judged("5", partial(slower, factor=2.3, part="prepare_data", **cached))
    largest = by_claim(found, "With the input of the last three")
    assert (largest.result, named(largest.numbers)[0]) == (HOLDS, "ResNet-152")


def test_what_is_claimed_in_less_memory(judged):
    assert [verdict.claim for verdict in judged("16")] == [
        "Alsatian stays ahead of Base and SHiFT under a tight budget (10 and 5 GB).",
        "SHiFT is faster than Base wherever it is in the paper.",
        "SHiFT needs more time than Base for preparing models.",
    ]


def test_shares_of_the_depth_are_told_with_the_range_of_what_was_measured(judged):
    made = "the architecture has these parameters wherever it runs"
    assert {v.claim: v.numbers for v in judged("12", repeats=(1, 1.02, 0.98))} == {
        "ViT-L-32's parameters are flat: each quarter of the depth holds 22 to 28%.": f"{made}; 25%, 25%, 25%, 25%",
        "ViT-L-32's inference time is flat: each quarter of the depth holds 22 to 28%.":
            "N=3; 22% (22–23), 27% (26–27), 25% (25–26), 25% (25–26)",
        "ResNet-152 computes early: at least 58% of its inference time in the first half of the depth.":
            "N=3; 59% (58–59)",
        "ResNet-152 has its parameters late: at least 68% of its parameters in the second half of the depth.":
            f"{made}; 69%",
    }  # fmt: skip


def test_a_share_just_beyond_the_bound_is_not_flat(judged):
    def last(documents: Documents, quarter: int) -> Documents:
        for i, block in enumerate(documents[0]["blocks"]):
            block["parameters"] = 6000 if i < 18 else quarter
        return documents

    # Of 18 blocks of 6,000 and 6 of another size the last hold 27.9 and 28.1%.
    for quarter, result in ((6966, GIVEN), (7035, FAILS)):
        assert by_claim(judged("12", partial(last, quarter=quarter)), "ViT-L-32's parameters").result == result


def test_one_model_of_few_is_many_points(judged):
    def only(documents: Documents) -> Documents:
        return [document | {"models": document["models"][:1]} for document in documents]

    assert "100% of 1 models (± 100 points)" in by_claim(judged("overlap", only), "87%").numbers
