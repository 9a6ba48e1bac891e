from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.fixtures.s3 import s3
from tests.journeys.browser import NewVisit, Visit, running_browser
from tests.journeys.harness import PanelUnderTest, new_panel

__all__ = ["panel", "s3"]


@pytest.fixture(scope="session")
def panel() -> Iterator[PanelUnderTest]:
    """One running panel for all tests of a worker; each test uses app names of its own."""
    with new_panel() as made:
        yield made.up()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@pytest.fixture
def visit(panel: PanelUnderTest, browser: Browser) -> Iterator[NewVisit]:
    """Open windows; at the end none of them may have complained, about the content policy say."""
    opened: list[Visit] = []

    def new(**options: object) -> Visit:
        opened.append(Visit(panel, browser, **options))
        return opened[-1]

    yield new
    for each in opened:
        each.close()
    assert [complaint for each in opened for complaint in each.complaints] == []
