"""Removes what builds made at a Docker daemon, found by its labels."""

import time
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from docker import APIClient

from skypanel.domain.errors import Conflict, NotFound
from skypanel.domain.ids import AppId
from skypanel.drivers.docker import removal as container_removal
from skypanel.drivers.docker.api import PANEL, DockerApi, Json, labelled
from skypanel.drivers.docker.spec import CACHE, GUARD, LOOK, WORKSPACE, cache_name

# Younger objects may belong to a workspace that is being made.
MAKING_S = 120
_ALIVE = frozenset({"running", "restarting"})


async def sweep(docker: DockerApi) -> int:
    """Remove the workspaces whose guard has ended, and return their number. Raises Unavailable."""
    orphans = await docker.call(_orphans)
    for name in orphans:
        await remove(docker, name)
    for container in await docker.call(_orphaned_looks):
        await discard(docker, container)
    return len(orphans)


async def remove(docker: DockerApi, workspace: str) -> None:
    """Remove all objects of a workspace, even if it was made only in part. Raises Unavailable."""
    of_it = labelled({WORKSPACE: workspace})
    containers: list[Json] = await docker.call(lambda client: client.containers(all=True, filters=of_it))
    for container in containers:
        await discard(docker, container["Id"])
    volumes: Json = await docker.call(lambda client: client.volumes(filters=of_it))
    for volume in volumes["Volumes"] or ():
        with suppress(NotFound, Conflict):
            await docker.call(partial(APIClient.remove_volume, name=volume["Name"]))


async def sweep_caches(docker: DockerApi, panel: str, known: Collection[AppId], young_s: float = MAKING_S) -> None:
    """Remove the caches of a panel's apps except of those in `known`, unless they are younger than `young_s`. Raises Unavailable."""
    volumes: Json = await docker.call(lambda client: client.volumes(filters=labelled({PANEL: panel})))
    wanted = {str(app_id) for app_id in known}
    for volume in volumes["Volumes"] or ():
        app_id = volume["Labels"].get(CACHE)
        if app_id is not None and app_id not in wanted and _age_s(volume) >= young_s:
            await forget_cache(docker, AppId(UUID(app_id)))


async def forget_cache(docker: DockerApi, app_id: AppId) -> None:
    """Remove an app's cache. If a build uses it, it stays until the next sweep. Raises Unavailable."""
    with suppress(NotFound, Conflict):
        await docker.call(partial(APIClient.remove_volume, name=cache_name(app_id)))


async def discard(docker: DockerApi, container: str) -> None:
    """Remove a container with all its processes. A missing container is no error. Raises Unavailable."""
    with suppress(NotFound, Conflict):
        await docker.call(lambda client: container_removal.remove(client, container))


def _orphans(client: APIClient) -> list[str]:
    """Return the workspaces that still have objects, but neither a running guard nor one that is being made."""
    volumes: list[Json] = client.volumes(filters={"label": WORKSPACE})["Volumes"] or []
    containers: list[Json] = client.containers(all=True, filters={"label": WORKSPACE})
    old = {_workspace(each) for each in volumes if _age_s(each) > MAKING_S}
    held = {_workspace(each) for each in containers if _holds(each, time.time())}
    return sorted((old | {_workspace(each) for each in containers}) - held)


def _holds(container: Json, now: float) -> bool:
    if GUARD not in container["Labels"]:
        return False
    return container["State"] in _ALIVE or (container["State"] == "created" and now - container["Created"] < MAKING_S)


def _age_s(volume: Json) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(volume["CreatedAt"])).total_seconds()


def _orphaned_looks(client: APIClient) -> list[str]:
    containers: list[Json] = client.containers(all=True, filters={"label": LOOK})
    return [each["Id"] for each in containers if time.time() - each["Created"] > MAKING_S]


def _workspace(found: Json) -> str:
    return str(found["Labels"][WORKSPACE])
