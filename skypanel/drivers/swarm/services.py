"""A panel's services, secrets and networks in a Swarm. Every call is idempotent."""

import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from docker import APIClient

from skypanel.domain.errors import Conflict, NotFound, Unavailable
from skypanel.domain.ids import AppId, OrganizationId
from skypanel.domain.log import moment
from skypanel.domain.manifest import Manifest
from skypanel.drivers.docker.api import DockerApi, Json, labelled
from skypanel.drivers.swarm.spec import (
    ORGANIZATION,
    network_labels,
    network_name,
    organization_of,
    own_labels,
    release_labels,
    secret_body,
    secret_name,
)
from skypanel.drivers.swarm.tasks import DEAD, Task, read

T = TypeVar("T")

ATTEMPTS = 5

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Service:
    """A service as it is: `spec` is what Docker was told, and `version` what an update has to name."""

    id: str
    version: int
    spec: Json

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.spec["Name"])

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return dict(self.spec["Labels"])


class Services:
    """What belongs to one panel, by its identity `panel`; several may share a Swarm."""

    def __init__(self, docker: DockerApi, panel: str) -> None:
        self._docker = docker
        self.panel = panel

    async def of(self, app_id: AppId | None = None) -> list[Service]:
        """Return the services of an app, or of all."""
        wanted = labelled(own_labels(self.panel, app_id))
        found: Sequence[Json] = await self._docker.call(lambda client: client.services(filters=wanted))
        return [_service(each) for each in found]

    async def tasks(self, app_id: AppId | None = None) -> list[Task]:
        """Return the tasks of an app, or of all, with those that ended lately."""
        wanted = labelled(own_labels(self.panel, app_id))
        found: Sequence[Json] = await self._docker.call(lambda client: client.tasks(filters=wanted))
        return read(found)

    async def create(self, spec: Json) -> None:
        """Create a service; one of that name is left as it is."""
        with suppress(Conflict):
            await self._docker.call(lambda client: _create(client, spec))

    async def update(self, service_id: str, change: Callable[[Json], Json]) -> None:
        """Bring a service to `change(its spec)`, whoever else changes it meanwhile. Raises NotFound, Conflict or Unavailable."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self._docker.call(lambda client: _update(client, service_id, change))
            except Conflict:
                if attempt == ATTEMPTS:
                    raise
            else:
                return

    async def remove(self, service_id: str) -> None:
        """Remove a service; its tasks are told to stop. One that is gone is no error."""
        with suppress(NotFound):
            await self._docker.call(lambda client: client.remove_service(service_id))

    async def secret(self, manifest: Manifest) -> str:
        """Return the id of the secret with a release's environment, making it where it is missing. Raises Invalid if it is too large."""
        name, body, labels = secret_name(manifest), secret_body(manifest), release_labels(self.panel, manifest)
        with suppress(Conflict):
            made: Json = await self._docker.call(lambda client: client.create_secret(name, body, labels=labels))
            return str(made["ID"])
        found: Json = await self._docker.call(lambda client: client.inspect_secret(name))
        return str(found["ID"])

    async def forget_secrets(self, app_id: AppId, keep: str | None = None) -> None:
        """Remove an app's secrets but the one of a name; one that is in use stays."""
        wanted = labelled(own_labels(self.panel, app_id))
        found: Sequence[Json] = await self._docker.call(lambda client: client.secrets(filters=wanted))
        for each in found:
            if each["Spec"]["Name"] != keep:
                with suppress(NotFound, Conflict):
                    await self._docker.call(partial(_remove_secret, each["ID"]))

    async def network(self, organization_id: OrganizationId) -> str:
        """Return the id of an organization's network, making it where it is missing."""
        name, labels = network_name(organization_id), network_labels(self.panel, organization_id)
        with suppress(NotFound):
            return await self._network_id(name)
        with suppress(Conflict):
            await self._docker.call(lambda client: client.create_network(name, "overlay", attachable=True, scope="swarm", labels=labels))
        return await self._network_id(name)

    async def networks(self) -> list[Json]:
        """Return the networks of all organizations that have any."""
        wanted = labelled(own_labels(self.panel))
        found: list[Json] = await self._docker.call(lambda client: client.networks(filters=wanted))
        return [each for each in found if ORGANIZATION in each["Labels"]]

    async def forget_network(self, organization_id: OrganizationId) -> None:
        """Remove an organization's network, and the ingress from it; one that is gone is no error."""
        with suppress(NotFound):
            await self._docker.call(partial(_remove_network, network_name(organization_id)))

    async def forget_networks(self, known: Collection[OrganizationId], young_s: float) -> None:
        """Remove the networks of organizations that are not among `known`, but for young ones and those with dynos in them."""
        left = {organization_of(service.labels) for service in await self.of()} | await self._organizations_of_tasks()
        for network in await self.networks():
            organization = organization_of(network["Labels"])
            if organization in left or organization in known or _age_s(network) < young_s:
                continue
            try:
                await self.forget_network(organization)
            except (Conflict, Unavailable) as error:
                log.warning("the network of an organization that is gone stays for now: %s", error)

    async def _organizations_of_tasks(self) -> set[OrganizationId]:
        """Return whose dynos run, or have not stopped yet: their service may be gone already."""
        found: Sequence[Json] = await self._docker.call(lambda client: client.tasks(filters=labelled(own_labels(self.panel))))
        alive = [each for each in found if each["Status"]["State"] not in DEAD]
        return {organization_of(each["Spec"]["ContainerSpec"]["Labels"]) for each in alive}

    async def _network_id(self, name: str) -> str:
        found: Json = await self._docker.call(lambda client: client.inspect_network(name, scope="swarm"))
        return str(found["Id"])

    async def down_nodes(self) -> set[str]:
        """Return the ids of the nodes that do not answer."""
        found: Sequence[Json] = await self._docker.call(lambda client: client.nodes())
        return {each["ID"] for each in found if each["Status"]["State"] == "down"}


