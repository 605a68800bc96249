"""The paper's figures for the tests of reports about them."""

from tests.analysis.paper.conftest import (  # noqa: F401  fixtures
    as_published,
    blocks_document,
    overlap_document,
    place,
)
