"""Serves the dashboard and the API to the proxy on the loopback interface, and the rendezvous on all interfaces."""

import asyncio
import logging
import os
import signal
from collections.abc import Mapping, Sequence
from functools import partial

from aiohttp import web

from skypanel.bootstrap import open_panel
from skypanel.embedded.finding import Finding
from skypanel.settings import Settings, sources
from web import rendezvous
from web.app import create_app
from web.keys import PENDING_RUNS

HOST = "127.0.0.1"
FINISH_S = 5.0


async def examine(environ: Mapping[str, str]) -> Sequence[Finding]:
    """Return what `skypanel doctor` finds now. It is imported at the first call, because of its libraries."""
    from skypanel.embedded import doctor

    return await doctor.findings(environ)


async def serve(loaded: Settings, environ: Mapping[str, str]) -> None:
    """Serve until SIGTERM or SIGINT. Requests in flight then have FINISH_S seconds to finish."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with open_panel(loaded) as panel:
        # No access log: paths of requests contain sign-in tokens.
        app = create_app(panel, loaded, findings=partial(examine, environ))
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=FINISH_S)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, loaded.web_port).start()
            async with rendezvous.listening(panel, app[PENDING_RUNS], loaded.certificate, loaded.address.rendezvous_port):
                await stopping.wait()
        finally:
            await runner.cleanup()


def main() -> None:
    """Serve the panel of SKYPANEL_HOME."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    asyncio.run(serve(sources.load(os.environ), os.environ))


if __name__ == "__main__":
    main()
