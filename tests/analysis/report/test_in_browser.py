"""Reports in a real browser: whole at any width, and they answer where people point, click and type."""

import pytest

from analysis.report import build
from tests.browser import find, tab

CHROMIUM = find()
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium in PATH and none of Playwright's: install one to check pages in it"
)
# Scrolls past everything, so that all charts in view are drawn, and tells how many are not.
DRAWN = """(async () => {
    const charts = () => [...document.querySelectorAll(".chart:not([data-drawn])")];
    const left = () => charts().filter((one) => one.checkVisibility());
    for (let turn = 0; turn < 200 && left().length; turn++) {
        left()[0].scrollIntoView();
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
    scrollTo(0, 0);
    return left().length;
})()"""
LOADED = "Promise.all(Array.from(document.images, image => image.decode())).then(() => document.images.length)"
EMPTY = "Array.from(document.images).filter(image => !(image.complete && image.naturalWidth > 0)).length"
SHOWN = "Array.from(document.querySelectorAll('.page')).filter(page => page.checkVisibility()).map(page => page.id)"
WIDE = "document.documentElement.scrollWidth"
# What sticks out of the window. Navigation, images and commands are scrolled; so are wide tables, but on no phone.
OUT = """Array.from(document.querySelectorAll('body *')).filter(element =>
    element.checkVisibility() && element.getBoundingClientRect().right > innerWidth + 1 &&
    !element.closest(innerWidth > 640 ? '.scroll, .plate, pre, nav' : '.plate:has(img), pre, nav')
).map(element => element.outerHTML.slice(0, 80))"""
SIZES = pytest.mark.parametrize(("width", "phone"), [(1280, False), (390, True)], ids=["desktop", "phone"])


@pytest.fixture(scope="module")
def browser():
    with tab(CHROMIUM) as opened:
        yield opened


@pytest.fixture
def chromium(browser):
    browser.complaints.clear()
    yield browser
    assert browser.complaints == []


def middle(chromium, expression):
    """Where in the window the middle of an element is, after it was brought there.

    A chart that is drawn later would move it from under the pointer.
    """
    assert chromium.evaluate(DRAWN) == 0
    return chromium.evaluate(f"""(() => {{
        const found = {expression};
        found.scrollIntoView({{block: "center"}});
        const box = found.getBoundingClientRect();
        return [box.left + box.width / 2, box.top + box.height / 2];
    }})()""")


def told(chromium):
    """What stands beside the pointer, by what it is about; None if nothing does."""
    return chromium.evaluate("""(() => {
        const tip = document.querySelector(".tip");
        if (tip.hidden) return null;
        const names = [...tip.querySelectorAll("dt")];
        return Object.fromEntries(names.map((one) => [one.textContent, one.nextSibling.textContent]));
    })()""")


@SIZES
def test_every_page_is_whole(built, chromium, width, phone):
    for anchor in ("", *(page.anchor for page in built.pages), "quickstart", "compare-runs"):
        chromium.open(built.path, anchor, width=width, phone=phone)
        assert chromium.evaluate(DRAWN) == 0
        chromium.evaluate(LOADED)
        assert chromium.evaluate(EMPTY) == 0
        assert chromium.evaluate(SHOWN) == [anchor or "overview"]
        assert chromium.evaluate("innerWidth") == width
        assert chromium.evaluate(WIDE) == width
        assert chromium.evaluate(OUT) == []
        assert chromium.evaluate("document.querySelector('nav').checkVisibility()")
        assert chromium.complaints == []


@SIZES
def test_the_report_of_one_experiment_is_whole(tmp_path, write, four_records, chromium, width, phone):
    build.build(write(tmp_path, *four_records))
    chromium.open(tmp_path / "report.html", width=width, phone=phone)
    assert chromium.evaluate(DRAWN) == 0
    assert chromium.evaluate("document.querySelectorAll('.chart svg').length") == 2
    assert chromium.evaluate(WIDE) == width
    assert chromium.evaluate(OUT) == []


