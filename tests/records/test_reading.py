import json

import pytest

from alsatian.records import ResultsError, reading


def test_a_record_becomes_a_typed_run(tmp_path, record, write):
    run = reading.load(write(tmp_path, record("shift", (8.0, 9.0)))).runs[0]
    assert run.strategy == "shift"
    assert run.ok
    assert [repeat.wall_s for repeat in run.repeats] == [8.0, 9.0]
    assert run.storage.bandwidth == 200e6
    assert run.storage.cold is True
    assert run.rounds[0].train_items == 480
    assert run.rounds[1].scores == {"m2": 0.75, "m1": 0.625}
    assert run.environment.libraries["torch"] == "2.15.0"


def test_what_a_measurement_says_beyond_its_parts_is_read(tmp_path, record, write):
    made_up = record("base", excluded={"m3": "features are NaN"})
    made_up["repeats"][0] |= {
        "busy_s": {"prepare_model": 1.5},
        "stalled_s": {"prepare_model": 0.5},
        "process": {"peak_rss_bytes": 5, "peak_device_bytes": None},
        "events": [{"kind": "out_of_memory", "chunk": 3}],
        "level": "parts",
    }
    made_up["rounds"][0]["failed"] = {"m3": "features are NaN"}
    run = reading.load(write(tmp_path, made_up)).runs[0]
    first, second = run.repeats[:2]
    assert (first.busy_s, first.stalled_s) == ({"prepare_model": 1.5}, {"prepare_model": 0.5})
    assert first.process == {"peak_rss_bytes": 5, "peak_device_bytes": None}
    assert first.events[0]["kind"] == "out_of_memory"
    assert (second.events, second.process, second.level) == ((), {}, "parts")
    assert run.rounds[0].failed == run.excluded == {"m3": "features are NaN"}
    assert (run.resolved["cache.budget"].requested, run.resolved["cache.budget"].bytes) == ("16MiB", 16 * 1024**2)


def test_scores_survive_reading_bit_for_bit(tmp_path, record, write):
    run = reading.load(write(tmp_path, record("base"))).runs[0]
    assert run.rounds[0].scores["m3"] == 0.30000000000000004


GOOD = b'{"schema": 2, "status": "ok"}'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a whole JSON document"),
        (b'{"schema": 2, "run_id": "x", ', "not a whole JSON document"),
        (b"\xff\xfe\x00nonsense", "not a whole JSON document"),
        pytest.param(b"[" * 100_000, "not a whole JSON document", id="deep"),
        (b"[1, 2]", "expected a JSON object"),
        (b'{"schema": 1}', "schema 1; this version reads schema 3"),
        (b"{}", "schema None; this version reads schema 3"),
        (GOOD, "run_id is missing"),
    ],
)
def test_a_broken_file_is_skipped_with_one_line(tmp_path, record, write, content, said):
    write(tmp_path, record())
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_bytes(content)
    found = reading.load(tmp_path)
    assert [run.run_id for run in found.runs] == ["id-alsatian"]
    assert len(found.problems) == 1
    assert said in found.problems[0]
    assert "broken/run.json" in found.problems[0]
    assert "\n" not in found.problems[0]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("status", "fine", "status: input should be 'ok', 'running'"),
        ("config__strategy", "base", "config.strategy: expected an object with a name, not 'base'"),
        ("config__strategy__name", None, "config.strategy: expected an object with a name, not {"),
        ("model_set__models", -1, "model_set.models: input should be greater than or equal to 0, not -1"),
        (
            "model_set__total_bytes",
            10**30,
            "model_set.total_bytes: input should be less than or equal to 9223372",
        ),
        ("dataset__digest", 7, "dataset.digest: input should be a valid string, not 7"),
        ("storage__bandwidth", "fast", "storage.bandwidth: input should be a valid number"),
        ("storage__cold", 1, "storage.cold: input should be a valid boolean"),
        ("storage", None, "storage: input should be a valid dictionary"),
        ("environment__libraries", [], "environment.libraries: input should be a valid dictionary"),
        ("environment__determinism", None, "environment.determinism: input should be a valid dictionary"),
        ("resolved", None, "resolved: input should be a valid dictionary"),
        ("resolved__cache.budget", 7, "resolved.cache.budget: input should be a valid dictionary"),
        ("excluded", {"m0": 1}, "excluded.m0: input should be a valid string"),
        ("environment__code__dirty", "no", "environment.code.dirty: input should be a valid boolean"),
        ("repeats", [], "repeats is empty although the status is ok"),
        ("repeats", [1], "repeats[0]: input should be a valid dictionary"),
        ("rounds", [], "rounds is empty although the status is ok"),
        ("ranking", ["m2", 3], "ranking[1]: input should be a valid string, not 3"),
        ("winner", "m1", "winner: 'm1' is not the first of the ranking, 'm2'"),
        ("winner", "\ud800", "not valid Unicode"),
    ],
)
def test_a_wrong_field_is_named(tmp_path, record, write, key, value, said):
    write(tmp_path, record(), record("base", run_id="wrong", **{key: value}))
    problems = reading.load(tmp_path).problems
    assert len(problems) == 1
    assert said in problems[0]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("wall_s", -1, "repeats[0].wall_s: input should be greater than or equal to 0, not -1"),
        pytest.param("wall_s", 10**400, "repeats[0].wall_s: input should be a valid number", id="huge"),
        ("wall_s", True, "repeats[0].wall_s: input should be a valid number"),
        ("valid", False, "a repeat is not valid although the status is ok"),
        ("counters", {"hits": 1.5}, "repeats[0].counters.hits: input should be a valid integer"),
        ("stalled_s", {"inference": "1"}, "repeats[0].stalled_s.inference: input should be a valid number"),
        ("process", {"peak_rss_bytes": "1"}, "repeats[0].process.peak_rss_bytes: input should be a valid number"),
        ("events", [1], "repeats[0].events[0]: input should be a valid dictionary"),
        ("parts_s", {"other": "1"}, "repeats[0].parts_s.other: input should be a valid number"),
    ],
)
def test_a_wrong_repeat_is_named(tmp_path, record, write, key, value, said):
    wrong = record("base")
    wrong["repeats"][0][key] = value
    assert said in reading.load(write(tmp_path, record(), wrong)).problems[0]


