"""The panel's own programs are forked off supervisord, and are processes of their own in all but memory."""

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from skypanel.embedded import health, home, processes
from skypanel.embedded.children import log_path
from skypanel.embedded.processes import STORAGE, Program
from tests.support.supervised import home_with, is_gone, started, states, until, user_of

FORKED = ("receiver", "web", "worker", "schedule")
PARTS = [part for part in health.SERVICES if part.name in {*FORKED, "valkey"}]
BROKEN = Program("broken", STORAGE, (sys.executable, "-m", "workers.part", "nothing"))
NET_BIND_SERVICE = 1 << 10
MOST_OWN = 0.5


@pytest.fixture
def settings():
    """A home whose database is never started: they do without."""
    with home_with(*FORKED, "valkey", also=[BROKEN]) as made:
        yield made


async def all_answer(settings):
    for part in PARTS:
        await until(lambda part=part: part.answers(settings))


async def pids(settings):
    now = await states(settings)
    return {name: now[name].pid for name in FORKED}


def status(pid, field):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith(f"{field}:"))


def kib(pid, field):
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def about(pid, file):
    return Path(f"/proc/{pid}/{file}").read_bytes().split(b"\0")


async def test_each_is_a_process_of_its_own(settings):
    async with started(settings) as supervisord:
        await all_answer(settings)
        for name, pid in (await pids(settings)).items():
            assert int(status(pid, "PPid")) == supervisord.process.pid
            assert os.getpgid(pid) == pid
            assert user_of(pid) == settings.panel_uid
            assert about(pid, "cmdline")[0] == f"skypanel: {name}".encode()
            assert f"SKYPANEL_HOME={settings.home}".encode() in about(pid, "environ")
            assert int(status(pid, "CapEff"), 16) == 0
        assert "worker@" in log_path(settings.home, "worker").read_text()
        assert "worker-schedule@" in log_path(settings.home, "schedule").read_text()


async def test_what_they_have_in_common_is_in_memory_once(settings):
    async with started(settings):
        await all_answer(settings)
        own = {name: kib(pid, "Private_Dirty") / kib(pid, "Rss") for name, pid in (await pids(settings)).items()}
    assert max(own.values()) < MOST_OWN, own


async def test_each_comes_back_after_a_kill_and_the_others_go_on(settings):
    async with started(settings):
        await all_answer(settings)
        for name in FORKED:
            before = await pids(settings)
            os.kill(before[name], signal.SIGKILL)

            async def is_back(name=name, before=before):
                return (await states(settings))[name].pid not in {0, before[name]}

            await until(is_back)
            await all_answer(settings)
            assert {other: pid for other, pid in (await pids(settings)).items() if other != name} == {
                other: pid for other, pid in before.items() if other != name
            }


async def test_none_is_left_when_supervisord_is_killed(settings):
    async with started(settings) as supervisord:
        await all_answer(settings)
        forked = await pids(settings)
        os.kill(supervisord.process.pid, signal.SIGKILL)
        await until(lambda: asyncio.to_thread(lambda: all(map(is_gone, forked.values()))))
    async with started(settings):
        await all_answer(settings)


async def test_each_ends_by_itself_when_it_is_told_to(settings):
    async with started(settings):
        await all_answer(settings)
    log = log_path(settings.home, "supervisord").read_text()
    for name in FORKED:
        assert f"stopped: {name} (exit status 0)" in log
        assert "Traceback" not in log_path(settings.home, name).read_text().partition("Shutdown")[2]


async def test_one_that_fails_says_why_in_its_log_and_takes_none_along(settings):
    log = log_path(settings.home, BROKEN.name)
    async with started(settings):
        await all_answer(settings)
        await until(lambda: asyncio.to_thread(lambda: "KeyError: 'nothing'" in log.read_text()))
        assert (await states(settings))[BROKEN.name].state in {"STARTING", "BACKOFF"}


async def test_what_none_can_start_without_ends_each_and_neither_supervisord_nor_the_storage(settings):
    (settings.home / "panel.json").unlink()
    logs = [log_path(settings.home, name) for name in FORKED]
    async with started(settings) as supervisord:
        await until(lambda: asyncio.to_thread(lambda: all(log.exists() and "NotFound" in log.read_text() for log in logs)))
        assert (await states(settings))["valkey"].state in {"STARTING", "RUNNING"}
        assert supervisord.is_running


async def test_low_ports_are_for_those_alone_who_listen_on_public_ports(settings):
    assert os.geteuid() == 0, "Only root can hand the right on: run the tests as root."
    low = replace(settings, http_port=80)
    async with started(low):
        await all_answer(settings)
        may_bind = {name for name, pid in (await pids(settings)).items() if int(status(pid, "CapEff"), 16) & NET_BIND_SERVICE}
        assert may_bind == {"receiver", "web"}
        for name, pid in (await pids(settings)).items():
            sets = {field: int(status(pid, field), 16) for field in ("CapPrm", "CapEff", "CapInh", "CapAmb")}
            assert set(sets.values()) == ({NET_BIND_SERVICE} if name in may_bind else {0})


def test_no_thread_and_no_descriptor_is_there_before_the_fork(settings):
    code = """
import os, threading
from skypanel.embedded import forked, processes
from skypanel.settings.sources import load
argvs = [each.argv for each in processes.programs(load(os.environ), processes.installed()) if each.is_own]
before = sorted(os.listdir("/proc/self/fd"))
forked.preload(argvs)
assert threading.enumerate() == [threading.main_thread()]
assert len(os.listdir("/proc/self/task")) == 1
assert sorted(os.listdir("/proc/self/fd")) == before
"""
    environ = home.service_environment(settings.home, os.environ)
    done = subprocess.run((processes.installed().python, "-c", code), env=environ, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
