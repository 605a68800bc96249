import errno
import json
import os
import re
import subprocess
import sys

import pandas as pd
import pytest

from alsatian.errors import ConfigError
from alsatian.records import ResultsError
from analysis.report import build
from tests.pages import Page


def page(folder):
    return Page((folder / "report.html").read_text())


@pytest.fixture(scope="module")
def results(tmp_path_factory, write, four_records):
    return write(tmp_path_factory.mktemp("results"), *four_records)


@pytest.fixture(scope="module")
def built(results):
    return build.build(results)


NAMES = [
    *("figures/breakdown.csv", "figures/breakdown.pdf", "figures/breakdown.png"),
    *("figures/speedup.csv", "figures/speedup.pdf", "figures/speedup.png"),
    *("report.html", "summary.csv", "summary.md"),
]


def test_all_files_are_written_and_no_others(results, built):
    assert sorted(str(path.relative_to(results)) for path in built.files) == NAMES
    there = {str(p.relative_to(results)) for p in results.rglob("*") if p.is_file() and p.name != "run.json"}
    assert there == set(NAMES)


def test_records_are_not_changed(tmp_path, write, four_records):
    write(tmp_path, *four_records)
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.rglob("run.json")}
    assert len(before) == 4
    build.build(tmp_path)
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.rglob("run.json")} == before


def test_building_again_gives_the_same_bytes(results, built):
    before = {path: path.read_bytes() for path in built.files}
    again = build.build(results)
    assert {path: path.read_bytes() for path in again.files} == before


def charts(folder):
    """The specifications of all charts of a report."""
    return [found for found in page(folder).data if "$schema" in found]


def test_the_report_stands_alone(results, built):
    found = page(results)
    found.check_alone()
    assert found.sources == []  # both figures are charts
    assert len(charts(results)) == 2
    style = re.search(r"<style>(.*?)</style>", (results / "report.html").read_text(), re.S)[1]
    assert "url(" not in style
    assert "@import" not in style


def test_links_lead_to_what_is_there(results, built):
    found = page(results)
    inside = {link[1:] for link in found.links if link.startswith("#")}
    assert inside <= set(re.findall(r'id="([^"]*)"', (results / "report.html").read_text()))
    files = {link for link in found.links if not link.startswith("#")}
    assert {"figures/speedup.csv", "figures/breakdown.pdf", "summary.csv", "id-shift/run.json"} <= files
    assert all((results / link).is_file() for link in files)
    marks = [row for spec in charts(results) for rows in spec["datasets"].values() for row in rows]
    assert {mark["record"] for mark in marks if "tip" in mark} == {
        f"id-{name}/run.json" for name in ("base", "shift", "shared_prefix", "alsatian")
    }


def test_a_bar_says_value_range_and_number_of_repeats(results, built):
    speedup, breakdown = charts(results)
    (rows,) = speedup["datasets"].values()
    (tip,) = (row["tip"] for row in rows if row["name"] == "alsatian")
    assert tip == {
        "strategy": "alsatian",
        "speed-up": "4.00× (3.20× to 8.00×, N=3)",
        "wall time": "4.0 s (2.0 s to 5.0 s, N=3)",
    }
    tips = [row["tip"] for rows in breakdown["datasets"].values() for row in rows if "tip" in row]
    (tip,) = (tip for tip in tips if tip["strategy"] == "base" and tip["part"] == "inference")
    assert tip["time"] == "8.0 s (4.0 s to 8.5 s, N=3)"
    assert tip["share"] == "50%"


def test_the_report_holds_every_section(results, built):
    text = page(results).text
    for expected in (
        "alsatian ranks the same 4 models 4.0× faster than base",
        "the 2 scores that both computed are bit-identical",
        "Claim to look for: alsatian is faster than base and shift",
        "16.0 s (8.0–17.0, N=3)",
        "Final ranking",
        "identical (6 scores)",
        "36, of which 20 distinct",
        "aaaaaaaaaaaa",
        "dddddddddddd",
        "200 MB/s, cold page cache",
        "torch 2.15.0",
        "abc123",
        "alsatian run experiment=made_up",
        "id-shared_prefix",
    ):
        assert expected in text


