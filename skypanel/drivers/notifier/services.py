"""The Notifier port: Apprise, in a process of its own for each message."""

import asyncio
import json
import os
import ssl
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping, Sequence

from skypanel.domain.alert import Message
from skypanel.domain.errors import Denied, Invalid, Unavailable
from skypanel.domain.internet import Network
from skypanel.drivers.ended import ended
from skypanel.ports.notifier import SEND_S

# Each takes some 60 MB and, before it sends, half a second of processor time.
AT_ONCE = 3


class AppriseNotifier:
    """Starts a process for each message, and stops it when it takes too long."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def check(self, url: str) -> str:
        """Return the name of the service that a URL leads to. Raises Invalid and Unavailable."""
        return (await self._run({"url": url, "networks": []}))["service"]

    async def send(self, url: str, message: Message, networks: Sequence[Network]) -> None:
        """Send a message. Raises Denied, Invalid and Unavailable."""
        await self._run({"url": url, "title": message.title, "body": message.text, "networks": [str(each) for each in networks]})

    async def _run(self, task: Mapping[str, object]) -> dict[str, str]:
        try:
            async with self._slots, asyncio.timeout(SEND_S):
                answer = await _answer(json.dumps(task))
        except TimeoutError:
            raise Unavailable(f"The service did not take the message within {SEND_S:g} s.") from None
        if answer.get("error") == "invalid":
            raise Invalid("No service has this URL.", "Write it as Apprise has it: https://github.com/caronc/apprise/wiki")
        if answer.get("error") == "denied":
            raise Denied(
                "The service is not a public server, and the panel connects to no others.",
                "Use a server on the internet, or ask an administrator to allow its network: skypanel settings set webhook_networks=...",
            )
        if "error" in answer:
            raise Unavailable(f"The service did not take the message: {answer['reason']}.")
        return answer


async def _answer(task: str) -> dict[str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", "skypanel.drivers.notifier.sending"),
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        env=_environment(),
        start_new_session=True,
    )
    async with ended(process):
        out, _ = await process.communicate(task.encode())
    try:
        answer: dict[str, str] = json.loads(out)
    except ValueError:
        raise Unavailable("The message could not be sent: what sends it ended too early.") from None
    return answer


def _environment() -> dict[str, str]:
    """Return the environment of a process that sends: it uses no proxy, and trusts the CAs that the panel does."""
    trusted = ssl.get_default_verify_paths().cafile
    return {"PATH": os.defpath, "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"} | ({"REQUESTS_CA_BUNDLE": trusted} if trusted else {})
