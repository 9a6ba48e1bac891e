import asyncio
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from celery import Celery

from skypanel.drivers.celery import CeleryQueue
from skypanel.ports.queue import BILLING, PERIODIC, Job
from tests.support.until import until
from workers import schedule
from workers.process import SHUTDOWN_GRACE_S

ROOT = Path(__file__).parents[2]
MOST_KIB = 20 * 1024


@dataclass
class Worker:
    process: asyncio.subprocess.Process
    journal: Path
    log: Path

    def notes(self, word):
        """Return what was noted after `word`, each time."""
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        return [line.partition(" ")[2] for line in lines if line.split()[0] == word]


@pytest.fixture
async def start(valkey, tmp_path):
    started = []

    async def start(*options):
        journal, log = tmp_path / "journal", tmp_path / "log"
        environment = os.environ | {"QUEUE_URL": valkey.broker_url, "JOURNAL": str(journal), "PYTHONPATH": str(ROOT)}
        argv = [sys.executable, "-m", "tests.support.worker_under_test", "--name", "test", *options]
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(*argv, env=environment, cwd=tmp_path, stdout=output, stderr=output)
        worker = Worker(process, journal, log)
        opened = len(worker.notes("opened"))
        started.append(process)
        await until(lambda: len(worker.notes("opened")) == opened + len(options) // 2)
        return worker

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.fixture
async def queue(valkey):
    queue = CeleryQueue(valkey.broker_url)
    yield queue
    await queue.close()


def children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def resident_kib(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def cmdline(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def gone(pid):
    """Whether a process has ended, be it waited for or not (proc_pid_stat(5))."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.req("R20.1")
async def test_a_wake_up_runs_its_job_in_the_loop_its_panel_was_opened_in(start, queue):
    worker = await start("--deploys", "builds")
    await queue.wake(Job.BUILD)
    [built] = await until(lambda: worker.notes("built"))
    assert built.startswith("True ")
    worker.process.terminate()
    assert await worker.process.wait() == 0
    assert sorted(worker.notes("closed")) == sorted(worker.notes("opened"))


async def test_each_worker_has_its_own_queues(start, queue):
    worker = await start("--deploys", "rollouts")
    await queue.wake(Job.BUILD)
    await queue.wake(Job.ROLLOUT)
    await until(lambda: worker.notes("begun"))
    assert not worker.notes("built")


async def test_a_job_that_fails_is_logged_with_its_trace_and_ends_nothing(start, valkey):
    worker = await start("--deploys", "builds", "--schedule", "periodic")
    await send(valkey, "reconcile", "periodic")
    await until(lambda: "a fault of its own" in worker.log.read_text())
    assert 'raise ZeroDivisionError("a fault of its own")' in worker.log.read_text()
    await send(valkey, "build", "builds")
    await until(lambda: worker.notes("built"))
    assert len(worker.notes("opened")) == 2


async def send(valkey, name, queue):
    with Celery(broker=valkey.broker_url, set_as_current=False) as app:
        await asyncio.to_thread(app.send_task, name, queue=queue, ignore_result=True)


async def test_the_schedule_goes_on_after_valkey_came_back_empty(start, valkey, queue):
    worker = await start("--deploys", "builds", "--schedule", "periodic")
    await until(lambda: len(worker.notes("woken")) > 3)
    for _ in range(2):
        valkey.stop()
        valkey.start()
        count = len(worker.notes("woken"))
        await until(lambda count=count: len(worker.notes("woken")) > count + 3, within_s=90)
    await queue.wake(Job.BUILD)
    await until(lambda: worker.notes("built"))
    assert worker.process.returncode is None


@pytest.mark.req("R20.3")
async def test_billing_is_due_at_the_start_of_the_schedule_and_taken_from_a_queue_of_its_own(start, tmp_path):
    worker = await start("--schedule", "periodic")
    await until(lambda: worker.notes("woken"))
    assert not worker.notes("billed")
    # It keeps nothing on disk: what was due while nothing ran is due now.
    assert not list(tmp_path.glob("celerybeat*"))
    await start("--deploys", "billing")
    await until(lambda: worker.notes("billed"))


async def test_a_shutdown_cancels_a_job_after_its_grace_and_lets_it_clean_up(start, queue):
    worker = await start("--deploys", "rollouts")
    await queue.wake(Job.ROLLOUT)
    [pid] = await until(lambda: worker.notes("begun"))
    before = time.monotonic()
    worker.process.terminate()
    async with asyncio.timeout(SHUTDOWN_GRACE_S + 5):
        await worker.process.wait()
    assert time.monotonic() - before >= SHUTDOWN_GRACE_S
    assert worker.notes("cancelled") == [pid]
    assert "was cancelled, as the worker shuts down" in worker.log.read_text()
    assert worker.process.returncode == 0


async def test_a_job_goes_on_in_the_next_process_if_one_of_the_pool_is_killed(start, queue):
    worker = await start("--deploys", "rollouts")
    await queue.wake(Job.ROLLOUT)
    [pid] = await until(lambda: worker.notes("begun"))
    os.kill(int(pid), signal.SIGKILL)
    await until(lambda: len(worker.notes("opened")) == 2)
    await queue.wake(Job.ROLLOUT)
    await until(lambda: len(worker.notes("begun")) == 2)


async def test_a_process_is_started_anew_beside_the_other_and_both_end_when_they_are_told(start, queue):
    worker = await start("--deploys", "rollouts", "--schedule", "periodic")
    await queue.wake(Job.ROLLOUT)
    [pid] = await until(lambda: worker.notes("begun"))
    scheduling = next(other for other in worker.notes("opened") if other != pid)
    os.kill(int(scheduling), signal.SIGKILL)
    await until(lambda: len(worker.notes("opened")) == 3)
    # It works, too.
    await until(lambda: worker.notes("opened")[-1] in worker.notes("woken"))
    assert pid in children(worker.process.pid)
    assert not worker.notes("cancelled")
    worker.process.terminate()
    async with asyncio.timeout(SHUTDOWN_GRACE_S + 10):
        assert await worker.process.wait() == 0
    assert worker.notes("cancelled") == [pid]
    assert len(worker.notes("closed")) == 2


async def test_the_parent_of_the_processes_has_next_to_nothing_in_memory(start):
    worker = await start("--deploys", "rollouts", "--schedule", "periodic")
    words = await until(lambda: b"workers.keeper" in (line := cmdline(worker.process.pid)) and line)
    assert b"--schedule\0periodic" in words
    assert resident_kib(worker.process.pid) < MOST_KIB


async def test_deploys_have_a_process_that_nothing_periodic_takes(start, queue):
    worker = await start("--deploys", "rollouts,builds", "--schedule", "periodic")
    for _ in range(4):
        await queue.wake(Job.ROLLOUT)
    await until(lambda: worker.notes("begun"))
    seen = len(worker.notes("woken"))
    await until(lambda: len(worker.notes("woken")) >= seen + 3)
    assert len(worker.notes("begun")) == 1
    assert len({*worker.notes("woken"), *worker.notes("begun")}) == 2
    # Nor does one deploy wait for another's end.
    await queue.wake(Job.BUILD)
    await until(lambda: worker.notes("built"))


@pytest.mark.parametrize("name", schedule.EVERY_S)
def test_all_that_is_periodic_is_taken_from_queues_of_its_own(name):
    queue = schedule.OPTIONS["beat_schedule"][name]["options"]["queue"]
    assert queue in {PERIODIC, BILLING}
    assert queue not in {job.value for job in Job}


async def test_a_periodic_job_never_runs_twice_at_once(start, valkey, tmp_path):
    (tmp_path / "busy").touch()
    worker = await start("--schedule", "periodic")
    await until(lambda: worker.notes("tending"))
    for _ in range(3):
        await send(valkey, "remove_orphans", "periodic")
    seen = len(worker.notes("woken"))
    await until(lambda: len(worker.notes("woken")) >= seen + 3)
    assert len(worker.notes("tending")) == 1
    (tmp_path / "busy").unlink()
    # Once more for all who asked meanwhile: they may have asked for what the first had passed already.
    await until(lambda: len(worker.notes("tended")) == 2)
    assert len(worker.notes("tending")) == 2


async def test_nothing_is_left_of_a_worker_that_is_killed(start, queue):
    worker = await start("--deploys", "rollouts", "--schedule", "periodic")
    forked = children(worker.process.pid)
    assert len(forked) == 2
    await queue.wake(Job.ROLLOUT)
    await until(lambda: worker.notes("begun"))
    worker.process.kill()
    await worker.process.wait()
    await until(lambda: all(gone(pid) for pid in forked))


async def test_the_health_check_reaches_a_worker_that_works(start, queue, valkey):
    worker = await start("--deploys", "rollouts")
    await queue.wake(Job.ROLLOUT)
    await until(lambda: worker.notes("begun"))
    with Celery(broker=valkey.broker_url, set_as_current=False) as app:
        assert await asyncio.to_thread(app.control.ping, timeout=1.0)
