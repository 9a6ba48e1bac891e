"""Sends the log lines of apps to their drains and to Loki: `python -m workers.shipper`.

It runs on the panel's machine, where the log files are.
"""

import asyncio
import logging
import os
import signal
from dataclasses import replace

from skypanel.bootstrap import open_panel
from skypanel.engines.log_files import open_logs, open_outgoing, open_store
from skypanel.flow import drain_shipping, loki
from skypanel.settings import Settings, sources
from skypanel.tasks import cancel, together


async def serve(environment: Settings) -> None:
    """Send lines until SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with open_panel(environment) as panel:
        # A drain depends neither on Loki nor on Docker.
        with_files = replace(panel, logs=open_logs(environment.logs))
        lines = together(drain_shipping.ship(with_files), loki.ship(panel, open_outgoing(environment.logs), open_store))
        shipping = asyncio.create_task(lines)
        stopping = asyncio.create_task(stopped.wait())
        await asyncio.wait({shipping, stopping}, return_when=asyncio.FIRST_COMPLETED)
        await cancel([shipping, stopping], again_s=5.0)
        if not shipping.cancelled():
            shipping.result()


def main() -> None:
    """Send lines for the panel of SKYPANEL_HOME."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(serve(sources.load(os.environ)))


if __name__ == "__main__":
    main()
