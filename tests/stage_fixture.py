"""A stage, its first organization, an app on it, and repositories elsewhere."""

from functools import partial

import pytest

from skypanel.flow import organizations
from tests.git_host_fixture import publish as publish_in
from tests.panels import open_stage


@pytest.fixture
async def stage(database, tmp_path):
    return await open_stage(database, tmp_path)


@pytest.fixture
async def main(stage):
    """The organization that there is at first."""
    return (await organizations.mine(stage.panel, stage.admin))[0][0]


@pytest.fixture
async def app(stage):
    """An app, named hello, with one release that runs."""
    made = await stage.app()
    await stage.push(made, "first")
    await stage.work()
    return made


@pytest.fixture
def elsewhere(stage):
    return stage.panel.remotes


@pytest.fixture
def publish(elsewhere):
    return partial(publish_in, elsewhere.root)
