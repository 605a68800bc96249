"""A figure is one file and one YAML: what is dropped into the folder is found, drawn and judged."""

import textwrap

from analysis import paper
from analysis.figures import style

FIGURE = """
from analysis.paper.kinds.totals import Totals


class Figure(Totals):
    number = "99"
    title = "A figure that the paper has not"
    claim = "nothing in particular."

    def verdicts(self):
        return self.distributions()
"""


def test_every_module_of_the_folder_is_a_figure():
    numbers = ["5", "10", "11", "12", "13", "14", "15", "16", "17", "overlap"]
    assert list(paper.figures()) == numbers
    for number, figure in paper.figures().items():
        assert figure.number == number
        assert figure.title
        assert figure.claim.endswith(".")
        assert figure.marks.endswith(".")


def test_a_new_figure_is_one_file_and_one_yaml(tmp_path, monkeypatch, write, as_published):
    (tmp_path / "fig99.py").write_text(textwrap.dedent(FIGURE))
    monkeypatch.setattr(paper, "__path__", [*paper.__path__, str(tmp_path)])
    made = as_published("17", repeats=(1, 1, 1))
    for run in made:
        run["config"]["figure"] = {"number": "99"}  # what its YAML says
    folder = write(tmp_path / "fig99", *made)
    section = paper.section(folder)
    assert section.picture.title == "Figure 99 (laptop scale): A figure that the paper has not"
    assert [path.name for path in section.save(folder)][:3] == ["fig99.png", "fig99.pdf", "fig99.svg"]
    assert [verdict.result for verdict in section.verdicts] == [paper.HOLDS] * 3
    with style.drawing():
        figure = section.figure.draw("", "")
    assert len(figure.axes) == 3  # one for each distribution
    assert sum(len(axes.patches) for axes in figure.axes) == len(made)


def test_a_figure_of_predicted_records_says_for_which_hardware(tmp_path, write, as_published):
    said = {"hardware": "a5000", "source": "published bars", "scores": "recorded"}
    made = [run | {"kind": "predicted", "prediction": said} for run in as_published("17")]
    section = paper.section(write(tmp_path, *made))
    assert section.picture.title.endswith("BERT, predicted for a5000")
    assert not section.picture.data["seconds"].isna().any()
