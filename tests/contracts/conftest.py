"""Searches of the command line draw no figures here either."""

from tests.experiments.conftest import quick_pictures

__all__ = ["quick_pictures"]
