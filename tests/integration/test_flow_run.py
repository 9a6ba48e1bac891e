"""One-off dynos: what may run, how many, and what is recorded."""

import pytest

from skypanel.domain.errors import Conflict, Invalid
from skypanel.domain.manifest import Exit
from skypanel.flow import config as config_flow
from skypanel.flow import reconcile, run
from skypanel.store import audit
from tests.support.stored import active_rollout


async def test_an_attached_command_has_its_variables_and_tells_its_end(stage, app):
    async with run.attached(stage.panel, app, "echo $NAME; exit 3", stage.admin, environment={"NAME": "Ada"}) as running:
        (dyno,) = await stage.panel.scheduler.one_offs(app.id)
        assert dyno.key.name == running.name
        assert running.name.startswith("run.")
        assert b"".join([chunk async for chunk in running.attached.read()]) == b"Ada\n"
        assert await running.attached.wait() == Exit(3)
    assert await stage.panel.scheduler.one_offs(app.id) == []


async def test_a_detached_command_disturbs_no_reconciliation(stage, app):
    name = await run.detached(stage.panel, app, "toil", stage.admin)
    assert [dyno.key.name for dyno in await stage.panel.scheduler.one_offs(app.id)] == [name]
    await reconcile.reconcile(stage.panel)
    async with stage.panel.transaction() as conn:
        assert await active_rollout(conn, app.id) is None


async def test_the_plan_bounds_how_many_run_at_once(stage, app):
    names = {await run.detached(stage.panel, app, "toil", stage.admin) for _ in range(app.plan.max_replicas)}
    assert len(names) == app.plan.max_replicas
    with pytest.raises(Conflict, match="as many as its plan allows"):
        await run.detached(stage.panel, app, "toil", stage.admin)
    await stage.panel.scheduler.stop(app.id, names.pop())
    await run.detached(stage.panel, app, "toil", stage.admin)


@pytest.mark.parametrize(("asked", "given"), [({}, 86_400), ({"life_s": 60}, 60), ({"life_s": 90_000}, 86_400)])
async def test_nothing_runs_for_longer_than_a_day(stage, app, asked, given):
    assert (await run.reserve(stage.panel, app, "toil", **asked)).one_off.timeout_s == given


async def test_without_a_release_there_is_nothing_to_run(stage):
    with pytest.raises(Conflict, match="no release yet"):
        await run.detached(stage.panel, await stage.app("early"), "toil", stage.admin)


@pytest.mark.parametrize(
    ("command", "environment"), [("", {}), (" \n", {}), ("a\0b", {}), ("x" * 16_385, {}), ("true", {"PORT": "1"}), ("true", {"A": "\0"})]
)
async def test_what_cannot_be_run_is_refused(stage, app, command, environment):
    with pytest.raises(Invalid):
        await run.detached(stage.panel, app, command, stage.admin, environment=environment)
    assert stage.panel.scheduler.runs == []


async def test_the_audit_log_says_who_ran_something_and_not_what(stage, app):
    await config_flow.change(stage.panel, app, {"KEY": "canary"}, stage.admin)
    name = await run.detached(stage.panel, app, "echo canary", stage.admin, environment={"A": "canary"})
    async with stage.panel.transaction() as conn:
        (row, *_) = rows = await audit.recent(conn, 20)
    assert (row.action, row.details) == ("dyno.run", {"dyno": name, "attached": False})
    assert "canary" not in repr(rows)
