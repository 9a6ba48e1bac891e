"""Sends the log lines of apps to their drains: `python -m workers.shipper`. It runs on the panel's machine, where the log files are."""

import asyncio
import logging
import os
import signal

from skypanel.bootstrap import open_panel
from skypanel.flow import drain_shipping
from skypanel.settings import Settings, sources
from skypanel.tasks import cancel


async def serve(environment: Settings) -> None:
    """Send lines until SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with open_panel(environment) as panel:
        shipping = asyncio.create_task(drain_shipping.ship(panel))
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
