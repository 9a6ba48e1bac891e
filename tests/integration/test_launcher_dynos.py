"""Dynos on a real launcher: what every scheduler does, and how dynos are started, watched and stopped."""

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import pytest

from skypanel.domain.errors import Unavailable
from skypanel.domain.limits import MIB
from skypanel.domain.manifest import DynoState, OneOff, Window
from skypanel.drivers.sandbox.metrics import LauncherMetrics
from skypanel.drivers.sandbox.readiness import answers_http
from skypanel.drivers.sandbox.scheduler import ProcessScheduler
from skypanel.host.listening import SETTLED_S
from skypanel.host.protocol import parse_key
from skypanel.ports.scheduler import Unready
from tests.contracts.metrics import MetricsContract, measured
from tests.contracts.scheduler import (
    READY_S,
    SERVE,
    Collected,
    RestartLoopContract,
    SchedulerContract,
    has_one_offs,
    launched,
    no_dynos,
    no_one_offs,
)
from tests.fakes.objects import FakeObjects
from tests.fixtures.launcher import MODES, SERVER, ClientAs, launcher, make_app, make_manifest, stored_slug
from tests.support.leaks import holdings, returned, settled
from tests.support.until import until

__all__ = ["launcher"]

CANARY = "canary-4b1f6c"
FINISH = """
import signal, sys, time
signal.signal(15, lambda *_: (time.sleep(0.5), print("finished", flush=True), sys.exit()))
print("ready", flush=True)
time.sleep(1000)
"""
IGNORE_SIGTERM = "trap '' TERM; echo ready; while true; do sleep 0.1; done"


@pytest.fixture
def objects():
    return FakeObjects()


@pytest.fixture
def scheduler(launcher, objects):
    return launcher.scheduler(objects)


@pytest.fixture
def metrics(launcher):
    return LauncherMetrics(launcher.client)


class TestProcessScheduler(SchedulerContract, RestartLoopContract):
    pass


class TestLauncherMetrics(MetricsContract):
    async def test_bytes_of_the_network_and_of_a_disk_are_measured(self, launcher, metrics, scheduler, objects):
        write = "head -c 5000000 /dev/zero > /tmp/file; exec python3 server.py"
        app, manifest = await launched(scheduler, objects, {"web": (write, 1)})
        (dyno,) = await scheduler.wait_ready(manifest, READY_S)

        async def served():
            await get(dyno.endpoint)
            return (await measured(metrics, app, "web.1"))["web.1"]

        async def received():
            return (await served()).received_bytes_s > 0

        await until(received)
        use = await served()
        assert use.sent_bytes_s > 0
        assert use.disk_bytes is None or use.disk_bytes > 5_000_000
        assert (use.disk_bytes is None) == (not launcher.root)
        await scheduler.remove(app.id)


async def get(endpoint):
    """Return what a dyno answers."""
    host, port = endpoint.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    body = (await reader.read()).decode().partition("\r\n\r\n")[2]
    writer.close()
    return body


async def one_off(scheduler, manifest, command, timeout_s=60.0, **names):
    lines = []

    async def write(text):
        lines.append(text)

    return await scheduler.run(manifest, command, write, timeout_s, **names), lines


async def only(scheduler, app):
    (dyno,) = await scheduler.dynos(app.id)
    return dyno


