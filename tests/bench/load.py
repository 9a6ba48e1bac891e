"""Requests at a constant rate, over connections that are kept as browsers keep them."""

import asyncio
import threading
from collections import Counter
from typing import Self

import aiohttp

TIMEOUT_S = 10.0
CONNECTIONS = 50


class Load:
    """Asks for an app's front page through the proxy while its block runs; `failures` counts by reason."""

    def __init__(self, port: int, host: str, per_s: float) -> None:
        self._url = f"http://127.0.0.1:{port}/"
        self._host = f"{host}:{port}"
        self._pause_s = 1 / per_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self.sent = 0
        self.failures: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        connector = aiohttp.TCPConnector(limit=CONNECTIONS)
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session, asyncio.TaskGroup() as requests:
            due = loop.time()
            # Each at its time, whether or not those before it are answered: an app that stands still is asked all the same.
            while not self._ended.is_set():
                requests.create_task(self._ask(session))
                due += self._pause_s
                await asyncio.sleep(due - loop.time())

    async def _ask(self, session: aiohttp.ClientSession) -> None:
        self.sent += 1
        try:
            async with session.get(self._url, headers={"Host": self._host}) as response:
                await response.read()
                if response.status >= 400:
                    self.failures[f"status {response.status}"] += 1
        except (aiohttp.ClientError, TimeoutError) as error:
            self.failures[type(error).__name__] += 1