def test_links_lead_from_page_to_page(built, chromium):
    chromium.open(built.path)
    for name in (page.anchor for page in built.pages):
        assert chromium.evaluate(f"""document.querySelector('nav a[href="#{name}"]').click(), {SHOWN}""") == [name]
    chromium.evaluate("document.querySelector('#fig12 .turn a:last-child').click()")
    assert chromium.evaluate(SHOWN) == ["fig14"]


def test_a_click_on_a_header_sorts_by_value(tmp_path, write, four_records, chromium):
    build.build(write(tmp_path, *four_records))
    chromium.open(tmp_path / "report.html")
    column = "[...document.querySelectorAll('.nowrap tbody tr')].map(row => row.cells[1].textContent.split(' ')[0])"
    head = "document.querySelectorAll('.nowrap th')[1]"
    assert chromium.evaluate(column) == ["16.0", "8.0", "5.0", "4.0"]
    for order, way in ((["4.0", "5.0", "8.0", "16.0"], "ascending"), (["16.0", "8.0", "5.0", "4.0"], "descending")):
        chromium.click(*middle(chromium, f"{head}.querySelector('button')"))
        assert chromium.evaluate(column) == order
        assert chromium.evaluate(f"{head}.getAttribute('aria-sort')") == way


def test_on_a_phone_rows_are_sorted_by_a_list(tmp_path, write, four_records, chromium):
    build.build(write(tmp_path, *four_records))
    chromium.open(tmp_path / "report.html", width=390, phone=True)
    chromium.evaluate("""(() => {
        const list = document.querySelector(".nowrap select");
        list.value = [...list.options].find((one) => one.textContent.startsWith("wall")).value;
        list.dispatchEvent(new Event("change"));
    })()""")
    names = "[...document.querySelectorAll('.nowrap tbody tr')].map(row => row.cells[0].textContent)"
    assert chromium.evaluate(names) == ["alsatian", "shared_prefix", "shift", "base"]


def test_what_is_typed_filters_rows(built, chromium):
    chromium.open(built.path, "fig10")
    chromium.evaluate("document.querySelector('#fig10 details').open = true")
    field = "document.querySelector('#fig10 details input')"
    chromium.click(*middle(chromium, field))
    chromium.write("alsatian VIT-L fifty")
    rows = chromium.evaluate(
        "[...document.querySelectorAll('#fig10 details tbody tr')].filter(row => row.checkVisibility())"
        ".map(row => row.textContent)"
    )
    assert rows
    assert all("alsatian" in row and "ViT-L" in row for row in rows)
    assert chromium.evaluate("document.querySelector('#fig10 details output').textContent").startswith(
        f"{len(rows)} of "
    )
    chromium.evaluate(f"({field}.value = '', {field}.dispatchEvent(new Event('input')))")
    assert "of" not in chromium.evaluate("document.querySelector('#fig10 details output').textContent")


def test_a_bar_answers_and_a_click_keeps_what_it_says(built, results, chromium):
    chromium.open(built.path, "fig10")
    chromium.evaluate(DRAWN)
    assert told(chromium) is None
    bar = "document.querySelectorAll('#fig10 .mark-rect.role-mark path')[0]"
    place = middle(chromium, bar)
    chromium.mouse("mouseMoved", *place)
    answer = told(chromium)
    assert answer["strategy"] == "base"
    assert answer["time"].endswith("N=3)")
    assert " to " in answer["time"]
    assert answer["published time"]
    chromium.click(*place)
    link = chromium.evaluate("document.querySelector('#fig10 .kept a').getAttribute('href')")
    assert (results / link).is_file()
    assert answer["time"] in chromium.evaluate("document.querySelector('#fig10 .kept').textContent")
    chromium.mouse("mouseMoved", 5, 5)
    assert told(chromium) is None


