"""The same ways to a new release, by a panel on Docker Swarm with a daemon of its own."""

from functools import cached_property

from skypanel.domain.stack import StackImage
from tests.bench import deploys
from tests.bench.figures import Figure
from tests.bench.stage import Stage
from tests.fixtures.docker import running_docker
from tests.journeys.harness import PanelUnderTest, new_panel
from tests.support.stack_images import stack_image


class SwarmStage(Stage):
    """A panel whose apps run on a Swarm."""

    @cached_property
    def panel(self) -> PanelUnderTest:
        docker = self.enter_context(running_docker())
        for image in StackImage:
            stack_image(docker.url, image)
        # As the docker group is on a machine of one's own, where the panel's user is in it.
        docker.socket.chmod(0o666)
        for folder in (docker.bridge.base, docker.socket.parent):
            folder.chmod(0o711)
        panel = self.enter_context(new_panel())
        panel.variables = {"SKYPANEL_ENGINE": "swarm", "SKYPANEL_DOCKER_HOST": docker.url, "SKYPANEL_INGRESS_HOST": docker.address}
        return panel.up()


def changes(_stage: Stage) -> list[Figure]:
    """Roll back, change a config var, scale, and deploy under load."""
    with SwarmStage() as stage:
        return [
            *deploys.rollback(stage, "swarm"),
            *deploys.config(stage, "swarm"),
            *deploys.scale(stage, "swarm"),
            *deploys.failed_requests(stage, ".swarm"),
        ]
