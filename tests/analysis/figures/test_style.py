"""Pages and papers: sizes, words, and the files of a paper."""

import re

import pytest

from alsatian.errors import ConfigError
from analysis.figures import bars, latex, layout, style
from analysis.tables import experiment
from tests.analysis.layout import check_paper


def test_words_choose():
    assert style.named({}) == style.named({"style": "page", "columns": None}) == style.PAGE
    assert style.named({"style": "paper"}) == style.PAPER
    assert style.named({"style": "paper", "columns": 2}).columns == 2
    assert not style.PAGE.paper


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"style": "papr"}, "figure.style=papr: there is no such style; did you mean 'paper'?"),
        ({"style": ["paper"]}, "figure.style=['paper']: there is no such style"),
        ({"style": "paper", "columns": 3}, "figure.columns=3: a figure takes 1 or 2 columns of a paper"),
        ({"style": "paper", "columns": "2"}, "figure.columns=2: a figure takes 1 or 2 columns of a paper"),
        ({"style": "paper", "columns": True}, "figure.columns=True: a figure takes 1 or 2"),
        ({"style": "paper", "columns": [1]}, "figure.columns=[1]: a figure takes 1 or 2"),
        ({"columns": 2}, "figure.columns=2: only figure.style=paper has columns"),
    ],
)
def test_bad_words_are_one_line(words, said):
    with pytest.raises(ConfigError) as caught:
        style.named(words)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_panels_have_the_room_of_the_columns():
    assert style.PAGE.fit(3, 2.7, 1.6) == (3, 2.7)
    assert style.PAPER.fit(1, 5.0, 3.3) == (1, 3.33)
    assert style.PAPER.fit(3, 2.7, 1.6) == (3, 7.0 / 3)
    assert style.PAPER.fit(2, 2.7, 1.6, taken=1.0) == (2, 3.0)
    one = style.named({"style": "paper", "columns": 1})
    assert one.fit(3, 2.7, 1.6) == (2, 3.33 / 2)
    assert one.fit(3, 9.0, 9.0) == (1, 3.33)


def test_inside_a_style_is_in_force_and_outside_that_of_a_page():
    with style.drawing(style.PAPER):
        assert style.now() == style.PAPER
        with style.drawing():
            assert style.now() == style.PAGE
        assert style.now() == style.PAPER
    assert style.now() == style.PAGE


@pytest.fixture
def picture(load_runs, four_records):
    summary = experiment.summary(load_runs(*four_records))
    return bars.speedup(summary, "Speed-up & more", "Claim: 50% of_it {≤} 3×.\nNext line: a \\ b ~ c ^ d # $5 <e>.")


def test_files_of_a_paper_lie_beside_those_of_a_page(tmp_path, picture):
    files = picture.save(tmp_path / "speedup", look=style.PAPER)
    names = [path.relative_to(tmp_path).as_posix() for path in files]
    beside = ["paper/speedup.pdf", "paper/speedup.txt", "paper/speedup.tex"]
    assert names == ["speedup.png", "speedup.pdf", "speedup.csv", *beside]
    before = [path.read_bytes() for path in files]
    assert before[0] == picture.content("png")  # the page's own are as ever
    assert [path.read_bytes() for path in picture.save(tmp_path / "speedup", look=style.PAPER)] == before
    text = (tmp_path / "paper" / "speedup.txt").read_text()
    assert text == f"{picture.title}\n\n{picture.caption}\n"


def test_the_pdf_has_the_width_of_a_column_and_holds_its_fonts_and_no_title(tmp_path, picture):
    for columns, points in (1, 239.76), (2, 504.0):
        look = style.named({"style": "paper", "columns": columns})
        picture.save(tmp_path / "speedup", look=look)
        content = (tmp_path / "paper" / "speedup.pdf").read_bytes()
        box = re.search(rb"/MediaBox \[ 0 0 ([0-9.]+) ", content)
        assert float(box[1]) == pytest.approx(points, abs=0.01)
        assert b"/FontFile2" in content
        assert b"/Subtype /Type3" not in content
        assert b"/Subtype /Image" not in content


def test_latex_is_a_whole_figure_with_its_caption(tmp_path, picture):
    picture.save(tmp_path / "speedup", look=style.PAPER)
    lines = (tmp_path / "paper" / "speedup.tex").read_text().splitlines()
    assert lines == [
        r"\begin{figure}",
        r"  \centering",
        r"  \includegraphics{speedup.pdf}% 3.33 inches",
        r"  \caption{\textbf{Speed-up \& more.} Claim: 50\% of\_it \{$\le$\} 3$\times$. "
        r"Next line: a \textbackslash{} b \textasciitilde{} c \textasciicircum{} d \# \$5 "
        r"\textless{}e\textgreater{}.}",
        r"  \label{fig:speedup}",
        r"\end{figure}",
    ]
    assert latex.figure("x", 7.0, "", "c").splitlines()[0] == r"\begin{figure*}"
    assert latex.figure("x", 7.0, "", "c").count(r"\caption{c}") == 1


@pytest.mark.parametrize("columns", [None, 1, 2])
def test_bars_in_a_paper(picture, load_runs, four_records, columns):
    check_paper(picture, columns)
    summary = experiment.summary(load_runs(*four_records))
    long = summary.assign(strategy=[f"{name} cache.budget=1GiB model_set.count=16" for name in summary["strategy"]])
    check_paper(bars.breakdown(long, "", ""), columns)


def test_a_legend_without_room_in_a_gap_stands_above():
    with style.drawing():
        figure, axes = layout.panels(3, 2, (2.5, 0.5), "", "")
        handles = [axes[0].bar([0], [1], label=f"a long name of a bar, number {i}") for i in range(12)]
        layout.legend(figure, handles)
        figure.draw_without_rendering()
        (legend,) = figure.subfigs[0].legends
        assert legend.get_window_extent().y0 > axes[0].get_window_extent().y1
