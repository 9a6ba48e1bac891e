"""What the documents show to be run is run, on a panel, in a copy of a sample app."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.journeys.harness import PanelUnderTest, new_panel
from tests.support.documents import DOCUMENTS, ROOT, runnable_blocks

BLOCK_TIMEOUT_S = 120
SAMPLE = "python-plain"


@pytest.fixture(scope="module")
def fresh_panel() -> Iterator[PanelUnderTest]:
    """A panel on which the names that the documents use are free."""
    with new_panel() as made:
        yield made.up()


def on_its_ports(script: str, panel: PanelUnderTest) -> str:
    """Return a script for a panel that is not on the ports that the documents name."""
    ssh, http, https = panel.ports
    return script.replace(":2222/", f":{ssh}/").replace(":8080/", f":{http}/").replace(":8443/", f":{https}/")


@pytest.mark.parametrize("document", [path for path in DOCUMENTS if runnable_blocks(path)], ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_shows_works(fresh_panel, document):
    folder = fresh_panel.repository(SAMPLE).folder
    for script in runnable_blocks(document):
        done = subprocess.run(
            ["bash", "-euxo", "pipefail", "-c", on_its_ports(script, fresh_panel)],
            cwd=folder,
            env=fresh_panel.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            check=False,
            timeout=BLOCK_TIMEOUT_S,
        )
        assert done.returncode == 0, done.stdout
        assert " !     " not in done.stdout, done.stdout
    fresh_panel.cli("destroy", "hello", "--confirm", "hello", check=False)
