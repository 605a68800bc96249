"""Words of the command line that mean nothing end in one line that says what would be right, in every place."""

import pytest

from alsatian.errors import ConfigError
from alsatian.units import parse_budget
from experiments.cli import main
from experiments.configuration.composition import cells
from experiments.configuration.setup import Parts

BAD_WORDS: dict[str, tuple[list[str], str]] = {
    # Keys that there are not, with a + before them.
    "+": (["+foo=1"], "foo: there is no such key; did you mean 'force'?"),
    "++": (["++foo=1"], "foo: there is no such key; did you mean 'force'?"),
    "+ in a group": (["+cache.bugdet=1"], "cache.bugdet: there is no such key; did you mean 'cache.budget'?"),
    "+ below a number": (["+seed.more=1"], "seed.more: there is no such key"),
    "+ and a group of settings": (["+foo={a: 1}"], "foo: there is no such key"),
    "+ behind a good word": (["strategy=base", "+bach_size=3"], "did you mean 'batch_size'?"),
    "+ before a good word": (["+bach_size=3", "strategy=base"], "did you mean 'batch_size'?"),
    "+ with several values": (["-m", "+foo=1,2"], "foo: there is no such key"),
    "+ a misspelt list": (["+sweeep.seed=[1,2]"], "sweeep.seed: there is no such key"),
    # Keys that there are.
    "+ a known key": (["+seed=3"], "+seed: there is such a key already; write seed=…"),
    "+ a known key in a group": (["+cache.budget=1MiB"], "+cache.budget: there is such a key already"),
    "+ a group": (["+strategy=base"], "+strategy=base: every group has its choice; write strategy=…, without +"),
    "++ a group": (["++strategy=base"], "write strategy=…, without +"),
    # One key, two values.
    "a key twice": (["seed=1", "seed=2"], "seed: is set twice in one line; write it once"),
    "a key twice, equal": (["seed=1", "seed=1"], "seed: is set twice"),
    "a key twice, apart": (["seed=1", "strategy=base", "seed=2"], "seed: is set twice"),
    "a group twice": (["strategy=base", "strategy=shift"], "strategy: is set twice"),
    "an experiment twice": (["experiment=quickstart", "experiment=single"], "experiment: is set twice"),
    "a dotted key twice": (["cache.budget=1MiB", "cache.budget=2MiB"], "cache.budget: is set twice"),
    "twice with ++": (["seed=1", "++seed=2"], "seed: is set twice"),
    "twice, once with several": (["-m", "seed=1,2", "seed=3"], "seed: is set twice"),
    "a group twice with several": (["-m", "strategy=base", "strategy=shift,base"], "strategy: is set twice"),
    # Bad words in every place.
    "a key first": (["bach_size=3", "strategy=base", "seed=1"], "did you mean 'batch_size'?"),
    "a key last": (["strategy=base", "seed=1", "bach_size=3"], "did you mean 'batch_size'?"),
    "a choice behind a bad key": (["cache.bugdet=3", "strategy=alsation"], "did you mean 'alsatian'?"),
    "a choice before a bad key": (["strategy=alsation", "cache.bugdet=3"], "did you mean 'alsatian'?"),
    "a choice behind a good key": (["seed=3", "experiment=quikstart"], "did you mean 'quickstart'?"),
    "a second of several": (["-m", "strategy=base,shft"], "did you mean 'shift'?"),
    "no setting, first": (["quickstart", "seed=1"], "cannot read 'quickstart'"),
    "no setting, last": (["seed=1", "quickstart"], "did you mean 'experiment=quickstart'?"),
    "a choice without its group": (["experiment=quickstart", "shift"], "did you mean 'strategy=shift'?"),
    "a choice of two groups": (["planned", "seed=1"], "did you mean 'cache=planned'?"),
    "a command among settings": (["run", "seed=1"], "cannot read 'run'"),
    "a budget that is no key": (["budget=150%"], "budget: there is no such key; did you mean 'cache.budget'?"),
    "a setting of a class": (["+strategy.foo=1"], "unexpected keyword argument 'foo'"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_WORDS)
def test_words_that_mean_nothing(case: str) -> None:
    words, message = BAD_WORDS[case]
    multirun = words[0] == "-m"
    with pytest.raises(ConfigError) as caught:
        [Parts().setup(cell.config) for cell in cells(words[multirun:], multirun)]
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "key", "value"),
    [
        (["+sweep.seed=[1,2]"], "seed", [1, 2]),
        (["+targets.base=2.0"], "targets", [{"base": 2.0}]),
        (["experiment=quickstart", "strategy=base", "+targets.other=2.0"], "targets.other", [2.0]),
        (["++seed=3"], "seed", [3]),
        (["cache=lru", "cache.budget=1MiB"], "cache.budget", ["1MiB"]),
        (["order=random", "++order.seed=3"], "order.seed", [3]),
    ],
)
def test_words_that_mean_something(words: list[str], key: str, value: list[object]) -> None:
    from omegaconf import OmegaConf

    assert [OmegaConf.select(cell.config, key) for cell in cells(words)] == value


