"""Drivers whose libraries are large and seldom needed: imported at their first use, so that most processes stay small."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import cached_property
from importlib import import_module
from pathlib import Path

from skypanel.domain.account import PublicKey
from skypanel.domain.node import Availability, Invitation, Login, Member
from skypanel.domain.remote import Branches, Entrance, KeyPair
from skypanel.domain.runtime import Runtime
from skypanel.domain.stack import Image
from skypanel.ports.nodes import Machines, Shell, Swarm
from skypanel.ports.remotes import Fetched, Remotes
from skypanel.ports.runtimes import Runtimes


def parse_public_key(text: str, name: str) -> PublicKey:
    """Return an SSH key from its line; its comment names it, or else `name`. Raises Invalid."""
    parsed: PublicKey = import_module("skypanel.drivers.ssh.public_keys").parse_public_key(text, name)
    return parsed


class MachinesOnDemand:
    """The Machines port, by SSH."""

    async def host_key(self, address: str, port: int) -> str:
        """Return the key by which a machine proves who it is. Raises Unavailable."""
        return await _machines().host_key(address, port)

    def fingerprint(self, host_key: str) -> str:
        """Return what `ssh-keygen -l` prints of a host key."""
        return _machines().fingerprint(host_key)

    def log_in(self, login: Login) -> AbstractAsyncContextManager[Shell]:
        """Log in. Raises Conflict, Denied, Invalid or Unavailable."""
        return _machines().log_in(login)


class RemotesOnDemand:
    """The Remotes port, which keeps what is fetched in a folder under `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def new_key(self) -> KeyPair:
        """Return a new SSH key."""
        return self._remotes.new_key()

    async def branches(self, entrance: Entrance) -> Branches:
        """Return what a repository offers."""
        return await self._remotes.branches(entrance)

    def fetch(self, entrance: Entrance, branch: str) -> AbstractAsyncContextManager[Fetched]:
        """Fetch the newest commit of a branch."""
        return self._remotes.fetch(entrance, branch)

    def fetch_commit(self, entrance: Entrance, commit: str, max_bytes: int) -> AbstractAsyncContextManager[Fetched]:
        """Fetch a certain commit."""
        return self._remotes.fetch_commit(entrance, commit, max_bytes)

    @cached_property
    def _remotes(self) -> Remotes:
        made: Remotes = import_module("skypanel.drivers.git.remote.remotes").GitRemotes(self._root)
        return made


class RuntimesOnDemand:
    """The Runtimes port, which keeps what is fetched in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def offered(self, language: str, mirror: str) -> Mapping[str, Runtime]:
        """Return by version what can be had. Raises Unavailable."""
        return await self._runtimes.offered(language, mirror)

    async def kept(self, runtimes: Mapping[str, Runtime]) -> Sequence[str]:
        """Return the versions of those that need no network any more."""
        return await self._runtimes.kept(runtimes)

    async def fetch(self, runtime: Runtime, mirror: str) -> None:
        """Have one here. Raises Unavailable."""
        await self._runtimes.fetch(runtime, mirror)

    def read(self, runtime: Runtime) -> AsyncIterator[bytes]:
        """Yield one as a tar. Raises Unavailable."""
        return self._runtimes.read(runtime)

    @cached_property
    def _runtimes(self) -> Runtimes:
        made: Runtimes = import_module("skypanel.drivers.runtimes.kept").KeptRuntimes(self._folder)
        return made


class SwarmOnDemand:
    """The Swarm port, by the Docker SDK: the Swarm whose manager is the daemon at `url`."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def members(self) -> Sequence[Member]:
        """Return the Swarm's members."""
        return await self._swarm().members()

    async def set_availability(self, member_id: str, availability: Availability) -> None:
        """Let the Swarm place tasks on a member, or move those it has elsewhere."""
        await self._swarm().set_availability(member_id, availability)

    async def remove(self, member_id: str) -> None:
        """Forget a member."""
        await self._swarm().remove(member_id)

    async def invitation(self) -> Invitation:
        """Return what a machine needs to join."""
        return await self._swarm().invitation()

    @property
    def stack_images(self) -> Sequence[str]:
        """The names of the images that every node needs."""
        return self._swarm().stack_images

    async def image_id(self, name: str) -> str:
        """Return the id of an image of the manager's."""
        return await self._swarm().image_id(name)

    def save_image(self, name: str) -> AsyncIterator[bytes]:
        """Yield an image of the manager's."""
        return self._swarm().save_image(name)

    def _swarm(self) -> Swarm:
        images = import_module("skypanel.drivers.docker.stack")
        made: Swarm = import_module("skypanel.drivers.swarm.nodes").SwarmNodes(self._url, (images.define(Image.RUN).name,))
        return made


def _machines() -> Machines:
    made: Machines = import_module("skypanel.drivers.ssh.machines").SshMachines()
    return made