def test_nodes_of_a_task_tree_answer_the_pointer_and_the_keys(tmp_path, write, record, chromium):
    def vertex(number, parent, way, models, blocks, seconds):
        return {
            "vertex": number, "parent": parent, "order": number + 1, "way": way, "blocks": blocks,
            "parameter_bytes": 1000 * blocks, "output_bytes": 64, "models": models, "seconds": seconds,
        }  # fmt: skip

    tree = [
        vertex(0, None, "kept", [], 3, 1.5),
        vertex(1, 0, "features", ["m0"], 1, 0.5),
        vertex(2, 0, "features", ["m1 <b>", "m2"], 2, 0.25),
    ]
    build.build(write(tmp_path, record("base", (16.0, 16.5)), record("alsatian", (4.0, 4.1), tree=tree)))
    chromium.open(tmp_path / "report.html")
    spots = "document.querySelectorAll('.spot')"
    assert chromium.evaluate(f"{spots}.length") == 3
    # They lie on the dots of the picture, which are drawn in it with the colour of what becomes of a vertex.
    place = middle(chromium, f"{spots}[0]")
    assert told(chromium) is None
    chromium.mouse("mouseMoved", *place)
    first = {
        "models": "m0, m1 <b>, m2", "blocks": "number 1 to 3", "parameters": "3.00 kB", "items": "720",
        "time": "1.5 s", "what becomes of it": "kept", "bytes per item": "64 B",
    }  # fmt: skip
    assert told(chromium) == first
    assert list(told(chromium)) == list(first)
    chromium.click(*place)
    kept = "document.querySelector('.kept:not([hidden])')"
    assert chromium.evaluate(f"{kept}.querySelector('a').getAttribute('href')") == "id-alsatian/run.json"
    chromium.mouse("mouseMoved", 5, 5)
    assert told(chromium) is None
    chromium.evaluate(f"{spots}[0].focus()")
    for key, models, blocks in (("ArrowRight", "m0", "number 4"), ("ArrowDown", "m1 <b>, m2", "number 4 to 5")):
        chromium.press(key)
        assert told(chromium)["models"] == models
        assert told(chromium)["blocks"] == blocks
    assert chromium.evaluate(f"[...{spots}].map(spot => spot.tabIndex)") == [-1, -1, 0]
    chromium.evaluate("document.activeElement.blur()")
    assert told(chromium) is None


def test_a_timeline_zooms_and_its_slices_say_round_model_and_block(built, chromium):
    chromium.open(built.path, "quickstart")
    chromium.evaluate(DRAWN)
    stage = "document.querySelector('#quickstart .zoom + .stage')"
    seen = f"[Number({stage}.dataset.from ?? 0), Number({stage}.dataset.to ?? 1)]"

    def press(label):
        chromium.click(*middle(chromium, f"document.querySelector('#quickstart .zoom [aria-label=\"{label}\"]')"))
        return chromium.evaluate(f"new Promise(resolve => setTimeout(() => resolve({seen}), 100))")

    press("Zoom in")
    low, high = press("Zoom in")
    assert high - low == pytest.approx(0.99 / 4, rel=0.01)
    later = press("Later")
    assert later[0] > low
    assert press("Show all") == [0, pytest.approx(0.99)]
    chromium.evaluate(f"{stage}.scrollIntoView({{block: 'center'}})")

    def at(lane, second):
        return chromium.evaluate(f"""(() => {{
            const view = {stage}.parentElement.view, box = {stage}.querySelector("canvas").getBoundingClientRect();
            const band = view.scale("y").bandwidth() / 2;
            return [box.left + view.origin()[0] + view.scale("x")({second}),
                    box.top + view.origin()[1] + view.scale("y")("{lane}") + band];
        }})()""")

    chromium.mouse("mouseMoved", *at("search", 0.17))
    answer = told(chromium)
    assert answer["part"] == "inference"
    assert answer["round"] == "1"
    assert answer["model"] == "model <3> and 1 more"
    assert answer["block"].startswith("number 4, 03ab03ab03ab")
    assert answer["time"] == "40.000 ms, from 150.000 ms to 190.000 ms"
    chromium.mouse("mouseMoved", *at("read-ahead", 0.17))
    assert told(chromium)["block"] == "03ab03ab03ab"
    chromium.click(*at("round", 0.8))
    found = chromium.evaluate(f"new Promise(resolve => setTimeout(() => resolve({seen}), 100))")
    assert found == [pytest.approx(0.6), pytest.approx(0.99)]
    x, y = at("search", 0.8)
    chromium.mouse("mouseWheel", x, y, deltaX=0, deltaY=-200, modifiers=2)
    low, high = chromium.evaluate(f"new Promise(resolve => setTimeout(() => resolve({seen}), 100))")
    assert high - low < 0.3
    assert low < 0.8 < high
    x, y = at("search", 0.8)
    for kind, by in (("mousePressed", 0), ("mouseMoved", -40), ("mouseReleased", -40)):
        chromium.mouse(kind, x + by, y, button="left", buttons=1, clickCount=1)
    assert chromium.evaluate(seen)[0] > low


