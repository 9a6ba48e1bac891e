"""Client of supervisord's API over its socket (XML-RPC, http://supervisord.org/api.html)."""

import xmlrpc.client  # nosec B411 # supervisord is the panel's own, and expat bounds what entities grow to
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from skypanel.domain.errors import Unavailable

# Generous: before its first fork, supervisord imports the modules of all panel programs.
TIMEOUT = aiohttp.ClientTimeout(total=60)


@dataclass(frozen=True)
class State:
    """supervisord's state of a program. `pid` is 0 if it does not run."""

    name: str
    state: str
    pid: int


class Supervisor:
    """A running supervisord. Every call raises Unavailable if it fails."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def states(self) -> dict[str, State]:
        """Return the states of all programs, by name without the group."""
        programs = await self._call("supervisor.getAllProcessInfo")
        return {program["name"]: State(program["name"], program["statename"], program["pid"]) for program in programs}

    async def start_group(self, group: str) -> None:
        """Start the programs of a group, without waiting until they are ready."""
        await self._call("supervisor.startProcessGroup", group, False)  # noqa: FBT003 - XML-RPC knows no names

    async def _call(self, method: str, *arguments: str | bool) -> list[dict[str, Any]]:
        body = xmlrpc.client.dumps(arguments, method)
        try:
            async with (
                aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(self._socket)), timeout=TIMEOUT) as session,
                session.post("http://supervisor/RPC2", data=body, headers={"Content-Type": "text/xml"}) as response,
            ):
                answer: Any = xmlrpc.client.loads(await response.text())[0][0]
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unavailable("supervisord does not answer.") from error
        except xmlrpc.client.Fault as error:
            raise Unavailable(f"supervisord refuses {method}: {error.faultString}.") from error
        return list(answer)
