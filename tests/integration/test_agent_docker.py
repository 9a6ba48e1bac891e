"""The agent at a real daemon."""

import pytest

from skypanel.drivers.swarm.spec import APP, PROCESS_TYPE
from tests.support.small_image import small_image
from tests.support.until import until
from workers.agent import dynos
from workers.agent.docker import Docker

LABELS = {APP: "00000000-0000-0000-0000-000000000001", PROCESS_TYPE: "web", dynos.TASK: "app-web.2.abc"}
# Ends by SIGTERM alone, and says so.
POLITE = ["sh", "-c", "trap 'echo told; exit 3' TERM; trap 'echo asked' USR1; echo ready; while :; do sleep 0.1; done"]


@pytest.fixture
def agent(swarm):
    return Docker(swarm.url)


@pytest.fixture
def run(swarm):
    """Run a container; all are removed at the end."""
    made = []

    def run(argv=POLITE, labels=LABELS, **options):
        made.append(swarm.client.containers.run(small_image(swarm.client), argv, labels=labels, detach=True, **options))
        return made[-1]

    yield run
    for container in made:
        container.remove(force=True)


def ready(container):
    return b"ready" in container.logs()


async def test_a_dyno_is_told_to_stop_by_sigterm(agent, run):
    container = run()
    await until(lambda: ready(container))
    dynos.stop(agent, container.id)
    assert container.wait()["StatusCode"] == 3
    assert b"told" in container.logs()
    dynos.stop(agent, container.id)  # that it has ended is no error


@pytest.mark.parametrize("labels", [{}, {APP: LABELS[APP]}, {PROCESS_TYPE: "web", dynos.TASK: "app-web.2.abc"}])
async def test_what_is_no_dyno_goes_on(agent, run, labels):
    container = run(labels=labels)
    await until(lambda: ready(container))
    dynos.stop(agent, container.id)
    dynos.stop(agent, "f" * 64)
    dynos.stop(agent, f"../containers/{container.id}")
    container.kill("USR1")
    await until(lambda: b"asked" in container.logs())
    assert b"told" not in container.logs()
