"""A whole panel on Docker Swarm, driven as a user drives it: the same push as on the embedded engine."""

from collections.abc import Iterator

import pytest

from skypanel.domain.stack import StackImage
from tests.fixtures.docker import Docker, swarm_of_the_module
from tests.journeys.contract_front_door import FrontDoorContract, old, site
from tests.journeys.contract_heroku import HerokuContract
from tests.journeys.contract_samples import SamplesContract, mirror
from tests.journeys.harness import Answer, PanelUnderTest, new_panel, wait_for
from tests.journeys.heroku_cli import hello, heroku, program
from tests.support.stack_images import stack_image

__all__ = ["hello", "heroku", "mirror", "old", "program", "site", "swarm_of_the_module"]


@pytest.fixture(scope="module")
def front(swarm) -> Iterator[PanelUnderTest]:
    for image in StackImage:
        stack_image(swarm.url, image)
    # As the docker group is on a machine of one's own, where the panel's user is in it.
    swarm.socket.chmod(0o666)
    for folder in (swarm.bridge.base, swarm.socket.parent):
        folder.chmod(0o711)
    with new_panel() as made:
        made.variables = {"SKYPANEL_ENGINE": "swarm", "SKYPANEL_DOCKER_HOST": swarm.url, "SKYPANEL_INGRESS_HOST": swarm.address}
        yield made.up()


def services(docker: Docker) -> dict[str, int]:
    found = docker.client.api.services(filters={"label": ["skypanel.app"]})
    return {each["Spec"]["Labels"]["skypanel.process-type"]: each["Spec"]["Mode"]["Replicated"]["Replicas"] for each in found}


@pytest.mark.req("R6.4")
@pytest.mark.req("R6.5")
@pytest.mark.req("R14.2")
@pytest.mark.req("R15.2")
def test_an_app_is_pushed_scaled_configured_rolled_back_and_destroyed(front, swarm):
    repository = front.repository("python-plain")
    shown = repository.push("whole")
    assert "Released v1" in shown
    assert front.get("whole") == Answer(200, "Hello from SkyPanel\n")
    assert front.get("whole", "/env?key=DYNO").body.strip() == "web.1"
    assert services(swarm) == {"web": 1}
    front.cli("scale", "whole", "web=2")
    assert services(swarm) == {"web": 2}
    assert sum(" up " in line for line in front.cli("ps", "whole").stdout.splitlines()) == 2
    front.cli("config", "whole", "--set", "GREETING=hi")
    assert front.get("whole", "/env?key=GREETING").body.strip() == "hi"
    repository.edit("app.py", "Hello from SkyPanel", "second")
    repository.commit("Second")
    repository.push("whole")
    assert front.get("whole").body == "second\n"
    front.cli("rollback", "whole", "v1")
    assert front.get("whole").body == "Hello from SkyPanel\n"
    front.cli("health", "whole", "--path", "/", "--interval", "5")
    assert "/ every 5 s" in front.cli("health", "whole").stdout
    wait_for("what is checked", lambda: "web.1: Checks the health at / every 5 s" in front.cli("health", "whole").stdout)
    wait_for("the health check in the log", lambda: "Checks the health at / every 5 s" in front.cli("logs", "whole").stdout)
    # Of the releases that are gone, Docker has no lines any more.
    wait_for("the lines of what is gone", lambda: "Stopping all" in front.cli("logs", "whole", "--dyno", "web.2").stdout)
    front.cli("destroy", "whole", "--confirm", "whole")
    assert services(swarm) == {}
    assert swarm.client.api.secrets() == []


def test_a_release_that_does_not_start_leaves_the_old_one_serving(front):
    repository = front.repository("python-plain")
    repository.push("steady")
    repository.write("Procfile", "web: exit 7\n")
    repository.commit("Broken")
    shown = repository.push("steady", check=False)
    assert "web.1 of v2 exited with status 7 before it listened on $PORT." in shown
    assert front.get("steady") == Answer(200, "Hello from SkyPanel\n")
    # A small machine has room for a few dynos.
    front.cli("destroy", "steady", "--confirm", "steady")


def test_a_service_that_was_removed_by_hand_comes_back(front, swarm):
    front.repository("python-plain").push("mended")
    found = swarm.client.api.services(filters={"label": ["skypanel.app"]})
    service = max(found, key=lambda each: each["CreatedAt"])
    swarm.client.api.remove_service(service["ID"])
    wait_for("the service", lambda: service["ID"] not in {each["ID"] for each in swarm.client.api.services()}, 60)
    wait_for("the page", lambda: front.answers("mended"), 120)
    front.cli("destroy", "mended", "--confirm", "mended")


class TestSamples(SamplesContract):
    pass


class TestHeroku(HerokuContract):
    pass


class TestFrontDoor(FrontDoorContract):
    # A connection to a dyno that is gone takes its 3 s, and another dyno starts after 2 s.
    crash_codes = ("H10", "H13", "H19", "H20", "H21")
