"""The engine Docker Swarm: dynos as tasks on any number of nodes."""

from contextlib import AsyncExitStack
from pathlib import Path

import buildpacks
from skypanel.domain.app import App
from skypanel.domain.stack import StackImage
from skypanel.drivers.docker import stack as stack_images
from skypanel.drivers.docker.api import DockerApi
from skypanel.drivers.docker.builder import ContainerBuilder, Site
from skypanel.drivers.docker.images import SlugImages
from skypanel.drivers.logs.files import FileLogs
from skypanel.drivers.proxy.traefik import TraefikRouter
from skypanel.drivers.swarm.guard import SwarmGuard
from skypanel.drivers.swarm.ingress import Ingress, IngressOptions
from skypanel.drivers.swarm.logs import DockerLogs
from skypanel.drivers.swarm.metrics import SwarmMetrics
from skypanel.drivers.swarm.router import SwarmRouter, ThroughProxy
from skypanel.drivers.swarm.scheduler import SwarmOptions, SwarmScheduler
from skypanel.drivers.swarm.upkeep import SwarmUpkeep
from skypanel.engines.engine import Engine, RemoteNodes
from skypanel.host.allowed import Allowed, parse_allowed
from skypanel.ports.clock import Clock
from skypanel.ports.objects import Objects
from skypanel.settings import Settings
from skypanel.tasks import together

CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
# Private networks: requests of the panel's own proxy, and through Docker's published ports, come from them.
TRUSTED = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")


def open_engine(settings: Settings, objects: Objects, clock: Clock, stack: AsyncExitStack, elsewhere: RemoteNodes) -> Engine:
    """Return the drivers of a Swarm. The panel's own proxy forwards requests for apps to the ingress of this machine."""
    docker = DockerApi(settings.docker_host)
    stack.push_async_callback(docker.close)
    panel = settings.identity
    ingress = Ingress(docker, ingress_options(settings))
    run_image = stack_images.define(StackImage.RUN).name
    allowed = tuple(map(parse_allowed, settings.allow))
    guard = SwarmGuard(docker, panel, run_image, allowed)

    async def stage_guarded(app: App, digest: str) -> None:
        await together(guard.ensure(), elsewhere.stage(app, digest))

    builder = ContainerBuilder(settings.docker_host, _site(panel, allowed))
    stack.push_async_callback(builder.close)
    return Engine(
        scheduler=SwarmScheduler(
            docker,
            panel,
            SlugImages(docker, objects, run_image, settings.home / "staging"),
            SwarmOptions(endpoint_mode=settings.endpoint_mode, stop_grace_s=settings.stop_grace_s),
            stage_elsewhere=stage_guarded,
            stop_elsewhere=elsewhere.stop,
            join=ingress.join,
        ),
        builder=builder,
        upkeep=SwarmUpkeep(docker, panel, guard),
        router=ThroughProxy(
            SwarmRouter(docker, panel, [f"http://{settings.ingress_host}:{settings.ingress_api_port}"], settings.traefik_token),
            TraefikRouter(f"http://127.0.0.1:{settings.traefik_port}", settings.traefik_token),
            settings.ingress,
        ),
        logs=DockerLogs(docker, panel, FileLogs(settings.logs, clock)),
        metrics=SwarmMetrics(docker, panel),
    )


def ingress_options(settings: Settings) -> IngressOptions:
    """Return the options of this machine's ingress. Only the panel's own proxy reaches it."""
    return IngressOptions(
        panel=settings.identity,
        http_port=settings.ingress_port,
        api_port=settings.ingress_api_port,
        token=settings.traefik_token,
        bind=settings.ingress_host,
        api_bind=settings.ingress_host,
        socket=settings.docker_host.removeprefix("unix://") if settings.docker_host.startswith("unix://") else "/var/run/docker.sock",
        trusted=TRUSTED,
    )


def _site(panel: str, allowed: tuple[Allowed, ...]) -> Site:
    return Site(
        image=stack_images.define(StackImage.BUILD).name,
        buildpacks=Path(buildpacks.__file__).parent,
        ca_bundle=CERTIFICATES if CERTIFICATES.exists() else None,
        allowed=allowed,
        panel=panel,
    )