def test_a_score_that_is_not_a_number_is_refused(tmp_path, record, write):
    wrong = record("base")
    wrong["rounds"][0]["scores"]["m0"] = float("nan")
    assert "NaN is not a JSON number" in reading.load(write(tmp_path, record(), wrong)).problems[0]


def test_the_same_run_twice_counts_once(tmp_path, record, write):
    write(tmp_path, record())
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "run.json").write_text(json.dumps(record()))
    found = reading.load(tmp_path)
    assert len(found.runs) == 1
    assert "another folder holds run id-alsatian" in found.problems[0]


def test_unfinished_runs_are_kept_apart_with_their_last_line(tmp_path, record, write):
    empty = {"repeats": [], "rounds": [], "ranking": [], "winner": None}
    failed = record("base", status="oom", error="Traceback\n  line\nMemoryError: \x1b[31mno\n", **empty)
    running = record("shift", status="running", **empty)
    found = reading.load(write(tmp_path, record(), failed, running))
    assert [run.strategy for run in found.finished] == ["alsatian"]
    assert found.left_out == [
        "oom: base (run id-base): MemoryError: \\x1b[31mno",
        "running: shift (run id-shift): not finished",
    ]
    assert found.problems == []


def test_an_empty_folder_says_what_would_be_right(tmp_path):
    with pytest.raises(ResultsError, match="no run records here; expected <run_id>"):
        reading.load(tmp_path)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ResultsError, match=r"nowhere: there is no such folder"):
        reading.load(tmp_path / "nowhere")


def test_the_folder_of_one_run_points_to_the_one_above(tmp_path, record, write):
    folder = write(tmp_path, record()) / "id-alsatian"
    with pytest.raises(ResultsError, match=f"give the folder above it, {tmp_path}"):
        reading.load(folder)


def test_the_folder_of_all_experiments_points_to_one(tmp_path, record, write):
    write(tmp_path / "quickstart", record())
    with pytest.raises(ResultsError, match=f"e.g. {tmp_path / 'quickstart'}"):
        reading.load(tmp_path)


def test_nothing_but_failures_is_an_error_that_repeats_the_first(tmp_path, record, write):
    failed = [
        record(name, status="failed", error=f"{name} broke", repeats=[], rounds=[], ranking=[], winner=None)
        for name in ("base", "shift")
    ]
    with pytest.raises(ResultsError) as caught:
        reading.load(write(tmp_path, *failed))
    assert str(caught.value) == (
        f"{tmp_path}: no run ended well; failed: base (run id-base): base broke (and 1 more)"
    )


def test_a_round_in_which_every_model_failed_is_read(record, load_runs):
    made = record()
    models = list(made["rounds"][0]["scores"])
    lost = {"scores": {}, "fingerprints": {}, "failed": dict.fromkeys(models, "not finite")}
    made["rounds"].append({**made["rounds"][0], **lost})
    (run,) = load_runs(made)
    assert run.rounds[-1].scores == {}
    assert list(run.rounds[-1].failed) == models