class TestEnvironment:
    @pytest.mark.req("R12.4")
    async def test_a_dyno_has_its_name_its_port_and_its_config_vars(self, scheduler, objects, launcher):
        app, manifest = await launched(
            scheduler, objects, {"web": (SERVE, 1)}, config_vars={"GREETING": "a\nb'\"$HOME", "PORT": "1", "9_": "nine"}
        )
        (dyno,) = await scheduler.wait_ready(manifest, READY_S)
        assert await get(dyno.endpoint) == "a\nb'\"$HOME"
        exit_, lines = await one_off(scheduler, manifest, "env; pwd", process_type="release")
        assert exit_.ok
        assert {"DYNO=release.1", "PS=release.1", "HOME=/app", "9_=nine", "/app"} <= set(lines)
        assert [line for line in lines if line.startswith("PORT=")] == ["PORT=5000"]
        await scheduler.remove(app.id)

    async def test_profile_scripts_are_sourced_before_the_command(self, scheduler, objects):
        files = {
            ".profile.d/b.sh": "export GREETING=$GREETING-two",
            ".profile.d/a.sh": "export GREETING=one",
            ".profile": "export LAST=$GREETING",
        }
        manifest = make_manifest(make_app(), await stored_slug(objects, files), {})
        assert (await one_off(scheduler, manifest, "echo $LAST"))[1] == ["one-two"]

    async def test_config_vars_are_nowhere_but_in_the_dyno(self, scheduler, objects, launcher):
        app, manifest = await launched(scheduler, objects, {"web": (SERVE, 1)}, config_vars={"SECRET": CANARY})
        await scheduler.wait_ready(manifest, READY_S)
        assert CANARY not in "".join(command_lines())
        search = await asyncio.create_subprocess_exec("grep", "-rqs", CANARY, str(launcher.base))
        assert await search.wait() == 1
        assert CANARY not in launcher.log(app.id, "web.1")
        await scheduler.remove(app.id)


def command_lines():
    for pid in filter(str.isdigit, (path.name for path in Path("/proc").iterdir())):
        try:
            yield Path("/proc", pid, "cmdline").read_text(errors="replace")
        except OSError:
            continue


class TestDisk:
    async def test_app_is_each_dynos_own_and_new_at_each_start(self, scheduler, objects):
        app, manifest = await launched(
            scheduler, objects, {"worker": ("ls mine 2>/dev/null; touch mine server.py; ls mine; sleep 1000", 2)}
        )
        await scheduler.wait_ready(manifest, READY_S)
        exit_, lines = await one_off(scheduler, manifest, "ls -A; rm server.py")
        assert (exit_.ok, lines) == (True, ["server.py"])
        assert (await one_off(scheduler, manifest, "ls -A"))[1] == ["server.py"]
        await scheduler.remove(app.id)

    async def test_a_dyno_that_fills_its_disk_leaves_room_for_others(self, scheduler, objects):
        manifest = make_manifest(make_app(), await stored_slug(objects), {})
        exit_, _ = await one_off(scheduler, manifest, "head -c 200000000 /dev/zero > big")
        assert exit_.reason == "it wrote more than 64 MiB to disk"

    async def test_a_slug_that_is_broken_or_missing_is_not_staged(self, scheduler, objects):
        app = make_app()
        broken = await objects.add("slugs", chunk(b"no archive"))
        with pytest.raises(Unavailable, match="could not be extracted"):
            await scheduler.stage(app, broken.digest)
        with pytest.raises(Unavailable, match="not in storage"):
            await scheduler.stage(app, "0" * 64)
        await scheduler.stage(app, await stored_slug(objects))

    async def test_retiring_forgets_slugs_that_nothing_runs(self, scheduler, objects, launcher):
        app, old = await launched(scheduler, objects, {"web": (SERVE, 1)})
        new = make_manifest(app, await stored_slug(objects, {"server.py": SERVER, "new": ""}), {"web": (SERVE, 1)}, version=2)
        await scheduler.launch(new)
        await scheduler.wait_ready(new, READY_S)
        await scheduler.retire(new)
        folder = launcher.home / "launcher" / "slugs" / str(app.id)
        await until(lambda: [path.name for path in folder.iterdir()] == [new.slug_digest])
        await scheduler.stage(app, old.slug_digest)
        await scheduler.remove(app.id)
        assert not folder.exists()


async def chunk(body):
    yield body


def lines_of(launcher, app, dyno="worker.1"):
    """Return what the platform said of a dyno."""
    return re.findall(r" skypanel\[\S+\]: (.*)", launcher.log(app.id, dyno))


