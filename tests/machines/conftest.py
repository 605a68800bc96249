"""The family of tiny models that searches are tested with."""

from tests.searching.conftest import family, modules

__all__ = ["family", "modules"]
