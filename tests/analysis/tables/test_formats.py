"""Tables are the same text whichever way they are laid out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.tables import formats

CELLS = st.text("ab 1é漢.–", max_size=9).map(str.strip)


@st.composite
def tables(draw: st.DrawFn) -> formats.Table:
    columns = draw(st.integers(0, 4))
    row = st.tuples(*[CELLS] * columns)
    numeric = draw(st.sets(st.integers(0, max(0, columns - 1)))) if columns else set()
    return formats.Table("", draw(row), draw(st.lists(row, max_size=4)), tuple(sorted(numeric)))


@given(tables(), st.sampled_from([20, 40, 80]))
def test_a_table_that_fits_is_laid_out_as_rich_lays_it_out(table: formats.Table, width: int) -> None:
    found = formats.terminal(table, width)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(formats, "_fitting", lambda *_: None)
        assert formats.terminal(table, width) == found