def test_two_runs_are_compared(tmp_path, write, record, chromium):
    off = record("alsatian", (4.0, 4.1, 4.3))
    off["rounds"][-1]["scores"]["m1"] = 0.626
    build.build(write(tmp_path, record("base", (16.0, 16.5, 17.0)), off, record("shift", (8.0, 8.1, 8.2))))
    chromium.open(tmp_path / "report.html")

    def choose(letter, label):
        chromium.evaluate(f"""(() => {{
            const list = document.getElementById("run-{letter}");
            list.value = [...list.options].find((one) => one.textContent === "{label}").value;
            list.dispatchEvent(new Event("change"));
        }})()""")

    def rows(place):
        return chromium.evaluate(
            f"[...document.querySelectorAll('#compared section')[{place}].querySelectorAll('tbody tr')]"
            ".map(row => [...row.cells].map(cell => cell.textContent))"
        )

    choose("A", "base")
    choose("B", "alsatian")
    assert ["strategy", "base", "alsatian"] in rows(0)
    assert ["sharing", "none", "prefix"] in rows(0)
    times = {row[0]: row[1:] for row in rows(1)}
    assert times["wall time s"] == ["16.5 (16.0 to 17.0, N=3)", "4.1 (4 to 4.3, N=3)", "4.02×"]
    assert times["inference s"][2] == "4.02×"
    assert ["bytes read", "180 MB (N=3)", "180 MB (N=3)", "1×"] in rows(2)
    scores = {row[0]: row[1:] for row in rows(3)}
    assert scores["m2"] == ["1", "1", "960", "0.7500", "0.7500", "equal"]
    assert scores["m1"] == ["2", "2", "960", "0.6250", "0.6260", "differs"]
    assert "1 of 2 scores" in chromium.evaluate("document.getElementById('compared').textContent")
    assert chromium.evaluate("document.querySelector('#compared a').getAttribute('href')") == "id-base/run.json"
    choose("B", "base")
    assert rows(0) == []


def test_hostile_texts_are_shown_not_run(tmp_path, write, record, chromium):
    evil = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"
    one = record(evil, (4.0, 4.5), run_id="hostile", winner=evil, ranking=[evil, "m1"])
    one["rounds"][0]["scores"][evil] = 0.99
    one["config"] |= {"title": evil, evil: evil}
    build.build(write(tmp_path, record("base", (8.0, 9.0)), one))
    chromium.open(tmp_path / "report.html")
    chromium.evaluate(DRAWN)
    chromium.mouse(
        "mouseMoved", *middle(chromium, "[...document.querySelectorAll('.mark-rect.role-mark path')].at(-1)")
    )
    assert told(chromium)["strategy"] == evil
    assert evil in chromium.evaluate("document.getElementById('compared').textContent")
    assert chromium.evaluate("window.hacked") is None


def test_the_browser_would_complain(tmp_path, browser):
    page = tmp_path / "page.html"
    page.write_text('<img src="missing.png"><script>undefined.x</script><div style="width: 3000px">x</div>')
    browser.open(page, width=390, phone=False)
    assert browser.evaluate(EMPTY) == 1
    assert browser.evaluate(WIDE) > 390
    assert len(browser.complaints) >= 2
    browser.complaints.clear()