class TestCrashes:
    async def test_each_state_of_a_dyno_is_told(self, scheduler, objects, launcher):
        app, _ = await launched(scheduler, objects, {"worker": ("exit 3", 1)})
        await until(lambda: "Next start in 2 s" in launcher.log(app.id, "worker.1"))
        told = ["Starting process with command `exit 3`", "State changed from starting to up", "Process exited with status 3"]
        told += ["State changed from up to crashed", "Next start in 1 s", "State changed from crashed to starting"]
        assert lines_of(launcher, app)[:9] == told + told[:3]
        await scheduler.remove(app.id)

    async def test_a_dyno_is_restarted_with_growing_pauses(self, scheduler, objects, launcher):
        app, _ = await launched(scheduler, objects, {"worker": ("echo try; exit 3", 1)})
        await until(lambda: launcher.log(app.id, "worker.1").count("app[worker.1]: try") == 3)
        log = launcher.log(app.id, "worker.1")
        assert "skypanel[worker.1]: Process exited with status 3" in log
        assert re.findall(r"Next start in (\d+) s", log)[:2] == ["1", "2"]
        dyno = await only(scheduler, app)
        assert (dyno.restarts, dyno.reason) == (2, "exited with status 3")
        await scheduler.remove(app.id)

    async def test_who_runs_over_its_memory_is_told(self, scheduler, objects, launcher):
        app, manifest = await launched(scheduler, objects, {"worker": ("python3 -c 'b = [bytes(1000000) for n in range(100000)]'", 1)})
        with pytest.raises(Unready, match=r"was stopped: it used more than 128 MiB of memory\."):
            await crash(scheduler, manifest)
        assert "skypanel[worker.1]: Error R14 (Memory quota exceeded)" in launcher.log(app.id, "worker.1")
        await scheduler.remove(app.id)

    async def test_the_endpoint_stays_over_restarts(self, scheduler, objects):
        app, _ = await launched(scheduler, objects, {"web": (f"sh -c '{SERVE} & sleep 1; kill $!'", 1)})
        before = await until(lambda: endpoint(scheduler, app))
        await until(lambda: restarted(scheduler, app))
        assert (await only(scheduler, app)).endpoint == before
        await scheduler.remove(app.id)


async def crash(scheduler, manifest):
    while True:
        await scheduler.wait_ready(manifest, READY_S)


async def endpoint(scheduler, app):
    return (await only(scheduler, app)).endpoint


async def restarted(scheduler, app):
    return (await only(scheduler, app)).restarts


