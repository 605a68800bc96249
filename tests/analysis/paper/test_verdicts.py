import pytest

from analysis.paper import FAILS, HOLDS, UNTESTABLE, section
from analysis.paper.evidence import published
from analysis.paper.evidence.claims import Case, judge

NUMBERS = ["5", "10", "11", "13", "14", "15", "16", "17"]


def verdicts(folder):
    return section(folder).verdicts


def by_claim(found, start):
    (verdict,) = [v for v in found if v.claim.startswith(start)]
    return verdict


def slower(runs, factor, **labels):
    """Make the runs with these labels take ``factor`` times as long."""
    for run in runs:
        facts = run["config"]["paper"] | {"approach": run["config"]["strategy"]["name"]}
        if all(facts[name] == value for name, value in labels.items()):
            for repeat in run["repeats"]:
                repeat["wall_s"] *= factor
                repeat["parts_s"] = {name: factor * value for name, value in repeat["parts_s"].items()}
    return runs


@pytest.mark.parametrize("number", NUMBERS)
def test_the_papers_own_numbers_bear_its_claims_out(tmp_path, write, as_published, number):
    write(tmp_path / "fig10", *as_published("10", scale="paper"))
    if number != "10":
        write(tmp_path / f"fig{number}", *as_published(number, scale="paper"))
    found = verdicts(tmp_path / f"fig{number}")
    assert len(found) >= 2
    assert [v for v in found if v.result != HOLDS] == []
    assert {v.figure for v in found} == {number}


@pytest.mark.parametrize("number", NUMBERS)
def test_runs_that_are_too_short_decide_nothing(tmp_path, write, as_published, number):
    found = verdicts(write(tmp_path, *as_published(number, scale="ci")))
    assert {v.result for v in found} == {UNTESTABLE}


def test_published_factors_need_the_published_sizes(tmp_path, write, as_published):
    found = verdicts(write(tmp_path, *as_published("10", scale="laptop")))
    factors = by_claim(found, "Alsatian is 3.2 to 13.6×")
    assert factors.result == UNTESTABLE
    assert "here they are 3.2× to 13.6×" in factors.numbers
    assert by_claim(found, "Alsatian is faster than SHiFT").result == HOLDS


def test_what_contradicts_a_claim_is_named(tmp_path, write, as_published):
    made = slower(
        as_published("10"), 4, workload="ResNet-18", items=2000, distribution="TOP_LAYERS", approach="alsatian"
    )
    found = verdicts(write(tmp_path, *made))
    assert by_claim(found, "Alsatian is faster than SHiFT").result == HOLDS
    grows = by_claim(found, "Alsatian's speed-up")
    assert grows.result == FAILS
    assert grows.numbers == "not in 1 of 8: ResNet-18, 2,000 items: 4.4×, 5.7×, 1.7×"


def test_flat_is_within_a_tenth(tmp_path, write, as_published):
    made = slower(as_published("17"), 1.12, distribution="TOP_LAYERS", approach="shift")
    found = verdicts(write(tmp_path, *made))
    assert by_claim(found, "Base takes the same time").result == HOLDS
    shift = by_claim(found, "SHiFT takes the same time")
    assert shift.result == FAILS
    assert shift.numbers.endswith("(spread 13.0%)")


def test_no_claim_is_made_where_the_paper_shows_the_opposite(tmp_path, write, as_published):
    """At 2,000 items SHiFT is slower than Base in Fig 15."""
    shift = by_claim(verdicts(write(tmp_path, *as_published("15"))), "SHiFT is faster than Base")
    assert shift.result == HOLDS
    assert "2,000 items" not in shift.numbers


def test_missing_runs_are_counted(tmp_path, write, as_published):
    found = verdicts(
        write(tmp_path, *[run for run in as_published("17") if "TOP" not in run["config"]["paper"]["distribution"]])
    )
    assert by_claim(found, "Alsatian is faster than SHiFT").numbers.endswith("1 of 3 not measured")
    only_base = verdicts(write(tmp_path / "base", as_published("17")[0]))
    assert {v.result for v in only_base} == {UNTESTABLE}


