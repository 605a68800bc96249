import pytest

from analysis.comparing import checks
from analysis.report import captions, findings
from analysis.tables import experiment


def headline(runs):
    return findings.headline(runs, checks.compare_scores(runs))


@pytest.mark.parametrize(
    ("walls", "said"),
    [
        ((4.0, 4.1, 4.2), "alsatian ranks the same 4 models 3.9× faster than base"),
        ((32.0, 33.0, 34.0), "alsatian ranks the same 4 models 2.1× slower than base"),
        ((15.0, 15.5, 16.0), "about as fast as base (their wall times overlap)"),
    ],
)
def test_the_speed_is_what_was_measured(load_runs, record, walls, said):
    sentence = headline(load_runs(record("base", (16.0, 16.0, 16.0)), record(walls=walls)))
    assert said in sentence
    assert sentence.endswith("; the 2 scores that both computed are bit-identical.")


def test_at_the_scale_ci_there_is_no_factor(load_runs, record):
    sentence = headline(load_runs(*(record(n, config__scale="ci") for n in ("base", "alsatian"))))
    assert sentence.startswith("alsatian ranks the same models as base; scale ci is too short for a factor; the 2")
    assert "×" not in sentence


def test_different_scores_are_in_the_sentence(load_runs, record):
    off = record()
    off["rounds"][-1]["scores"]["m2"] = 0.76
    sentence = headline(load_runs(record("base", (16.0,)), off))
    assert sentence.endswith("but 1 of the 2 scores that both computed DIFFER.")
    assert "identical" not in sentence


def test_another_winner_than_that_of_base_is_in_the_sentence(load_runs, record):
    base = record("base", (16.0,), winner="m3", ranking=["m3", "m2"])
    cells = [record(run_id=b, config__cache__budget=b) for b in ("1MiB", "2MiB")]
    assert headline(load_runs(base, cells[0])).endswith("identical; their best models differ (m2, base: m3).")
    assert headline(load_runs(base, *cells)).endswith("identical; the best model differs from base's in 2 of 2.")


def test_different_scores_of_others_are_in_the_sentence(load_runs, record):
    off = record("lazy")
    off["rounds"][0]["scores"]["m3"] = 0.76
    sentence = headline(load_runs(record("base", (16.0,)), record(), off))
    assert sentence.endswith("are bit-identical; scores of other strategies DIFFER.")


def test_nothing_is_claimed_about_scores_that_were_not_compared(load_runs, record):
    sentence = headline(load_runs(record("base", (16.0,), config__seed=1), record()))
    assert sentence.endswith("both computed no score in common, so none could be compared.")


def test_no_factor_without_base(load_runs, record):
    sentence = headline(load_runs(record("shift", (8.0,)), record(walls=(4.0,))))
    assert sentence == (
        "alsatian ranks 4 models in 4.0 s; no run of base on the same models, data and hardware to compare with."
    )


def test_base_alone(load_runs, record):
    sentence = headline(load_runs(record("base", (16.0,))))
    assert (
        sentence
        == "base ranks 4 models in 16.0 s; no other strategy ran on the same models and data to compare with."
    )


def test_a_sweep_gives_a_range(load_runs, record):
    cells = [record(walls=(wall,), run_id=b, config__cache__budget=b) for b, wall in (("1MiB", 8.0), ("2MiB", 4.0))]
    assert headline(load_runs(record("base", (16.0,)), *cells)) == (
        "alsatian ranks the same models 2.0× to 4.0× faster than base in 2 comparisons; "
        "the 4 scores that it and base computed are bit-identical."
    )


def test_without_alsatian_the_fastest_strategy_is_the_subject(load_runs, record):
    sentence = headline(load_runs(record("base", (16.0,)), record("shift", (8.0,)), record("lazy", (4.0,))))
    assert sentence.startswith("lazy ranks the same 4 models 4.0× faster than base")


def test_cache_peak_against_budget(load_runs, record):
    runs = load_runs(
        record("base", resolved={"cache.budget": {"requested": None, "bytes": None}}),
        record("shift", resolved={"cache.budget": {"requested": "1MiB", "bytes": 1024**2}}),
        record(),
    )
    assert findings.cache_lines(runs, experiment.summary(runs)) == [
        "Cache peak (no budget): base 12.0 MB",
        "Cache peak (budget 1MiB = 1.05 MB): shift 12.0 MB OVER BUDGET",
        "Cache peak (budget 16MiB = 16.8 MB): alsatian 12.0 MB",
    ]


def test_a_strategy_that_divides_memory_keeps_to_the_sum(load_runs, record):
    resolved = {"cache.budget": {"requested": "1MiB", "bytes": 1024**2}}
    fits, exceeds = record("auto"), record("greedy")
    for one, bytes_ in ((fits, 20_000_000), (exceeds, 19_000_000)):
        one["resolved"] = resolved | {"cache.memory": {"requested": None, "bytes": bytes_}}
        for repeat in one["repeats"]:
            repeat["peaks"]["memory_bytes"] = 20_000_000
    runs = load_runs(fits, exceeds)
    assert findings.cache_lines(runs, experiment.summary(runs)) == [
        "Cache peak (budget 1MiB = 1.05 MB): auto 12.0 MB (with blocks 20.0 MB of 20.0 MB in all, divided anew), "
        "greedy 12.0 MB OVER BUDGET"
    ]


def test_cache_peaks_of_many_runs_are_a_span_and_what_is_above_the_budget(load_runs, record):
    runs = load_runs(*(record(f"s{i}") for i in range(9)), record("base"))
    summary = experiment.summary(runs)
    summary.loc[summary["strategy"] == "base", "cache_peak_bytes"] = 0
    summary.loc[summary["strategy"] == "s3", "cache_peak_bytes"] = 18_000_000
    assert findings.cache_lines(runs, summary) == [
        "Cache peak (budget 16MiB = 16.8 MB): 0 B to 18.0 MB in 10 runs, s3 18.0 MB OVER BUDGET"
    ]


def test_of_many_runs_in_a_sentence_the_first_are_named(load_runs, record):
    runs = load_runs(*(record(f"s{i}", excluded={"m9": "torn"}) for i in range(6)))
    assert findings.excluded_lines(runs) == ["Left out, ranked last: m9 in s0, s1, s2 and 3 more: torn"]


def test_storage_regimes(load_runs, record):
    assert findings.storage_lines(load_runs(record())) == ["200 MB/s, cold page cache"]
    local = record("base", storage={"bandwidth": None, "cold": False})
    assert findings.storage_lines(load_runs(record(), local)) == [
        "the disk's own speed, page cache not emptied: base",
        "200 MB/s, cold page cache: alsatian",
    ]


def test_captions_claim_only_what_the_figure_can_show(load_runs, record):
    both = load_runs(record("base"), record())
    assert "alsatian is faster than base;" in captions.speedup(both)
    assert "shift" not in captions.speedup(both) + captions.breakdown(both)
    alone = load_runs(record("lazy", (1.0,)))
    assert "alsatian" not in captions.speedup(alone) + captions.breakdown(alone)
    assert "measured once" in captions.breakdown(alone)
    assert "whiskers" not in captions.speedup(alone)
    assert "whiskers are the slowest and the fastest of 3 repeats" in captions.speedup(both)
    assert "4 models of digits_finetunes, 1,200 items of digits; 200 MB/s, cold page cache." in captions.speedup(
        both
    )