class TestReadiness:
    async def test_an_app_that_never_listens(self, scheduler, objects):
        app, manifest = await launched(scheduler, objects, {"web": ("sleep 1000", 1)})
        with pytest.raises(Unready) as unready:
            await scheduler.wait_ready(manifest, 1.0)
        assert unready.value.reason == "did not listen on $PORT within 1 s. Bind to 0.0.0.0 and the port in $PORT."
        await scheduler.remove(app.id)

    async def test_an_app_that_listens_elsewhere_is_not_waited_for(self, scheduler, objects):
        commands = {"127.0.0.1": SERVE, "::1": SERVE, "0.0.0.0": f"PORT=8000 {SERVE}", "127.0.0.2": f"PORT=5000 {SERVE}"}
        said = await asyncio.gather(*(not_ready(scheduler, objects, *each) for each in commands.items()))
        own = r"its \$PORT is (2\d{4})\. Bind to 0\.0\.0\.0 and the port in \$PORT\."
        places = (r"127\.0\.0\.1:(2\d{4})", r"\[::1\]:(2\d{4})", r"0\.0\.0\.0:8000", r"127\.0\.0\.2:5000")
        found = [
            re.fullmatch(f"listens on {place}, which the proxy cannot reach: {own}", text) for place, text in zip(places, said, strict=True)
        ]
        assert all(found), said
        assert [len(set(match.groups())) for match in found] == [1] * 4

    async def test_an_app_that_boots_beside_what_listens_already_is_waited_for(self, scheduler, objects):
        work = f"until (( $(date +%s) > began + {SETTLED_S * 2:.0f} )); do :; done"
        command = f"(PORT=6000 exec {SERVE}) & began=$(date +%s); {work}; ADDRESS=0.0.0.0 exec {SERVE}"
        app, manifest = await launched(scheduler, objects, {"web": (command, 1)}, config_vars={"ADDRESS": "127.0.0.1"})
        await scheduler.wait_ready(manifest, READY_S)
        await scheduler.remove(app.id)

    # Without control groups the launcher looks at processes all the time.
    @pytest.mark.parametrize("launcher", [mode for mode in MODES if mode == "root"], indirect=True)
    async def test_a_list_of_dynos_is_no_look_into_them(self, scheduler, objects, launcher):
        app, manifest = await launched(scheduler, objects, {"web": (SERVE, 2), "worker": ("sleep 1000", 1)})
        await scheduler.wait_ready(manifest, READY_S)
        times = 200
        before = files_read(launcher)
        for _ in range(times):
            await scheduler.dynos()
        assert files_read(launcher) - before < times
        await scheduler.remove(app.id)

    async def test_an_app_that_speaks_no_http(self, scheduler, objects):
        silent = 'import os,socket,time; s=socket.create_server(("0.0.0.0",int(os.environ["PORT"]))); time.sleep(1000)'
        app, manifest = await launched(scheduler, objects, {"web": (f"python3 -c '{silent}'", 1)})
        with pytest.raises(Unready, match="did not answer an HTTP request") as late:
            await scheduler.wait_ready(manifest, 3.0)
        assert late.value.line == "Error R10 (Boot timeout) -> Web process failed to bind to $PORT within 3 seconds of launch"
        await scheduler.remove(app.id)

    async def test_a_worker_that_ends_at_once(self, scheduler, objects):
        app, manifest = await launched(scheduler, objects, {"worker": ("true", 1)})
        with pytest.raises(Unready, match=r"exited with status 0 right after its start\."):
            await scheduler.wait_ready(manifest, READY_S)
        await scheduler.remove(app.id)

    async def test_only_web_dynos_that_are_waited_for_are_looked_into(self, objects, launcher):
        asked = []
        scheduler = ProcessScheduler(Listening(launcher, asked), objects)
        app, manifest = await launched(scheduler, objects, {"web": (SERVE, 2), "worker": ("sleep 1000", 1)})
        await scheduler.wait_ready(manifest, READY_S)
        looked = [parse_key(key) for message in asked if message["do"] == "look" for key in message["keys"]]
        assert {key.name for key in looked} == {"web.1", "web.2"}
        asked.clear()
        await scheduler.dynos()
        await scheduler.one_offs()
        assert {message["do"] for message in asked} == {"list"}
        await scheduler.remove(app.id)


class Listening(ClientAs):
    """Keeps what is asked of a launcher."""

    def __init__(self, launcher, asked):
        super().__init__(launcher.socket, launcher.panel_uid)
        self._asked = asked

    async def ask(self, message, *arguments):
        self._asked.append(message)
        return await super().ask(message, *arguments)


async def not_ready(scheduler, objects, address, command):
    """Return why a web dyno does not become ready."""
    app, manifest = await launched(scheduler, objects, {"web": (command, 1)}, config_vars={"ADDRESS": address})
    with pytest.raises(Unready) as unready:
        await scheduler.wait_ready(manifest, 2 * READY_S)
    await scheduler.remove(app.id)
    return unready.value.reason


def files_read(launcher):
    """Return how often the launcher has read from a file (proc(5), /proc/PID/io); what comes by sockets is not counted."""
    return int(re.search(r"^syscr: (\d+)$", Path("/proc", str(launcher.pid), "io").read_text(), re.MULTILINE)[1])


