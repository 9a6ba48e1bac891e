"""The contract of the port Scheduler. A subclass provides the fixtures `scheduler` and `objects`."""

import asyncio
import signal
from dataclasses import replace
from uuid import uuid4

import pytest

from skypanel.domain.errors import Conflict
from skypanel.domain.manifest import SHOWN_COMMAND, DynoState, Exit, Manifest, OneOff, Window
from skypanel.ports.scheduler import Unready
from tests.fixtures.launcher import make_app, make_manifest, stored_slug
from tests.support.until import until

SERVE = "python3 server.py"
READY_S = 45.0

# Signals 32 and 33 belong to the C library's threads, and no program can set them. It ignores them in processes of posix_spawn, such as
# those of make.
THREADS_OWN = 0b11 << 31


async def ignore(text):
    pass


async def launched(scheduler, objects, commands, **changes):
    """Stage and launch an app's manifest, wait until it is ready, and return app and manifest."""
    app = changes.pop("app", None) or make_app()
    manifest = make_manifest(app, await stored_slug(objects), commands, **changes)
    await scheduler.stage(app, manifest.slug_digest)
    await scheduler.launch(manifest)
    return app, manifest


def keys(dynos):
    return {dyno.key for dyno in dynos if dyno.state is not DynoState.STOPPING}


