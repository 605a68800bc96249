"""Secrets are hidden by name and by value; what only looks like one is not."""

import pytest

from experiments.configuration.redaction import Redaction

KEY = "0123456789abcdef"


@pytest.mark.parametrize(
    "name",
    ["api_key", "apikey", "apiKey", "key", "HF_TOKEN", "token", "secret", "dbPassword", "access-key", "passwd"],
)
def test_what_stands_under_a_secret_name_is_hidden(name: str) -> None:
    hide = Redaction([], {})
    assert hide.config({"a": [{name: "short", "b": 1}]}) == {"a": [{name: "***", "b": 1}]}
    assert hide.words([f"+tracker.{name}=short", "seed=1"]) == [f"+tracker.{name}=***", "seed=1"]
    assert "short" not in hide.words([f"+tracker={{{name}: short, project: p}}"])[0]


@pytest.mark.parametrize("name", ["tokenizer", "monkey", "max_tokens", "keyboard", "order", "hockey"])
def test_other_names_keep_their_values(name: str) -> None:
    hide = Redaction([], {})
    assert hide.config({name: 128}) == {name: 128}
    assert hide.words([f"dataset.{name}=128"]) == [f"dataset.{name}=128"]


@pytest.mark.parametrize("value", [None, True, {"name": "x"}, ""])
def test_what_is_no_secret_stays_even_under_a_secret_name(value: object) -> None:
    assert Redaction([], {}).config({"key": value}) == {"key": value}


def test_numbers_and_lists_of_texts_are_hidden_too() -> None:
    assert Redaction([], {}).config({"password": 1234, "tokens": ["a", "b"]}) == {
        "password": "***",
        "tokens": "***",
    }


def test_a_known_secret_is_hidden_wherever_it_stands() -> None:
    hide = Redaction([{"tracker": {"api_key": KEY}}], {"WANDB_API_KEY": "from the environment"})
    told = {"error": f"denied for {KEY}!", "a": [{"from the environment": 1.5}, KEY]}
    assert hide.everywhere(told) == {"error": "denied for ***!", "a": [{"***": 1.5}, "***"]}
    assert hide.words([f"results_dir=/tmp/{KEY}"]) == ["results_dir=/tmp/***"]


def test_a_secret_that_holds_another_is_hidden_whole() -> None:
    hide = Redaction([{"key": KEY}, {"token": f"{KEY}-and-more"}], {})
    assert hide.text(f"{KEY}-and-more") == "***"


def test_short_values_of_the_environment_are_ordinary_words() -> None:
    assert Redaction([], {"DB_PASSWORD": "alsatian"}).text("strategy alsatian") == "strategy alsatian"