def _age_s(network: Json) -> float:
    return (datetime.now(UTC) - moment(network["Created"])).total_seconds()


def _service(found: Json) -> Service:
    return Service(found["ID"], found["Version"]["Index"], found["Spec"])


def _create(client: APIClient, spec: Json) -> None:
    client.create_service(
        spec["TaskTemplate"],
        name=spec["Name"],
        labels=spec["Labels"],
        mode=spec["Mode"],
        update_config=spec["UpdateConfig"],
        rollback_config=spec["RollbackConfig"],
        endpoint_spec=spec["EndpointSpec"],
    )


def _update(client: APIClient, service_id: str, change: Callable[[Json], Json]) -> None:
    # Without the defaults filled in: a template that differs in as much as one of them would start all dynos anew.
    found = client.inspect_service(service_id, insert_defaults=False)
    spec = change(found["Spec"])
    if spec == found["Spec"]:
        return
    client.update_service(
        service_id,
        found["Version"]["Index"],
        task_template=spec["TaskTemplate"],
        name=spec["Name"],
        labels=spec["Labels"],
        mode=spec["Mode"],
        update_config=spec["UpdateConfig"],
        rollback_config=spec["RollbackConfig"],
        endpoint_spec=spec["EndpointSpec"],
    )


def _remove_secret(secret_id: str, client: APIClient) -> None:
    client.remove_secret(secret_id)


def _remove_network(name: str, client: APIClient) -> None:
    for container_id in client.inspect_network(name).get("Containers") or ():
        if not container_id.startswith("lb-"):
            client.disconnect_container_from_network(container_id, name, force=True)
    client.remove_network(name)


def scaled(replicas: int) -> Callable[[Json], Json]:
    """Return the change of a spec to a number of replicas."""
    return lambda spec: {**spec, "Mode": {"Replicated": {"Replicas": replicas}}}
