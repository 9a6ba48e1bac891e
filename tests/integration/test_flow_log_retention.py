"""Lines of apps go after the days that the settings say."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from skypanel.domain.errors import Unavailable
from skypanel.domain.log import printed
from skypanel.flow import garbage, log_retention
from skypanel.flow import plans as plans_flow
from skypanel.flow import settings as settings_flow
from tests.fakes.logs import FakeLogs

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


async def ages(stage, app):
    """Return the ages in days of an app's lines."""
    return [(stage.panel.clock.now() - line.time).days async for line in stage.panel.logs.read(app)]


async def write(stage, app):
    for days in (100, 50, 20, 6, 0):
        await stage.panel.logs.append(app.id, printed("web.1", stage.panel.clock.now() - timedelta(days=days), "x"))


@pytest.mark.req("R7.4")
async def test_lines_are_kept_for_seven_days_or_as_the_settings_say(stage):
    standard, hobby = await stage.app("standard"), await stage.app("hobby")
    await plans_flow.move(stage.panel, hobby, "Hobby", stage.admin)
    for app in (standard, hobby):
        await write(stage, app)
    await settings_flow.change(stage.panel, stage.admin, {"log_retention_of_plans": "Hobby=90"})
    await garbage.collect(stage.panel)
    assert (await ages(stage, standard), await ages(stage, hobby)) == ([6, 0], [50, 20, 6, 0])
    await settings_flow.change(stage.panel, stage.admin, {"log_retention_days": "3", "log_retention_of_plans": "Hobby=30"})
    await garbage.collect(stage.panel)
    assert (await ages(stage, standard), await ages(stage, hobby)) == ([0], [20, 6, 0])
    stage.panel.clock.advance(timedelta(days=4).total_seconds())
    await garbage.collect(stage.panel)
    assert (await ages(stage, standard), await ages(stage, hobby)) == ([], [24, 10, 4])


class FullDisk(FakeLogs):
    """One app's files cannot be deleted."""

    def __init__(self, app_id):
        super().__init__()
        self._app_id = app_id

    async def drop(self, app_id, before):
        if app_id == self._app_id:
            raise Unavailable("Old log files cannot be deleted: Read-only file system.")
        await super().drop(app_id, before)


async def test_one_app_does_not_keep_the_lines_of_others(stage, caplog):
    first, second = await stage.app("first"), await stage.app("second")
    stage.panel = replace(stage.panel, logs=FullDisk(first.id))
    for app in (first, second):
        await write(stage, app)
    await log_retention.enforce(stage.panel)
    assert (len(await ages(stage, first)), len(await ages(stage, second))) == (5, 2)
    assert "Read-only file system" in caplog.text
