"""The part of `skypanel doctor` about a Swarm."""

from skypanel.domain.engine import EndpointMode
from skypanel.domain.errors import SkyPanelError
from skypanel.embedded.finding import Finding
from skypanel.engines import manager
from skypanel.settings import Settings


async def findings(settings: Settings) -> tuple[Finding, ...]:
    """Check the manager's Docker daemon, its images, and this machine's kernel."""
    try:
        found = await manager.inspect(settings.docker_host)
    except SkyPanelError as error:
        return (Finding("Docker Swarm", error.message, error.hint),)
    return (
        *(
            Finding(f"{image} image", "It does not exist: builds and apps cannot run.", "Run `skypanel stack build`.")
            for image in found.missing
        ),
        *endpoint_findings(settings.endpoint_mode, ip_vs=found.has_ip_vs),
    )


def endpoint_findings(mode: EndpointMode, *, ip_vs: bool) -> tuple[Finding, ...]:
    """Return a finding if services should have virtual IPs but the kernel cannot balance them."""
    if mode == EndpointMode.DNSRR or endpoint_mode(ip_vs=ip_vs) == mode:
        return ()
    remedy = "sudo modprobe ip_vs, or set SKYPANEL_ENDPOINT_MODE=dnsrr."
    return (Finding("IP_VS", "The kernel has no IP_VS, so apps cannot find each other by name.", remedy),)


def endpoint_mode(*, ip_vs: bool) -> EndpointMode:
    """Return the endpoint mode that the kernel supports."""
    return EndpointMode.VIP if ip_vs else EndpointMode.DNSRR