class SchedulerContract:
    async def test_a_manifests_dynos_run_once_they_are_ready(self, scheduler, objects):
        app, manifest = await launched(scheduler, objects, {"web": (SERVE, 2), "worker": ("sleep 1000", 1), "release": ("true", 0)})
        ready = await scheduler.wait_ready(manifest, READY_S)
        assert [dyno.key for dyno in ready] == list(manifest.dynos())
        assert {dyno.state for dyno in ready} == {DynoState.UP}
        assert keys(await scheduler.dynos(app.id)) == set(manifest.dynos())
        assert len({dyno.endpoint for dyno in ready if dyno.key.process_type == "web"}) == 2
        assert [dyno.endpoint for dyno in ready if dyno.key.process_type == "worker"] == [None]
        await scheduler.remove(app.id)

    async def test_launching_again_starts_only_what_is_missing(self, scheduler, objects):
        app, manifest = await launched(scheduler, objects, {"web": (SERVE, 1)})
        (before,) = await scheduler.wait_ready(manifest, READY_S)
        more = replace(manifest, processes=(replace(manifest.processes[0], quantity=2),))
        await scheduler.launch(more)
        after = await scheduler.wait_ready(more, READY_S)
        assert len(after) == 2
        assert before in after
        await scheduler.remove(app.id)

    async def test_scaling_down_and_up_again_at_once_is_no_crash(self, scheduler, objects):
        app, two = await launched(scheduler, objects, {"web": (SERVE, 2)})
        one = replace(two, processes=(replace(two.processes[0], quantity=1),))
        for manifest in (two, one, two):
            await scheduler.launch(manifest)
            await scheduler.wait_ready(manifest, READY_S)
        assert sum(dyno.restarts for dyno in await scheduler.dynos(app.id)) == 0
        await scheduler.remove(app.id)

    async def test_two_releases_run_beside_each_other_until_the_old_one_retires(self, scheduler, objects):
        app, old = await launched(scheduler, objects, {"web": (SERVE, 1)})
        _, new = await launched(scheduler, objects, {"web": (SERVE, 1)}, app=app, version=2)
        await scheduler.wait_ready(old, READY_S)
        await scheduler.wait_ready(new, READY_S)
        assert keys(await scheduler.dynos(app.id)) == {*old.dynos(), *new.dynos()}
        await scheduler.retire(new)
        assert keys(await scheduler.dynos(app.id)) == set(new.dynos())
        await scheduler.remove(app.id)

    async def test_nothing_is_left_of_an_app_that_is_to_run_nothing(self, scheduler, objects):
        app, manifest = await launched(scheduler, objects, {"web": (SERVE, 1), "worker": ("sleep 1000", 1)})
        await scheduler.wait_ready(manifest, READY_S)
        await scheduler.retire(Manifest.empty(app))
        assert keys(await scheduler.dynos(app.id)) == set()
        await until(lambda: no_dynos(scheduler, app.id))
        await scheduler.remove(app.id)

    async def test_apps_do_not_see_each_other(self, scheduler, objects):
        mine, manifest = await launched(scheduler, objects, {"web": (SERVE, 1)})
        other, _ = await launched(scheduler, objects, {"web": (SERVE, 1)})
        await scheduler.remove(other.id)
        assert keys(await scheduler.dynos(mine.id)) == set(manifest.dynos())
        assert await scheduler.dynos(other.id) == []
        assert set(manifest.dynos()) <= keys(await scheduler.dynos())
        await scheduler.remove(mine.id)

    async def test_a_crash_is_told_at_once(self, scheduler, objects):
        app, manifest = await launched(scheduler, objects, {"web": ("crash", 1)})
        with pytest.raises(Unready) as unready:
            await scheduler.wait_ready(manifest, READY_S)
        assert unready.value.dyno == "web.1"
        assert "before it listened on $PORT" in unready.value.reason
        await scheduler.remove(app.id)

    async def test_a_dyno_that_is_stopped_starts_again_in_its_place(self, scheduler, objects):
        app, manifest = await launched(scheduler, objects, {"web": (SERVE, 2), "worker": ("sleep 1000", 1)})
        before = {dyno.key: dyno for dyno in await scheduler.wait_ready(manifest, READY_S)}
        assert await scheduler.stop(app.id, "web.2") == ["web.2"]
        await until(lambda: started_again(scheduler, before, {"web.2"}))
        after = {dyno.key: dyno for dyno in await scheduler.wait_ready(manifest, READY_S)}
        assert {key for key in before if after[key].since == before[key].since} == {key for key in before if key.name != "web.2"}
        assert {key for key in before if after[key].endpoint == before[key].endpoint} >= {key for key in before if key.name != "web.2"}
        assert await scheduler.stop(app.id, "web") == ["web.1", "web.2"]
        await until(lambda: started_again(scheduler, after, {"web.1", "web.2"}))
        await scheduler.remove(app.id)

    async def test_nothing_is_stopped_where_nothing_has_the_name(self, scheduler, objects):
        app, manifest = await launched(scheduler, objects, {"web": (SERVE, 1)})
        (before,) = await scheduler.wait_ready(manifest, READY_S)
        assert [await scheduler.stop(app.id, name) for name in ("web.2", "worker", "we")] == [[], [], []]
        assert await scheduler.stop(uuid4(), "web.1") == []
        assert (await scheduler.dynos(app.id))[0].since == before.since
        await scheduler.remove(app.id)

    async def test_a_one_off_dyno_runs_to_its_end(self, scheduler, objects):
        app = make_app()
        manifest = make_manifest(app, await stored_slug(objects), {"web": (SERVE, 1)})
        assert (await scheduler.run(manifest, "true", ignore, 10.0, process_type="release")).ok
        assert not (await scheduler.run(manifest, "fail", ignore, 10.0)).ok
        assert await scheduler.dynos(app.id) == []

    async def test_who_is_attached_gives_input_and_has_output_and_the_end(self, scheduler, objects):
        manifest = make_manifest(make_app(), await stored_slug(objects), {})
        one_off = OneOff(1234, "cat; echo $GREETING >&2; exit 7", {"GREETING": "hi"})
        async with scheduler.attach(manifest, one_off) as attached:
            (dyno,) = await scheduler.one_offs(manifest.app_id)
            assert (dyno.key.name, dyno.command) == ("run.1234", one_off.command)
            assert {each.command for each in await scheduler.one_offs()} == {None}
            assert one_off.command not in repr((dyno, one_off))
            assert await scheduler.dynos(manifest.app_id) == []
            await attached.write(b"one\n\0two")
            await attached.end_input()
            # Its two streams have an order of their own each, and none together.
            output = await everything(attached)
            assert (output.replace(b"hi\n", b"", 1), b"hi\n" in output) == (b"one\n\0two", True)
            assert await attached.wait() == Exit(7)
        await until(lambda: no_one_offs(scheduler, manifest.app_id))
        await scheduler.remove(manifest.app_id)

    async def test_a_terminal_has_a_size_that_changes_and_keys_that_interrupt(self, scheduler, objects):
        manifest = make_manifest(make_app(), await stored_slug(objects), {})
        command = "trap 'stty size' WINCH; trap 'echo caught; exit 3' INT; stty size < /dev/tty; while :; do sleep 0.05; done"
        async with scheduler.attach(manifest, OneOff(1234, command, window=Window(81, 25))) as attached:
            output = Collected(attached)
            await until(lambda: output.has(b"25 81"))
            attached.resize(Window(99, 33))
            await until(lambda: output.has(b"33 99"))
            await attached.write(b"\x03")
            await until(lambda: output.has(b"caught"))
            assert await attached.wait() == Exit(3)
            await output.end()
        await scheduler.remove(manifest.app_id)

    async def test_a_command_ignores_no_signal_that_it_was_not_told_to(self, scheduler, objects):
        manifest = make_manifest(make_app(), await stored_slug(objects), {})
        async with scheduler.attach(manifest, OneOff(1234, "grep SigIgn /proc/self/status")) as attached:
            name, ignored = (await everything(attached)).split()
            assert (name, int(ignored, 16) & ~THREADS_OWN) == (b"SigIgn:", 0)
            assert await attached.wait() == Exit(0)
        await scheduler.remove(manifest.app_id)

    async def test_input_at_a_terminal_ends_by_a_key(self, scheduler, objects):
        manifest = make_manifest(make_app(), await stored_slug(objects), {})
        async with scheduler.attach(manifest, OneOff(1234, "cat > /dev/null; echo over", window=Window(80, 24))) as attached:
            await attached.end_input()
            assert b"over" in await everything(attached)
            assert await attached.wait() == Exit(0)
        await scheduler.remove(manifest.app_id)

    async def test_a_signal_reaches_the_command(self, scheduler, objects):
        manifest = make_manifest(make_app(), await stored_slug(objects), {})
        command = "trap 'echo told; exit 4' USR1; echo ready; while :; do sleep 0.05; done"
        async with scheduler.attach(manifest, OneOff(1234, command)) as attached:
            output = Collected(attached)
            await until(lambda: output.has(b"ready"))
            await attached.signal(signal.SIGUSR1)
            assert await attached.wait() == Exit(4)
            await output.end()
        await scheduler.remove(manifest.app_id)

    async def test_who_lets_go_ends_the_one_off_dyno(self, scheduler, objects):
        manifest = make_manifest(make_app(), await stored_slug(objects), {})
        async with scheduler.attach(manifest, OneOff(1234, "sleep 1000")):
            await until(lambda: has_one_offs(scheduler, manifest.app_id))
            with pytest.raises(Conflict):
                await attach_and_wait(scheduler, manifest, OneOff(1234, "true"))
        await until(lambda: no_one_offs(scheduler, manifest.app_id))
        await scheduler.remove(manifest.app_id)

    async def test_a_one_off_dyno_is_stopped_by_its_name_and_by_its_time(self, scheduler, objects):
        manifest = make_manifest(make_app(), await stored_slug(objects), {})
        async with scheduler.attach(manifest, OneOff(1234, "echo ready; exec sleep 1000")) as attached:
            output = Collected(attached)
            await until(lambda: output.has(b"ready"))
            assert await scheduler.stop(manifest.app_id, "run.1234") == ["run.1234"]
            assert not (await attached.wait()).ok
            await output.end()
        async with scheduler.attach(manifest, OneOff(1235, "exec sleep 1000", timeout_s=0.5)) as attached:
            assert "longer than" in (await attached.wait()).reason
        await scheduler.remove(manifest.app_id)

    async def test_a_detached_one_off_dyno_outlives_a_rollout_until_it_is_stopped(self, scheduler, objects):
        app, manifest = await launched(scheduler, objects, {"web": (SERVE, 1)})
        await scheduler.wait_ready(manifest, READY_S)
        await scheduler.detach(manifest, OneOff(1234, f"sleep 1000 # {'long ' * 1000}"))
        await scheduler.retire(Manifest.empty(app))
        assert [dyno.key.name for dyno in await scheduler.one_offs() if dyno.key.app_id == app.id] == ["run.1234"]
        (dyno,) = await scheduler.one_offs(app.id)
        assert dyno.command.startswith("sleep 1000 # long")
        assert len(dyno.command) == SHOWN_COMMAND
        assert await scheduler.stop(app.id, "run.1234") == ["run.1234"]
        await until(lambda: no_one_offs(scheduler, app.id))
        await scheduler.remove(app.id)

    async def test_nothing_runs_of_an_app_that_is_removed_or_was_never_there(self, scheduler, objects):
        app, manifest = await launched(scheduler, objects, {"web": (SERVE, 1)})
        await scheduler.wait_ready(manifest, READY_S)
        await scheduler.remove(app.id)
        await scheduler.remove(app.id)
        await scheduler.remove(uuid4())
        await until(lambda: no_dynos(scheduler, app.id))