class TestStopping:
    async def test_every_process_is_told_and_may_finish(self, scheduler, objects, launcher):
        app, manifest = await launched(scheduler, objects, {"worker": (f"python3 -c '{FINISH}'; echo after", 1)})
        await until(lambda: "app[worker.1]: ready" in launcher.log(app.id, "worker.1"))
        await scheduler.retire(replace(manifest, processes=()))
        assert (await only(scheduler, app)).state is DynoState.STOPPING
        await until(lambda: no_dynos(scheduler, app.id))
        log = launcher.log(app.id, "worker.1")
        assert "app[worker.1]: finished" in log
        assert "Stopping all processes with SIGTERM" in log
        assert "SIGKILL" not in log

    async def test_who_ignores_sigterm_is_killed_after_the_grace(self, objects, launcher):
        scheduler = launcher.scheduler(objects, stop_grace_s=0.5)
        app, manifest = await launched(scheduler, objects, {"worker": (IGNORE_SIGTERM, 1)})
        await until(lambda: "app[worker.1]: ready" in launcher.log(app.id, "worker.1"))
        await scheduler.retire(replace(manifest, processes=()))
        await until(lambda: no_dynos(scheduler, app.id))
        assert [line for line in lines_of(launcher, app) if "SIG" in line] == [
            "Stopping all processes with SIGTERM",
            "Error R12 (Exit timeout) -> At least one process failed to exit within 0.5 seconds of SIGTERM",
            "Stopping remaining processes with SIGKILL",
        ]

    async def test_removing_does_not_wait_for_the_grace(self, objects, launcher):
        scheduler = launcher.scheduler(objects, stop_grace_s=600)
        app, manifest = await launched(scheduler, objects, {"worker": (IGNORE_SIGTERM, 1)})
        await scheduler.wait_ready(manifest, READY_S)
        await scheduler.retire(replace(manifest, processes=()))
        await scheduler.launch(manifest)
        await scheduler.remove(app.id)
        assert await scheduler.dynos(app.id) == []

    async def test_a_dyno_that_is_wanted_again_while_it_stops_comes_back(self, objects, launcher):
        scheduler = launcher.scheduler(objects, stop_grace_s=1.0)
        app, manifest = await launched(scheduler, objects, {"worker": (IGNORE_SIGTERM, 1)})
        await scheduler.wait_ready(manifest, READY_S)
        await scheduler.retire(replace(manifest, processes=()))
        await scheduler.launch(manifest)
        await until(lambda: launcher.log(app.id, "worker.1").count("Starting process") == 2)
        await scheduler.wait_ready(manifest, READY_S)
        await scheduler.remove(app.id)

    async def test_a_dyno_that_is_renewed_may_finish_and_starts_again_at_once(self, scheduler, objects, launcher):
        app, manifest = await launched(scheduler, objects, {"worker": (f"python3 -c '{FINISH}'", 1)})
        await until(lambda: "app[worker.1]: ready" in launcher.log(app.id, "worker.1"))
        await scheduler.stop(app.id, "worker.1")
        await until(lambda: launcher.log(app.id, "worker.1").count("app[worker.1]: ready") == 2)
        log = launcher.log(app.id, "worker.1")
        assert "app[worker.1]: finished" in log
        assert "crashed" not in log
        assert "State changed from up to starting" in log
        assert (await only(scheduler, app)).restarts == 0
        await scheduler.retire(replace(manifest, processes=()))
        await until(lambda: no_dynos(scheduler, app.id))

    async def test_who_ignores_sigterm_is_killed_and_starts_again(self, objects, launcher):
        scheduler = launcher.scheduler(objects, stop_grace_s=0.5)
        app, _ = await launched(scheduler, objects, {"worker": (IGNORE_SIGTERM, 1)})
        await until(lambda: "app[worker.1]: ready" in launcher.log(app.id, "worker.1"))
        await scheduler.stop(app.id, "worker.1")
        await until(lambda: launcher.log(app.id, "worker.1").count("app[worker.1]: ready") == 2)
        assert "SIGKILL" in launcher.log(app.id, "worker.1")
        await scheduler.remove(app.id)

    async def test_a_crashed_dyno_that_is_stopped_waits_no_longer(self, scheduler, objects, launcher):
        app, _ = await launched(scheduler, objects, {"worker": ("exit 3", 1)})
        await until(lambda: "Next start in 4 s" in launcher.log(app.id, "worker.1"))
        await scheduler.stop(app.id, "worker.1")
        assert (await only(scheduler, app)).state in {DynoState.STARTING, DynoState.UP}
        await until(lambda: launcher.log(app.id, "worker.1").count("Starting process") == 4)
        await scheduler.remove(app.id)

    async def test_an_app_that_comes_and_goes_leaves_nothing(self, scheduler, objects, launcher):
        before = await settled(launcher)
        app, manifest = await launched(scheduler, objects, {"web": (SERVE, 2), "worker": ("sleep 1000", 1)})
        await scheduler.wait_ready(manifest, READY_S)
        assert holdings(launcher) != before
        await scheduler.remove(app.id)
        await returned(launcher, before)
        assert list(launcher.home.rglob(f"*{app.id}*")) == []


