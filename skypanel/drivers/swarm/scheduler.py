"""Dynos as tasks of a Swarm: one service for each process type of a release and generation."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from docker import APIClient

from skypanel.domain.app import App
from skypanel.domain.engine import EndpointMode
from skypanel.domain.errors import NotFound, Unavailable
from skypanel.domain.ids import AppId
from skypanel.domain.manifest import ONE_OFF, STOP_GRACE_S, Dyno, DynoKey, DynoState, Exit, Manifest, OneOff, Process
from skypanel.drivers.docker import sweep as container_sweep
from skypanel.drivers.docker.api import DockerApi
from skypanel.drivers.docker.images import SlugImages
from skypanel.drivers.swarm.logs import last_lines
from skypanel.drivers.swarm.readiness import Readiness, where
from skypanel.drivers.swarm.run import ImagePlacement, OneOffs, send
from skypanel.drivers.swarm.services import Service, Services, scaled
from skypanel.drivers.swarm.spec import BOOT_S, LINGER_S, Place, organization_of, secret_name, service_name, service_spec
from skypanel.drivers.swarm.tasks import BIND, ELSEWHERE, Task, by_key, slots
from skypanel.ports.output import WriteLine
from skypanel.ports.scheduler import Attached, StageElsewhere, StopElsewhere, Unready
from skypanel.tasks import together

POLL_S = 0.1
STOP_SLACK_S = 10.0

JoinNetwork = Callable[[str], Awaitable[None]]


async def no_other_nodes(app: App, digest: str) -> None:
    """Do nothing: the default for a Swarm of one node."""


async def stop_nothing(member_id: str, container_id: str) -> None:
    """Do nothing: the default for a Swarm of one node."""


async def join_nothing(network_id: str) -> None:
    """Do nothing: the default without an ingress."""


@dataclass(frozen=True)
class SwarmOptions:
    """What differs between Swarms; see `probe.py`."""

    endpoint_mode: EndpointMode = EndpointMode.VIP
    stop_grace_s: float = STOP_GRACE_S
    boot_s: float = BOOT_S


class SwarmScheduler:
    """Runs dynos in a Swarm.

    `stage_elsewhere` stages a slug on the other nodes. `stop_elsewhere` asks another node, by its Swarm id, to stop one of its
    containers. `join` connects an ingress to an organization's network.
    """

    def __init__(
        self,
        docker: DockerApi,
        panel: str,
        images: SlugImages,
        options: SwarmOptions | None = None,
        *,
        stage_elsewhere: StageElsewhere = no_other_nodes,
        stop_elsewhere: StopElsewhere = stop_nothing,
        join: JoinNetwork = join_nothing,
    ) -> None:
        self._docker = docker
        self._services = Services(docker, panel)
        self._images = images
        self._options = options or SwarmOptions()
        self._one_offs = OneOffs(docker, panel)
        self._stage_elsewhere = stage_elsewhere
        self._stop_elsewhere = stop_elsewhere
        self._join = join

    async def stage(self, app: App, digest: str) -> None:
        """Stage a slug on every node that may run it. Raises Unavailable."""
        await together(self._images.stage(app.id, digest), self._stage_elsewhere(app, digest))

    async def launch(self, manifest: Manifest) -> None:
        """Scale the manifest's own services to its quantities. Other services of the app keep running."""
        image_id = await self._images.stage(manifest.app_id, manifest.slug_digest)
        existing = {service.name: service for service in await self._services.of(manifest.app_id)}
        for process in manifest.processes:
            service = existing.get(service_name(manifest, process.type))
            if service is not None:
                await self._services.update(service.id, scaled(process.quantity))
            elif process.quantity > 0:
                await self._create(manifest, process, image_id)

    async def _create(self, manifest: Manifest, process: Process, image_id: str) -> None:
        try:
            await self._services.create(service_spec(manifest, process, await self._place(manifest, image_id)))
        except NotFound:
            # The network or the secret was just removed, with the organization's last app or an older rollout.
            await self._services.create(service_spec(manifest, process, await self._place(manifest, image_id)))

    async def _place(self, manifest: Manifest, image_id: str) -> Place:
        network_id = await self._services.network(manifest.organization_id)
        await self._join(network_id)
        return Place(
            panel=self._services.panel,
            network_id=network_id,
            image_id=image_id,
            secret_id=await self._services.secret(manifest),
            endpoint_mode=self._options.endpoint_mode,
            forbids_privileges=await self._docker.forbids_privileges(),
            filters_calls=await self._docker.filters_calls(),
            stop_grace_s=self._options.stop_grace_s,
            boot_s=self._options.boot_s,
        )

    async def wait_ready(self, manifest: Manifest, timeout_s: float) -> Sequence[Dyno]:
        """Wait until every web dyno is healthy and the others stay up, and return the manifest's dynos. Raises Unready."""
        readiness = Readiness(manifest)
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    if readiness.look(slots(await self._services.tasks(manifest.app_id))):
                        return readiness.dynos()
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise readiness.late(timeout_s) from None
        except Unready as unready:
            raise await self._with_address(unready, manifest) from None

    async def _with_address(self, unready: Unready, manifest: Manifest) -> Unready:
        """Return the error with the address at which the dyno listens, which only its log contains."""
        if unready.reason != f"{ELSEWHERE}.":
            return unready
        lines = [await self.last_lines(key) for key in manifest.dynos() if key.name == unready.dyno]
        listening = where(lines[0])
        return Unready(unready.dyno, f"{listening}. {BIND}.") if listening else unready

    async def dynos(self, app_id: AppId | None = None) -> Sequence[Dyno]:
        """Return the running dynos of one app, or of all apps."""
        return [slot.dyno for slot in slots(await self._services.tasks(app_id))]

    async def last_lines(self, key: DynoKey) -> Sequence[str]:
        """Return the last lines of a dyno's output; none if Docker does not answer."""
        slot = by_key(slots(await self._services.tasks(key.app_id))).get(key)
        return await last_lines(self._docker, slot) if slot else []

    async def retire(self, manifest: Manifest) -> None:
        """Stop every dyno of the app that is not in the manifest.

        Web dynos linger first. Then each process gets SIGTERM, and SIGKILL after the grace period.
        """
        wanted = {service_name(manifest, process.type): process.quantity for process in manifest.processes if process.quantity > 0}
        for service in await self._services.of(manifest.app_id):
            if service.name in wanted:
                await self._services.update(service.id, scaled(wanted[service.name]))
            else:
                await self._services.remove(service.id)
        await self._services.forget_secrets(manifest.app_id, secret_name(manifest))
        await self._images.forget(manifest.app_id, [manifest.slug_digest])

    async def stop(self, app_id: AppId, dyno: str) -> Sequence[str]:
        """Stop one dyno or all of a process type, and return their names. Swarm restarts them."""
        found = slots(await self._services.tasks(app_id))
        wanted = [slot for slot in found if slot.dyno.key.is_called(dyno) and slot.dyno.state is not DynoState.STOPPING]
        here = await self._docker.call(own_node) if wanted else ""
        await together(*(self._stop_task(slot.task, here) for slot in wanted))
        return sorted([slot.dyno.key.name for slot in wanted] + await self._one_offs.terminate(app_id, dyno))

    async def _stop_task(self, task: Task, here: str) -> None:
        if task.container_id is None:
            return
        if task.member_id == here:
            await self._docker.call(partial(send, "TERM", task.container_id))
        else:
            await self._stop_elsewhere(task.member_id, task.container_id)

    async def remove(self, app_id: AppId) -> None:
        """Stop all dynos of an app and delete its secrets, images and cache.

        With its organization's last app, the network is deleted too.
        """
        services = await self._services.of(app_id)
        for service in services:
            await self._services.remove(service.id)
        await self._one_offs.stop(app_id)
        await self._until_gone(app_id)
        await self._services.forget_secrets(app_id)
        await self._images.forget_all(app_id)
        await container_sweep.forget_cache(self._docker, app_id)
        await self._forget_networks(services)

    async def _until_gone(self, app_id: AppId) -> None:
        """Wait until no dyno of an app runs, except on nodes that do not answer. Raises Unavailable."""
        try:
            async with asyncio.timeout(LINGER_S + self._options.stop_grace_s + STOP_SLACK_S):
                while await self._running(app_id):  # noqa: ASYNC110 - Swarm has no event for an ended task
                    await asyncio.sleep(POLL_S)
        except TimeoutError as error:
            raise Unavailable("Some dynos of the app do not stop.", "Check the Docker daemons of the nodes, then try again.") from error

    async def _running(self, app_id: AppId) -> bool:
        where = {task.member_id for task in await self._services.tasks(app_id) if not task.is_dead}
        return bool(where) and not where <= await self._services.down_nodes()

    async def _forget_networks(self, removed: Sequence[Service]) -> None:
        left = {organization_of(service.labels) for service in await self._services.of()}
        for organization in {organization_of(service.labels) for service in removed} - left:
            await self._services.forget_network(organization)

    async def run(self, manifest: Manifest, command: str, write: WriteLine, timeout_s: float, *, process_type: str = ONE_OFF) -> Exit:
        """Run a one-off dyno on the manager's node until it ends, and pass its output to `write` line by line."""
        image = await self._image(manifest)
        return await self._one_offs.run(manifest, command, write, key=manifest.only(process_type), image=image, timeout_s=timeout_s)

    @asynccontextmanager
    async def attach(self, manifest: Manifest, one_off: OneOff) -> AsyncIterator[Attached]:
        """Run a one-off dyno on the manager's node for the length of the block."""
        async with self._one_offs.attach(manifest, one_off, await self._image(manifest)) as end:
            yield end

    async def detach(self, manifest: Manifest, one_off: OneOff) -> None:
        """Start a detached one-off dyno on the manager's node."""
        await self._one_offs.detach(manifest, one_off, await self._image(manifest))

    async def one_offs(self, app_id: AppId | None = None) -> Sequence[Dyno]:
        """Return the running one-off dynos, attached or not: of one app with their commands, or of all apps without."""
        return await self._one_offs.dynos(app_id)

    async def _image(self, manifest: Manifest) -> ImagePlacement:
        image_id = await self._images.stage(manifest.app_id, manifest.slug_digest)
        return ImagePlacement(image_id, await self._services.network(manifest.organization_id))


def own_node(client: APIClient) -> str:
    """Return the Swarm id of the daemon's own node."""
    return str(client.info()["Swarm"]["NodeID"])