def test_the_rounds_are_in_the_report(results, built):
    rows = re.findall(r"<tr>.*?</tr>", (results / "report.html").read_text(), re.S)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]
    assert ["480", "4", "2", "0.6250", "m2"] in cells
    assert ["960", "2", "1", "0.7500", "m2"] in cells
    assert ["960", "4", "1", "0.7500", "m2"] in cells


def test_hostile_texts_are_shown_not_run(tmp_path, record, write):
    evil = '<img src="http://x.invalid/a.png" onerror=alert(1)>'
    hostile = record(evil, run_id="hostile", ranking=[evil, "</style><script>alert(2)</script>"], winner=evil)
    hostile["rounds"][0]["scores"][evil] = 0.99
    hostile["config"]["title"] = "<script>alert(3)</script>"
    hostile["command"] = "</code></pre><iframe>"
    failed = record("base", status="failed", error="<b onclick=x>", repeats=[], rounds=[], ranking=[], winner=None)
    build.build(write(tmp_path, hostile, failed))
    found = page(tmp_path)
    found.check_alone()
    assert not {"iframe", "b"} & set(found.tags)
    assert "alert(" not in "".join(found.scripts)
    assert not [link for link in found.links if "alert" in link or ":" in link]
    for expected in (evil, "</style><script>alert(2)</script>", "<script>alert(3)</script>", "<b onclick=x>"):
        assert expected in found.text
    assert "<img" not in re.sub(r"\\<", "", (tmp_path / "summary.md").read_text())


def test_the_summary_file_is_the_summary(results, built):
    read = pd.read_csv(results / "summary.csv")
    pd.testing.assert_frame_equal(read, built.summary, rtol=1e-14)


def test_the_text_for_the_terminal(tmp_path, record, write, monkeypatch):
    monkeypatch.chdir(tmp_path)
    targets = {"base": 3.0, "shift": 1.5}
    write(
        tmp_path / "results",
        *(record(n, (w,), config__targets=targets) for n, w in (("base", 16.0), ("alsatian", 4.0))),
    )
    lines = build.build((tmp_path / "results").relative_to(tmp_path)).text.splitlines()
    assert lines[lines.index("") + 1 :] == [
        "Scores: bit-identical in the one pair of runs that share any "
        "(2 comparisons, 2 of them with the features' digests)",
        "alsatian over base: 4.0× (target 3×: reached)",
        "alsatian over shift: not measured (target 1.5×)",
        "Cache peak (budget 16MiB = 16.8 MB): base 12.0 MB, alsatian 12.0 MB",
        "Storage: 200 MB/s, cold page cache",
        f"Figures in {os.path.join('results', 'figures')}: speedup.png, breakdown.png",
        f"Report: {os.path.join('results', 'report.html')}",
    ]


def test_broken_and_failed_runs_are_reported_and_the_rest_analysed(tmp_path, record, write, four_records):
    failed = record("lazy", status="timeout", error="a\nb", repeats=[], rounds=[], ranking=[], winner=None)
    write(tmp_path, *four_records, failed)
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "run.json").write_text('{"schema": 1,')
    built = build.build(tmp_path)
    assert len(built.summary) == 4
    assert [line.split(":")[0] for line in built.problems] == ["timeout", str(tmp_path / "torn" / "run.json")]
    assert "Not used: timeout: lazy (run id-lazy): b" in built.text
    assert "timeout: lazy (run id-lazy): b" in page(tmp_path).text


def test_mismatches_are_returned_and_shown(tmp_path, record, write):
    off = record()
    off["rounds"][-1]["scores"]["m2"] = 0.76
    built = build.build(write(tmp_path, record("base"), off))
    assert [(c.a, c.b, len(c.mismatches)) for c in built.checks] == [("base", "alsatian", 1)]
    assert "Scores: DIFFERENT in 1 of 1 pair of runs" in built.text
    assert "Differences" in page(tmp_path).text


