from urllib.parse import urlsplit

from skypanel.domain.errors import Denied, Invalid, Unavailable


class FakeNotifier:
    """Keeps what was sent, by URL. `failing` are URLs whose services take nothing. Only URLs of json and jsons lead to a service."""

    def __init__(self):
        self.sent = []
        self.failing = set()
        self.before = None

    async def check(self, url):
        if urlsplit(url).scheme not in {"json", "jsons"} or not urlsplit(url).hostname:
            raise Invalid("No service has this URL.", "Write it as Apprise has it.")
        return "JSON"

    async def send(self, url, message, networks):
        await self.check(url)
        if self.before is not None:
            await self.before()
        host = urlsplit(url).hostname
        if (host.startswith("127.") or host == "localhost") and not networks:
            raise Denied("The service is not a public server, and the panel connects to no others.", "Use a server on the internet.")
        if url in self.failing:
            raise Unavailable("The service did not take the message: it answered 500 (Internal Server Error).")
        self.sent.append((url, message))
