"""Figure 14: models from Hugging Face, one architecture at a time."""

from analysis.paper.kinds.totals import Totals


class Figure(Totals):
    """End-to-end times with models of one architecture."""

    number = "14"
    title = "End-to-end time of a search, Hugging Face models of one architecture"
    claim = "Alsatian is faster than SHiFT, and SHiFT than Base, for every architecture and size of data."