@pytest.mark.parametrize("size", ["150%", "100.1%", " 1e3% ", "1000%"])
@pytest.mark.parametrize(
    "name", ["budget", "host_budget", "ssd_budget", "block_budget", "block_host_budget", "block_ssd_budget"]
)
def test_more_than_everything_is_explained(name: str, size: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Parts().setup(cells([f"cache.{name}='{size}'"])[0].config)
    assert f"cache.{name}={size}: more than there is; 100% holds all that can be used again" in str(caught.value)


@pytest.mark.parametrize("size", ["0%", "-5%", "nan%", "inf%", "%", "a%", "5%%"])
def test_what_is_no_share_is_refused(size: str) -> None:
    with pytest.raises(ConfigError, match="not a share of the working set"):
        parse_budget(size, "cache.budget")


@pytest.mark.parametrize(("size", "share"), [("100%", 1.0), ("0.5%", 0.005), (" 25% ", 0.25)])
def test_shares_up_to_everything(size: str, share: float) -> None:
    assert getattr(parse_budget(size, "cache.budget"), "share", None) == share


BAD_LINES: dict[str, tuple[list[str], str]] = {
    "a command": (["rnu"], "alsatian: 'rnu': there is no such command; did you mean 'run'?"),
    "a command before settings": (["simulat", "seed=1"], "did you mean 'simulate'?"),
    "nothing like a command": (["xyzzy"], "'xyzzy': there is no such command; valid are: check, compare"),
    "no command": ([], "the following arguments are required: COMMAND"),
    "a setting as a command": (["seed=1"], "there is no such command; did you mean 'alsatian run seed=1'?"),
    "an experiment as a command": (["quickstart"], "did you mean 'alsatian run experiment=quickstart'?"),
    "a list": (["list", "ordr"], "alsatian list: 'ordr': there is no such list; did you mean 'orders'?"),
    "a list, singular": (["list", "hardwares"], "did you mean 'hardware'?"),
    "one list too many": (["list", "orders", "datasets"], "'datasets': is one word too many"),
    "an action": (["store", "verfy"], "alsatian store: 'verfy': there is no such action; did you mean 'verify'?"),
    "no action": (["store"], "the following arguments are required: ACTION"),
    "an option": (["run", "--multirn", "a=1"], "'--multirn': there is no such option here; did you mean '--mu"),
    "an option last": (["overlap", "models", "--lenth", "3"], "did you mean '--length'?"),
    "an option of an action": (["store", "ls", "--jsn"], "did you mean '--json'?"),
    "an option before its command": (["-m", "run"], "it belongs behind the command, as in 'alsatian run -m'"),
    "a value": (["overlap", "--length", "x"], "argument --length: invalid int value: 'x'"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_LINES)
def test_lines_that_mean_nothing(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    words, message = BAD_LINES[case]
    with pytest.raises(SystemExit, match=r"^2$"):
        main(words)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert message in err


@pytest.mark.parametrize("word", ["cache", "policies", "strategy", "strategies", "hardware"])
def test_a_list_by_its_title_or_its_group(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", word]) == 0
    title = {"cache": "policies", "strategy": "strategies"}.get(word, word)
    assert capsys.readouterr().out.startswith(f"{title} (")


@pytest.mark.parametrize("words", [["-m", "a=1", "b=2"], ["a=1", "-m", "b=2"], ["a=1", "b=2", "-m"]])
def test_settings_stand_on_both_sides_of_an_option(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "seed=1", *words]) == 1
    assert "a: there is no such key" in capsys.readouterr().err
