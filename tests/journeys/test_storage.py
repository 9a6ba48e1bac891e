"""A whole panel that keeps its slugs in S3: chosen by command, moved to, and down."""

from collections.abc import Iterator

import pytest

from tests.fixtures.s3 import S3Server
from tests.journeys.harness import PanelUnderTest, new_panel, wait_for


@pytest.fixture
def own_panel() -> Iterator[PanelUnderTest]:
    with new_panel() as made:
        yield made.up()


def stored(s3: S3Server, kind: str) -> int:
    return len([path for path in s3.files() if path.parent.name == kind])


@pytest.mark.req("R6.3")
@pytest.mark.req("R8.5")
def test_a_panel_moves_to_s3_serves_while_it_is_down_and_builds_when_it_is_back(own_panel, s3):
    panel, storage = own_panel, s3.storage
    repository = panel.repository("python-plain")
    repository.push("hello")
    choice = ("settings", "set", "storage=s3", f"s3_endpoint={storage.endpoint}", f"s3_bucket={storage.bucket}", "s3_access_key")
    refused = panel.cli(*choice, "s3_secret_key", stdin=f"{storage.access_key}\nwrong\n", check=False)
    assert refused.returncode == 1
    assert "refuses the panel's access key" in refused.stderr
    panel.cli(*choice, "s3_secret_key", stdin=f"{storage.access_key}\n{storage.secret_key}\n")
    listed = panel.cli("settings", "list").stdout
    assert "storage=s3" in listed
    assert "s3_secret_key=********" in listed
    assert storage.secret_key not in listed
    assert storage.access_key not in listed
    wait_for("the old slug in the bucket", lambda: stored(s3, "slugs"), 60)
    panel.cli("storage", "move")
    shown = panel.cli("storage", "show").stdout
    assert f"Objects are in {storage.endpoint}/{storage.bucket}/" in shown
    assert "0 are still to be moved" in shown

    repository.edit("app.py", "Hello from SkyPanel", "in S3")
    repository.commit("Second")
    repository.push("hello")
    assert stored(s3, "slugs") == 2
    assert "in S3" in panel.get("hello").body
    panel.cli("rollback", "hello", "v1")
    assert "Hello from SkyPanel" in panel.get("hello").body
    panel.cli("rollback", "hello", "v2")

    s3.stop()
    panel.cli("restart", "hello")
    assert "in S3" in panel.get("hello").body
    repository.edit("app.py", "in S3", "third")
    repository.commit("Third")
    refused_push = repository.push("hello", check=False)
    assert f"The object storage at {storage.endpoint} does not answer." in refused_push
    assert "in S3" in panel.get("hello").body
    s3.start()
    repository.push("hello")
    assert "third" in panel.get("hello").body
    panel.cli("destroy", "hello", "--confirm", "hello")
    assert stored(s3, "slugs") == 0
