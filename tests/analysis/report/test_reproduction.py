"""The report about all figures, as text and in a browser."""

import re
from html.parser import HTMLParser

import pytest

from alsatian.records import ResultsError
from analysis import paper
from analysis.report import build, reproduction
from tests.browser import find, tab

CHROMIUM = find()
FIGURES = ("10", "11", "12", "14", "overlap")
LOADED = "Promise.all(Array.from(document.images, image => image.decode())).then(() => document.images.length)"
EMPTY = "Array.from(document.images).filter(image => !(image.complete && image.naturalWidth > 0)).length"
SHOWN = "Array.from(document.querySelectorAll('.page')).filter(page => page.checkVisibility()).map(page => page.id)"
WIDE = "document.documentElement.scrollWidth"
# What sticks out of the window and cannot be scrolled to inside a box of its own.
OUT = """Array.from(document.querySelectorAll('body *')).filter(element =>
    element.getBoundingClientRect().right > innerWidth + 1 && !element.closest('.scroll, .plate, pre')
).map(element => element.outerHTML.slice(0, 80))"""
needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium in PATH and none of Playwright's: install one to check pages in it"
)


@pytest.fixture(scope="module")
def results(tmp_path_factory, write, as_published, blocks_document, overlap_document, place):
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
    write(root / "quickstart", *as_published("17")[:1])
    path = next((root / "quickstart").rglob("run.json"))
    path.write_text(path.read_text().replace('"figure"', '"another_setting"'))
    return root


@pytest.fixture(scope="module")
def built(results):
    return reproduction.build(results, ["fig14: no memory <b>"], {"fig10": "x", "fig15": "All together"})


@pytest.fixture(scope="module")
def text(built):
    return built.path.read_text()


def test_every_figure_has_a_page_in_the_papers_order(built, text):
    assert [page.anchor for page in built.pages] == ["fig10", "fig11", "fig12", "fig14", "overlap"]
    assert re.findall(r'<section class="page" id="([^"]*)"', text) == ["overview", *(p.anchor for p in built.pages)]


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
    class Parser(HTMLParser):
        tags, outside = set(), []

        def handle_starttag(self, tag, attrs):
            self.tags.add(tag)
            inside = ("data:image/", "#")
            self.outside += [v for k, v in attrs if k in ("src", "href") and not v.startswith(inside)]

    parser = Parser()
    parser.feed(text)
    assert not {"script", "link", "iframe", "object", "base", "b"} & parser.tags
    assert parser.outside == []  # but for reports of experiments, of which there are none here


def test_building_again_gives_the_same_bytes(results, built, text):
    reproduction.build(results, ["fig14: no memory <b>"], {"fig10": "x", "fig15": "All together"})
    assert built.path.read_text() == text


def test_a_folder_without_figures_is_an_error(tmp_path):
    with pytest.raises(ResultsError, match="no folder here holds a figure of the paper"):
        reproduction.build(tmp_path)


@pytest.fixture(scope="module")
def chromium():
    with tab(CHROMIUM) as opened:
        yield opened


@needs_browser
@pytest.mark.parametrize(("width", "phone"), [(1280, False), (390, True)], ids=["desktop", "phone"])
def test_every_page_is_whole_in_a_browser(built, chromium, width, phone):
    for anchor in ("", *(page.anchor for page in built.pages)):
        chromium.open(built.path, anchor, width=width, phone=phone)
        assert chromium.evaluate(LOADED) == len(built.pages)
        assert chromium.evaluate(EMPTY) == 0
        assert chromium.evaluate(SHOWN) == [anchor or "overview"]
        assert chromium.evaluate("innerWidth") == width
        assert chromium.evaluate(WIDE) == width
        assert chromium.evaluate(OUT) == []
        assert chromium.complaints == []


@needs_browser
def test_links_lead_from_page_to_page_without_scripts(built, chromium):
    chromium.open(built.path)
    for name in (page.anchor for page in built.pages):
        assert chromium.evaluate(f"""document.querySelector('nav a[href="#{name}"]').click(), {SHOWN}""") == [name]
    chromium.evaluate("document.querySelector('#fig12 .turn a:last-child').click()")
    assert chromium.evaluate(SHOWN) == ["fig14"]


@needs_browser
@pytest.mark.parametrize(("width", "phone"), [(1280, False), (390, True)], ids=["desktop", "phone"])
def test_the_report_of_one_experiment_is_whole_in_a_browser(tmp_path, write, four_records, chromium, width, phone):
    build.build(write(tmp_path, *four_records))
    chromium.open(tmp_path / "report.html", width=width, phone=phone)
    assert chromium.evaluate(LOADED) == 2
    assert chromium.evaluate(EMPTY) == 0
    assert chromium.evaluate(WIDE) == width
    assert chromium.complaints == []


@needs_browser
def test_the_browser_would_complain(tmp_path, chromium):
    page = tmp_path / "page.html"
    page.write_text('<img src="missing.png"><script>undefined.x</script><div style="width: 3000px">x</div>')
    chromium.open(page, width=390, phone=False)
    assert chromium.evaluate(EMPTY) == 1
    assert chromium.evaluate(WIDE) > 390
    assert len(chromium.complaints) >= 2
    chromium.complaints.clear()
