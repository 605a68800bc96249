"""What is shared, and in which order models are scored, changes no proxy's score by a bit."""

import alsatian
from alsatian.data.digits import digits
from alsatian.proxies.named import PROXIES
from alsatian.searching.schedules import Exhaustive
from alsatian.searching.search import SearchResult
from alsatian.searching.strategy import Strategy
from tests.conftest import tiny_model

NAMES = [name for name in PROXIES if name not in ("leep", "nce")]


def scores(result: SearchResult) -> dict[str, dict[str, float]]:
    (last,) = result.rounds
    return {NAMES[0]: dict(last.scores), **{name: dict(found) for name, found in last.further.items()}}


def test_scores_do_not_depend_on_the_strategy() -> None:
    models = {letters: tiny_model(letters) for letters in ("aaaa", "aabb")}
    settings = {"proxies": ",".join(NAMES), "preprocessing": {"size": 8}, "batch_size": 16}
    found = [
        scores(alsatian.search(models, digits(60), strategy=strategy, **settings))
        for strategy in ("base", Strategy(schedule=Exhaustive()))
    ]
    assert list(found[0]) == NAMES
    assert found[0] == found[1]
    assert len(set(found[0]["logme"].values())) == len(models)
