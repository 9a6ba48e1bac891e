"""The contract of the port Metrics. A subclass provides the fixtures `metrics`, `scheduler` and `objects`."""

from tests.contracts.scheduler import READY_S, launched
from tests.support.until import until

BUSY = "python3 -c 'x = b\"x\" * 30_000_000\nwhile True: pass'"
IDLE = "sleep 1000"


async def measured(metrics, app, *names):
    """Return what dynos of an app use, by name, once all of these are measured."""

    async def found():
        uses = {use.name: use for use in await metrics.measure() if use.app_id == app.id}
        return uses if set(names) <= set(uses) else None

    return await until(found)


class MetricsContract:
    async def test_what_each_dyno_uses_is_measured_from_its_second_look_on(self, metrics, scheduler, objects):
        app, manifest = await launched(scheduler, objects, {"busy": (BUSY, 1), "idle": (IDLE, 1)})
        await scheduler.wait_ready(manifest, READY_S)
        found = await measured(metrics, app, "busy.1", "idle.1")
        assert set(found) == {"busy.1", "idle.1"}

        async def works():
            uses = await measured(metrics, app, "busy.1", "idle.1")
            return uses if uses["busy.1"].cpu_cores > 0.1 and uses["busy.1"].memory_bytes > 30_000_000 else None

        found = await until(works)
        assert found["idle.1"].cpu_cores < 0.1
        assert 0 < found["idle.1"].memory_bytes < found["busy.1"].memory_bytes
        assert {use.restarts for use in found.values()} == {0}
        await scheduler.remove(app.id)

        async def nothing():
            return not any(use.app_id == app.id for use in await metrics.measure())

        await until(nothing)

    async def test_a_restart_is_counted(self, metrics, scheduler, objects):
        app, _ = await launched(scheduler, objects, {"short": ("sleep 1; false", 1)})

        async def restarted():
            return any(use.restarts for use in await metrics.measure() if use.app_id == app.id)

        await until(restarted)
        await scheduler.remove(app.id)