def test_times_of_other_conditions_decide_nothing(tmp_path, write, as_published):
    made = as_published("13")
    for run in made:
        if run["config"]["strategy"]["name"] == "alsatian":
            run["environment"]["threads"] = 1
    found = verdicts(write(tmp_path, *made))
    assert by_claim(found, "Alsatian is faster than Base").result == UNTESTABLE
    assert by_claim(found, "SHiFT is faster than Base").result == HOLDS


@pytest.mark.parametrize("inside", ["", "predicted/a5000"])
def test_trained_models_are_compared_with_synthetic_ones(tmp_path, write, as_published, inside):
    trained, synthetic = (tmp_path / name / inside for name in ("fig13", "fig10"))
    write(trained, *as_published("13"))
    assert by_claim(verdicts(trained), "Alsatian gains as much").result == UNTESTABLE
    write(synthetic, *slower(as_published("10"), 2, workload="ViT-L-32", approach="alsatian"))
    gains = by_claim(verdicts(trained), "Alsatian gains as much")
    assert gains.result == FAILS
    assert gains.numbers == "not in 1 of 4: ViT-L-32: 6.4×, synthetic 3.3×"


def test_flat_and_skewed_models(tmp_path, place, blocks_document):
    flat = blocks_document("ViT-L-32", [10] * 53, [0.1] * 53)
    skewed = blocks_document("ResNet-152", list(range(1, 54)), [1 / i for i in range(1, 54)])
    assert {v.result for v in verdicts(place(tmp_path / "a", "blocks.json", flat, skewed))} == {HOLDS}
    rows = published.values("12")
    as_published = [
        blocks_document(
            model, *(list(own.loc[own["component"] == kind, "value"]) for kind in ("params", "inference"))
        )
        for model in ("ViT-L-32", "ResNet-152")
        for own in [rows[rows["workload"].str.startswith(model)]]
    ]
    for document in as_published:
        for block in document["blocks"]:
            block["parameters"] = int(block["parameters"])
    assert {v.result for v in verdicts(place(tmp_path / "p", "blocks.json", *as_published))} == {HOLDS}
    flat["config"]["paper"]["workload"], skewed["config"]["paper"]["workload"] = "ResNet-152", "ViT-L-32"
    found = verdicts(place(tmp_path / "b", "blocks.json", flat, skewed))
    assert {v.result for v in found} == {FAILS}
    assert by_claim(found, "ResNet-152 computes early").numbers == "50%"


def test_shares_of_models_that_share(tmp_path, place, overlap_document):
    made = [overlap_document("DETR-50", 0.8), overlap_document("ResNet-18", 0.2), overlap_document("DINOv2-L", 0.7)]
    found = verdicts(place(tmp_path, "overlap.json", *made))
    results = {v.claim.rpartition(": ")[2]: v.result for v in found}
    assert results["DETR-50."] == FAILS
    assert results["ResNet-18."] == HOLDS
    assert results["DINOv2-L."] == FAILS
    assert results["ResNet-152."] == UNTESTABLE


def test_with_few_models_one_more_or_less_is_no_difference(tmp_path, place, overlap_document):
    found = verdicts(place(tmp_path, "overlap.json", overlap_document("DETR-50", 0.75, models=8)))
    assert by_claim(found, "87%").result == HOLDS


def test_the_least_clear_cases_are_named():
    cases = [Case(f"case {i}", True, str(i), float(i)) for i in (5, 1, 4, 2, 3)]
    verdict = judge("10", "claim", cases, missing=2)
    assert verdict.result == HOLDS
    assert verdict.numbers == "in all 5: the least clear are case 1: 1; case 2: 2; case 3: 3; 2 of 7 not measured"
