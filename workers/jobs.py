"""A shim a job: Celery's task on one side, a flow function on the other."""

from collections.abc import Awaitable, Callable, Mapping

from celery import Celery

from skypanel.flow import build, provision, reconcile, rollout, watch
from skypanel.ports import Panel
from workers.process import PanelProcess

Job = Callable[[Panel, str], Awaitable[None]]


async def _expire_builds(panel: Panel, _worker: str) -> None:
    await build.expire(panel)


async def _wake(panel: Panel, _worker: str) -> None:
    await build.wake_pending(panel)
    await provision.wake_waiting(panel)


async def _reconcile(panel: Panel, _worker: str) -> None:
    await reconcile.reconcile(panel)


async def _check_nodes(panel: Panel, _worker: str) -> None:
    await watch.check(panel)


# These work on several of their kind side by side: one process is enough, and the others stay free for the rest.
ALONE = frozenset({"build", "rollout", "node"})
JOBS: Mapping[str, Job] = {
    "build": build.work,
    "rollout": rollout.work,
    "node": provision.work,
    "expire_builds": _expire_builds,
    "wake": _wake,
    "reconcile": _reconcile,
    "check_nodes": _check_nodes,
}


def register(app: Celery, process: PanelProcess, jobs: Mapping[str, Job] = JOBS) -> None:
    """Make each job a task of the application, run in a process that holds the panel open."""
    for name, job in jobs.items():
        app.task(name=name)(_task(process, name, job))
    process.connect()


def _task(process: PanelProcess, name: str, job: Job) -> Callable[[], None]:
    def run() -> None:
        if name in ALONE:
            process.run_alone(name, job)
        else:
            process.run(job)

    return run
