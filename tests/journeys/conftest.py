from collections.abc import Iterator

import pytest

from tests.fixtures.s3 import s3
from tests.journeys.harness import PanelUnderTest, new_panel

__all__ = ["panel", "s3"]


@pytest.fixture(scope="session")
def panel() -> Iterator[PanelUnderTest]:
    """One running panel for all tests of a worker; each test uses app names of its own."""
    with new_panel() as made:
        yield made.up()
