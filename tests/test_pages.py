"""What stands in pages is escaped, inside scripts as well."""

import json

import pytest

from alsatian import pages

EVIL = "</script><!--<script>\u2028&'\""


def test_json_in_a_page_ends_no_script_and_says_the_same() -> None:
    text = pages.embedded({EVIL: [EVIL, 1.5, None]})
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == {EVIL: [EVIL, 1.5, None]}
    with pytest.raises(ValueError, match="JSON"):
        pages.embedded(float("nan"))


def test_a_script_that_would_end_early_is_refused(tmp_path) -> None:
    (tmp_path / "own.html").write_text('{% extends "page.html" %}{% block content %}{{ what }}{% endblock %}')
    with pytest.raises(ValueError, match="ends or opens"):
        pages.render(tmp_path, "own.html", ["'</SCRIPT>'"], title="x", what="y")
    assert "&lt;b&gt;" in pages.render(tmp_path, "own.html", ["1"], title="x", what="<b>")