async def no_dynos(scheduler, app_id):
    return not await scheduler.dynos(app_id)


async def started_again(scheduler, before, names):
    now = {dyno.key: dyno for dyno in await scheduler.dynos()}
    return all(now[key].state is DynoState.UP and now[key].since > before[key].since for key in before if key.name in names)


async def no_one_offs(scheduler, app_id):
    return not await scheduler.one_offs(app_id)


async def has_one_offs(scheduler, app_id):
    return bool(await scheduler.one_offs(app_id))


async def attach_and_wait(scheduler, manifest, one_off):
    async with scheduler.attach(manifest, one_off) as attached:
        await attached.wait()


async def everything(attached):
    return b"".join([chunk async for chunk in attached.read()])


class Collected:
    """Collects the output of a one-off dyno."""

    def __init__(self, attached):
        self._written = b""
        self._reading = asyncio.create_task(self._read(attached))

    async def _read(self, attached):
        async for chunk in attached.read():
            self._written += chunk

    async def has(self, text):
        return text in self._written

    async def end(self):
        await self._reading


class RestartLoopContract:
    """The contract of every real engine about a dyno that exits again and again."""

    async def test_a_dyno_that_ends_is_crashed_until_its_next_start_and_its_last_lines_are_told(self, scheduler, objects):
        # Docker reads the two streams in turn: lines that appear on both within a moment have no order.
        app, manifest = await launched(scheduler, objects, {"worker": ("echo one; sleep 0.2; echo two >&2; exit 3", 1)})
        key = manifest.dynos()[0]
        await until(lambda: crashed_again(scheduler, app.id))
        told = [line.partition(" ")[2] for line in await scheduler.last_lines(key)]
        assert [line for line in told if " app[" in f" {line}"] == ["app[worker.1]: one", "app[worker.1]: two"]
        assert "skypanel[worker.1]: State changed from starting to up" in told
        assert "skypanel[worker.1]: Process exited with status 3" in told
        await scheduler.remove(app.id)

    async def test_last_lines_are_of_one_release_alone(self, scheduler, objects):
        app, old = await launched(scheduler, objects, {"worker": ("while true; do echo old; sleep 0.05; done", 1)})
        await scheduler.wait_ready(old, READY_S)
        _, new = await launched(scheduler, objects, {"worker": ("echo new; sleep 1000", 1)}, app=app, version=2)
        await scheduler.wait_ready(new, READY_S)
        assert await until(lambda: said(scheduler, new)) == {"new"}
        assert await said(scheduler, old) == {"old"}
        await scheduler.remove(app.id)
        assert await scheduler.last_lines(new.dynos()[0]) == []


async def crashed_again(scheduler, app_id):
    return any(dyno.state is DynoState.CRASHED and dyno.restarts and dyno.reason for dyno in await scheduler.dynos(app_id))


async def said(scheduler, manifest):
    """Return the distinct lines that the app itself printed."""
    lines = await scheduler.last_lines(manifest.dynos()[0])
    return {line.partition(": ")[2] for line in lines if " app[" in line}
