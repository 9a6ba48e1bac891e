"""What `skypanel doctor` says of a Swarm."""

from skypanel.domain.errors import SkyPanelError
from skypanel.domain.stack import Image
from skypanel.drivers.docker import stack
from skypanel.drivers.docker.api import DockerApi
from skypanel.drivers.swarm import probe as swarm_probe
from skypanel.embedded.finding import Finding
from skypanel.settings import Settings


async def findings(settings: Settings) -> tuple[Finding, ...]:
    """Look at the manager's daemon, its images and this machine's kernel."""
    docker = DockerApi(settings.docker_host)
    try:
        await swarm_probe.check_manager(docker)
        missing = [image for image in Image if not await swarm_probe.has_image(docker, stack.define(image).name)]
    except SkyPanelError as error:
        return (Finding("Docker Swarm", error.message, error.hint),)
    finally:
        await docker.close()
    return (
        *(
            Finding(f"{image} image", "It is not there: nothing can be built or run.", "Make it with `skypanel stack build`.")
            for image in missing
        ),
        *endpoint_findings(settings.endpoint_mode, ip_vs=swarm_probe.has_ip_vs()),
    )


def endpoint_findings(mode: str, *, ip_vs: bool) -> tuple[Finding, ...]:
    """Return a finding if services are to have addresses that the kernel cannot balance."""
    if mode == "dnsrr" or swarm_probe.endpoint_mode(ip_vs=ip_vs) == mode:
        return ()
    remedy = "sudo modprobe ip_vs, or set SKYPANEL_ENDPOINT_MODE=dnsrr."
    return (Finding("IP_VS", "The kernel has none, so that apps do not find each other by name.", remedy),)