def test_each_workload_has_its_own_figures_and_old_ones_go(tmp_path, record, write, four_records):
    other = [
        record(name, (2.0,), run_id=f"other-{name}", model_set__digest="other", started="2026-02-02T00:00:00+00:00")
        for name in ("base", "alsatian")
    ]
    write(tmp_path, *four_records, *other)
    names = {path.name for path in build.build(tmp_path).files if path.suffix == ".csv"}
    extra = names - {"summary.csv", "speedup.csv", "breakdown.csv"}
    assert len(extra) == 2
    assert len(pd.read_csv(tmp_path / "figures" / "speedup.csv")) == 4
    (second,) = (name for name in extra if name.startswith("speedup-"))
    assert len(pd.read_csv(tmp_path / "figures" / second)) == 2
    assert len(charts(tmp_path)) == 4
    for made_up in other:
        (tmp_path / made_up["run_id"] / "run.json").unlink()
    (tmp_path / "figures" / "mine-0123456789ab.png").write_text("not ours")
    build.build(tmp_path)
    left = {path.name for path in (tmp_path / "figures").iterdir()}
    assert left == {f"{s}.{e}" for s in ("speedup", "breakdown") for e in ("png", "pdf", "csv")} | {
        "mine-0123456789ab.png"
    }


def test_without_base_the_page_shows_no_empty_figure(tmp_path, record, write):
    build.build(write(tmp_path, record()))
    assert len(charts(tmp_path)) == 1


def test_the_limit_and_its_terms_are_shown_where_records_tell(tmp_path, record, write):
    told = record(walls=(4.0,))
    limit = {"reading_s": 0.5, "inference_s": 1.5, "decoding_s": 0.3, "scoring_s": 0.2}
    told["repeats"][0] |= {"limit": limit, "stalled_s": {"prepare_model": 1.0}}
    folder = write(tmp_path, record("base", (16.0,)), told)
    build.build(folder)
    text = (folder / "report.html").read_text()
    section = text.partition('<h2 id="limit">Wall time over the limit</h2>')[2].partition("<h2")[0]
    cells = [part.partition("<")[0] for part in section.split('class="number">')]
    assert cells[-8:] == ["4.00", "2.00", "2.00×", "0.50", "1.50", "0.30", "0.20", "25%"]
    assert "base" not in section
    build.build(write(other := tmp_path / "other", record()))
    assert "Wall time over the limit" not in (other / "report.html").read_text()


def test_a_failed_write_leaves_the_old_file(results, built, monkeypatch):
    before = (results / "report.html").read_bytes()

    def refuse(*_):
        raise OSError(errno.ENOSPC, "disk full")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="disk full"):
        build.build(results)
    assert (results / "report.html").read_bytes() == before
    assert not list(results.rglob("*.tmp"))


def test_an_empty_folder_is_an_error_and_stays_empty(tmp_path):
    with pytest.raises(ResultsError, match=re.escape(str(tmp_path))):
        build.build(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_it_needs_neither_torch_nor_the_harness(tmp_path, record, write):
    write(tmp_path, record("base"), record())
    program = (
        "import json, sys; from pathlib import Path; from analysis.report import build; "
        "build.build(Path(sys.argv[1])); print(json.dumps(sorted({m.partition('.')[0] for m in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stdout))
    assert "analysis" in loaded
    assert not {"torch", "baselines", "experiments", "hydra"} & loaded


def test_a_figure_of_the_configuration_that_cannot_be_drawn_is_a_line(tmp_path, write, record):
    write(tmp_path, record("base"), record(config__figure={"x": "batch_size"}, started="2026-02-02T00:00:00+00:00"))
    said = "Not drawn: figure.x=batch_size: needs two values at least, there is 64; what differs is "
    assert said in build.build(tmp_path).text
    assert said not in build.build(tmp_path, figure={"x": "strategy"}, typed=False).text
    assert (tmp_path / "figures" / "sweep.csv").is_file()
    with pytest.raises(ConfigError, match="needs two values"):
        build.build(tmp_path, figure={"x": "seed"})


def test_runs_of_several_versions_of_the_code_are_told_apart(tmp_path, write, record):
    dirty = {"version": "0.1.0", "commit": "def456", "dirty": True}
    write(tmp_path, record("base"), record("shift"), record(environment__code=dirty))
    text = build.build(tmp_path).text
    assert "Code of abc123: base, shift\nCode of def456 with changes: alsatian" in text


def test_other_conditions_have_a_table_of_their_own_named_by_what_differs(tmp_path, write, record):
    write(tmp_path, record("base"), record("shift"), record(config__batch_size=32))
    text = build.build(tmp_path).text
    assert "digits_finetunes on digits · batch_size=64\n" in text
    assert "digits_finetunes on digits · batch_size=32\n" in text
