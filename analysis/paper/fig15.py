"""Figure 15: models from Hugging Face, all of them together."""

from analysis.paper.kinds.totals import Totals


class Figure(Totals):
    """End-to-end times with models of several architectures."""

    number = "15"
    title = "End-to-end time of a search, all Hugging Face models together"
    claim = "Alsatian is faster than Base and SHiFT; SHiFT gains on Base only with much data."
