"""The git receiver's process: `python -m gitreceiver`."""

import asyncio
import logging
import os
import signal
from functools import partial
from uuid import uuid4

import asyncssh

from gitreceiver import config
from gitreceiver.command import Command, Service
from gitreceiver.http import HttpListener
from gitreceiver.session import Destination, Git
from gitreceiver.ssh import SshListener
from skypanel.bootstrap import open_panel
from skypanel.domain.access import Action
from skypanel.domain.account import Account
from skypanel.domain.errors import Unavailable
from skypanel.domain.ids import AppId
from skypanel.domain.names import printable
from skypanel.flow import accounts, audit, receive
from skypanel.ports.panel import Panel
from skypanel.settings import Settings, sources
from skypanel.tasks import together

ACTIONS = {Service.RECEIVE: Action.PUSH, Service.UPLOAD: Action.FETCH}
STOP_GRACE_S = 4.0

log = logging.getLogger(__name__)


async def serve(environment: Settings) -> None:
    """Receive pushes until SIGTERM or SIGINT. Running conversations then have STOP_GRACE_S seconds to finish."""
    config.check_hook()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with open_panel(environment) as panel:
        started = panel.clock.now()
        host_keys = [asyncssh.read_private_key(path) for path in environment.ssh_host_keys]
        address = environment.address
        ssh = SshListener(git(panel), partial(accounts.pusher, panel), host_keys)
        http = HttpListener(git(panel), partial(bearer, panel), address.git_hosts, trusted=environment.trusted_proxies)
        await ssh.listen(None, address.ssh_port)
        await http.listen("127.0.0.1", environment.git_port)
        try:
            await receive.sweep(panel, started)
        except Unavailable as error:
            log.warning("leftovers stay until the next start: %s", error)
        await stopped.wait()
        await together(ssh.close(STOP_GRACE_S), http.close(STOP_GRACE_S))


def git(panel: Panel) -> Git:
    """Return the use cases of a panel that conversations call."""
    return Git(
        find=partial(_find, panel),
        receive=partial(receive.receive, panel),
        abandon=partial(receive.abandon, panel),
        forget=partial(receive.forget, panel),
        repositories=panel.repositories,
    )


async def _find(panel: Panel, account: Account, command: Command) -> Destination:
    async with audit.denials(panel, account, f"{command.service.value} {printable(command.name)}"):
        app = await receive.find(panel, account, command.name, ACTIONS[command.service])
    return Destination(app.id, exists=True) if app else Destination(AppId(uuid4()), exists=False)


async def bearer(panel: Panel, token: str, service: Service) -> Account | None:
    """Return the account of an API token, None if it is unknown. Raises Denied if its scope does not allow the service."""
    return await accounts.bearer(panel, token, ACTIONS[service])


def main() -> None:
    """Receive pushes for the panel of SKYPANEL_HOME."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("asyncssh").setLevel(logging.WARNING)
    # Its tracebacks are about malformed input from strangers. Our own failures are logged by Conversations.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    asyncio.run(serve(sources.load(os.environ)))


if __name__ == "__main__":
    main()
