"""The report about all figures."""

import re

import pytest

from alsatian.records import ResultsError
from analysis import paper
from analysis.report import reproduction
from tests.pages import Page


def test_every_figure_has_a_page_in_the_papers_order(built, text):
    assert [page.anchor for page in built.pages] == ["fig10", "fig11", "fig12", "fig14", "overlap"]
    assert re.findall(r'<section class="page" id="([^"]*)"', text) == [
        *("overview", *(p.anchor for p in built.pages), "quickstart", "compare-runs")
    ]


def test_the_page_holds_verdicts_environment_times_and_what_was_scaled(built, text):
    words = re.sub(r"<[^>]*>", " ", text).replace("\u00a0", " ")
    for expected in (
        "Alsatian is faster than SHiFT.",
        "8 models instead of 35",
        "Made-up CPU",
        "torch 2.15.0",
        "39 of 40",
        "96 min",
        "fig14: no memory &lt;b&gt;",
        "All together: nothing was measured",
        "alsatian run experiment=made_up",
        "for block 3",
    ):
        assert expected in words
    for verdict in (v for page in built.pages for v in page.section.verdicts):
        assert verdict.claim.replace("'", "&#39;") in text


def test_the_headline_counts_the_verdicts(built):
    counts = [page.counts for page in built.pages]
    given = sum(count[paper.GIVEN] for count in counts)
    total = sum(sum(count.values()) for count in counts) - given
    assert given == 2  # the parameters of two models
    assert built.text.startswith(f"Of {total} claims of the paper, at laptop")
    fails = sum(count["does not hold"] for count in counts)
    assert f"{fails} {'does' if fails == 1 else 'do'} not" in built.text
    assert "2 more are true by construction." in built.text


@pytest.mark.parametrize(
    ("holds", "fails", "close", "open_", "given", "said"),
    [
        (1, 1, 0, 0, 0, "Of 2 claims of the paper, at laptop scale, 1 holds, 1 does not."),
        (2, 2, 1, 3, 1, "Of 8 claims of the paper, at laptop scale, 2 hold, 2 do not, 1 is too close to call, "
         "3 cannot be tested. 1 more is true by construction."),
        (0, 0, 2, 0, 0, "Of 2 claims of the paper, at laptop scale, 0 hold, 2 are too close to call."),
        (0, 0, 0, 5, 2, "Of 5 claims of the paper, at laptop scale, none can be tested. "
         "2 more are true by construction."),
    ],
)  # fmt: skip
def test_the_headline_counts_what_was_tested(holds, fails, close, open_, given, said):
    counts = dict(zip(reproduction.MARKS, (holds, fails, close, open_, given), strict=True))
    assert reproduction._headline(counts, "laptop") == said


def test_it_stands_alone(text):
    found = Page(text)
    found.check_alone()
    assert "b" not in found.tags
    links = {link for link in found.links if not link.startswith("#")}
    assert all(re.fullmatch(r"fig\d\d/[0-9a-f]{16}/run\.json", link) for link in links)


def test_bars_know_the_published_values_and_their_records(text, results):
    specs = [found for found in Page(text).data if "$schema" in found]
    rows = [row for spec in specs for own in spec["datasets"].values() for row in own]
    told = [row["tip"] for row in rows if row.get("tip", {}).get("cell") == "ViT-L-32, Top 50%, 8,000 items"]
    totals = [tip for tip in told if tip["strategy"] == "alsatian" and "part" not in tip]
    assert all(tip["time"].endswith("N=3)") for tip in totals)
    factors = [
        (tip["speed-up over base"], tip["published speed-up"]) for tip in totals if "published speed-up" in tip
    ]
    assert factors
    assert all(ours == published for ours, published in factors)
    links = {row["record"] for row in rows if row.get("record")}
    assert links
    assert all((results / link).is_file() for link in links)


def test_other_experiments_have_a_page_and_no_files_of_theirs_change(built, results, text):
    assert [one.anchor for one in built.others] == ["quickstart"]
    found = Page(text)
    assert "#quickstart" in found.links
    assert built.others[0].headline in found.text
    assert [path.name for path in (results / "quickstart").iterdir() if path.is_file()] == []
    (compared,) = (one for one in found.data if "runs" in one)
    assert {run["experiment"] for run in compared["runs"]} >= {"quickstart", "Fig\u00a010"}


def test_building_again_gives_the_same_bytes(results, built, text):
    reproduction.build(results, ["fig14: no memory <b>"], {"fig10": "x", "fig15": "All together"})
    assert built.path.read_text() == text


def test_a_folder_without_figures_is_an_error(tmp_path):
    with pytest.raises(ResultsError, match="no folder here holds a figure of the paper"):
        reproduction.build(tmp_path)