class TestOneOff:
    async def test_it_ends_at_its_time(self, scheduler, objects):
        manifest = make_manifest(make_app(), await stored_slug(objects), {})
        exit_, lines = await one_off(scheduler, manifest, "echo on; sleep 100", 1.0)
        assert (exit_.reason, lines) == ("it ran longer than 1 second", ["on"])

    async def test_it_has_the_limits_of_the_plan(self, scheduler, objects):
        manifest = make_manifest(make_app(), await stored_slug(objects), {})
        assert manifest.limits.memory_bytes == 128 * MIB
        exit_, _ = await one_off(scheduler, manifest, "python3 -c 'b = [bytes(1000000) for n in range(100000)]'")
        assert exit_.reason == "it used more than 128 MiB of memory"


class TestAttached:
    @pytest.mark.parametrize("window", [None, Window(80, 24)], ids=["pipes", "terminal"])
    async def test_nothing_is_left_of_one_whose_client_vanishes(self, scheduler, objects, launcher, window):
        app = make_app()
        manifest = make_manifest(app, await stored_slug(objects), {})
        await scheduler.stage(app, manifest.slug_digest)
        before = await settled(launcher)
        async with scheduler.attach(manifest, OneOff(1234, f"trap '' TERM HUP INT; {SERVE} & sleep 1000", window=window)) as attached:
            await until(lambda: has_one_offs(scheduler, manifest.app_id))
            assert attached
        await returned(launcher, before)
        await scheduler.remove(manifest.app_id)

    async def test_it_is_a_sandbox_as_any_dyno_is(self, scheduler, objects, launcher):
        manifest = make_manifest(make_app(), await stored_slug(objects), {}, config_vars={"SECRET": CANARY})
        command = "echo as $(id -u); echo $DYNO $SECRET $EXTRA; grep CapEff /proc/1/status; ls /home /root 2>&1 | wc -l; exec sleep 1000"
        async with scheduler.attach(manifest, OneOff(1234, command, {"EXTRA": "more"}, Window(80, 24))) as attached:
            output = Collected(attached)
            await until(lambda: output.has(b"CapEff"))
            assert await output.has(f"run.1234 {CANARY} more".encode())
            assert await output.has(b"CapEff:\t0000000000000000")
            assert not await output.has(b"as 0\r\n") or not launcher.root
            assert CANARY not in "".join(command_lines())
        assert CANARY not in launcher.log(manifest.app_id, "run.1234")
        await scheduler.remove(manifest.app_id)

    async def test_it_has_the_limits_of_the_plan(self, scheduler, objects):
        manifest = make_manifest(make_app(), await stored_slug(objects), {})
        async with scheduler.attach(manifest, OneOff(1234, "python3 -c 'b = [bytes(1000000) for n in range(100000)]'")) as attached:
            assert (await attached.wait()).reason == "it used more than 128 MiB of memory"
        await scheduler.remove(manifest.app_id)

    async def test_a_detached_one_writes_to_the_log_and_ends_once(self, scheduler, objects, launcher):
        manifest = make_manifest(make_app(), await stored_slug(objects), {})
        await scheduler.detach(manifest, OneOff(1234, "echo once; exit 3"))
        await until(lambda: no_one_offs(scheduler, manifest.app_id))
        log = launcher.log(manifest.app_id, "run.1234")
        assert log.count("app[run.1234]: once") == 1
        assert "Process exited with status 3" in log
        await scheduler.remove(manifest.app_id)


class TestNetwork:
    async def test_a_dyno_is_reached_by_the_host_and_not_by_other_dynos(self, scheduler, objects):
        app, manifest = await launched(scheduler, objects, {"web": (SERVE, 1)})
        (dyno,) = await scheduler.wait_ready(manifest, READY_S)
        assert await answers_http(dyno.endpoint)
        host, port = dyno.endpoint.split(":")
        other = make_manifest(make_app(), await stored_slug(objects), {})
        exit_, _ = await one_off(scheduler, other, f"timeout 2 bash -c 'exec 3<>/dev/tcp/{host}/{port}'")
        assert not exit_.ok
        await scheduler.remove(app.id)
