from urllib.parse import urlsplit

from skypanel.domain.errors import Denied, Invalid, Unavailable


class FakeLogDrains:
    """Keeps what was sent, by URL. `answers` maps URLs to what a server does: an error that is raised, or None to take the lines."""

    def __init__(self):
        self.sent = {}
        self.answers = {}
        self.closed = []

    async def check(self, url, networks):
        host = urlsplit(url).hostname
        if (host.startswith("127.") or host == "localhost") and not networks:
            raise Denied(f"{host} is not a public server, and the panel connects to no others.", "Use a server on the internet.")

    def open(self, url):
        return _Connection(self, url)

    def texts(self, url):
        return [message.text for shipment in self.sent.get(url, []) for message in shipment.messages]


class _Connection:
    def __init__(self, drains, url):
        self._drains = drains
        self._url = url

    async def send(self, shipment, networks):
        await self._drains.check(self._url, networks)
        answer = self._drains.answers.get(self._url)
        if answer in {Unavailable, Invalid}:
            raise answer("It answered 503.")
        if answer is not None:
            await answer()
        self._drains.sent.setdefault(self._url, []).append(shipment)

    async def close(self):
        self._drains.closed.append(self._url)
