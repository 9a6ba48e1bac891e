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
from skypanel.retry import Backoff

T = TypeVar("T")

CONFLICTS = Backoff(first_s=0.02, longest_s=0.2, attempts=5)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Service:
    """A service. `spec` is as Docker stores it; an update must name `version` (optimistic locking)."""

    id: str
    version: int
    spec: Json

    @property
    def name(self) -> str:
        """The name in its spec."""
        return str(self.spec["Name"])

    @property
    def labels(self) -> dict[str, str]:
        """A copy of its labels."""
        return dict(self.spec["Labels"])


class Services:
    """The objects of one panel, whose id is `panel`. Several panels may share a Swarm."""

    def __init__(self, docker: DockerApi, panel: str) -> None:
        self._docker = docker
        self.panel = panel

    async def of(self, app_id: AppId | None = None) -> list[Service]:
        """Return the services of an app, or of all apps."""
        wanted = labelled(own_labels(self.panel, app_id))
        found: Sequence[Json] = await self._docker.call(lambda client: client.services(filters=wanted))
        return [_service(each) for each in found]

    async def tasks(self, app_id: AppId | None = None) -> list[Task]:
        """Return the tasks of an app, or of all apps, with recently ended ones."""
        wanted = labelled(own_labels(self.panel, app_id))
        found: Sequence[Json] = await self._docker.call(lambda client: client.tasks(filters=wanted))
        return read(found)

    async def create(self, spec: Json) -> None:
        """Create a service. An existing one of that name stays as it is."""
        with suppress(Conflict):
            await self._docker.call(lambda client: _create(client, spec))

    async def update(self, service_id: str, change: Callable[[Json], Json]) -> None:
        """Update a service to `change(its spec)`. Retries if another process changes it. Raises NotFound, Conflict or Unavailable."""
        await CONFLICTS.retry(lambda: self._docker.call(lambda client: _update(client, service_id, change)), Conflict)

    async def remove(self, service_id: str) -> None:
        """Remove a service. Swarm stops its tasks. A missing service is no error."""
        with suppress(NotFound):
            await self._docker.call(lambda client: client.remove_service(service_id))

    async def secret(self, manifest: Manifest) -> str:
        """Return the id of the secret with a release's environment. It is created if missing. Raises Invalid if it is too large."""
        name, body, labels = secret_name(manifest), secret_body(manifest), release_labels(self.panel, manifest)
        with suppress(Conflict):
            made: Json = await self._docker.call(lambda client: client.create_secret(name, body, labels=labels))
            return str(made["ID"])
        found: Json = await self._docker.call(lambda client: client.inspect_secret(name))
        return str(found["ID"])

    async def forget_secrets(self, app_id: AppId, keep: str | None = None) -> None:
        """Remove an app's secrets except the one named `keep`. Secrets in use stay."""
        wanted = labelled(own_labels(self.panel, app_id))
        found: Sequence[Json] = await self._docker.call(lambda client: client.secrets(filters=wanted))
        for each in found:
            if each["Spec"]["Name"] != keep:
                with suppress(NotFound, Conflict):
                    await self._docker.call(partial(_remove_secret, each["ID"]))

    async def network(self, organization_id: OrganizationId) -> str:
        """Return the id of an organization's network. It is created if missing."""
        name, labels = network_name(organization_id), network_labels(self.panel, organization_id)
        with suppress(NotFound):
            return await self._network_id(name)
        with suppress(Conflict):
            await self._docker.call(lambda client: client.create_network(name, "overlay", attachable=True, scope="swarm", labels=labels))
        return await self._network_id(name)

    async def networks(self) -> list[Json]:
        """Return the networks of all organizations."""
        wanted = labelled(own_labels(self.panel))
        found: list[Json] = await self._docker.call(lambda client: client.networks(filters=wanted))
        return [each for each in found if ORGANIZATION in each["Labels"]]

    async def forget_network(self, organization_id: OrganizationId) -> None:
        """Remove an organization's network, and disconnect the ingress from it. A missing network is no error."""
        with suppress(NotFound):
            await self._docker.call(partial(_remove_network, network_name(organization_id)))

    async def forget_networks(self, known: Collection[OrganizationId], young_s: float) -> None:
        """Remove networks of organizations that are not in `known`. Networks that are in use or younger than `young_s` stay."""
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
        """Return the organizations whose dynos still run. Their services may be removed already."""
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
    # Defaults must not be filled in: a template that differs only by one of them would restart all dynos.
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
    """Return a function that sets the number of replicas in a spec."""
    return lambda spec: {**spec, "Mode": {"Replicated": {"Replicas": replicas}}}
