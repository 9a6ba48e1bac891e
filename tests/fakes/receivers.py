from urllib.parse import urlsplit

from skypanel.domain.errors import Denied, Unavailable


class FakeReceivers:
    """Keeps what was posted. `answers` maps hosts to the status of their answers, or to None if they give none."""

    def __init__(self):
        self.posted = []
        self.answers = {}

    async def check(self, url, networks):
        host = urlsplit(url).hostname
        if (host.startswith("127.") or host == "localhost") and not networks:
            raise Denied(f"{host} is not a public server, and the panel connects to no others.", "Use a server on the internet.")

    async def post(self, posting):
        await self.check(posting.url, posting.networks)
        host = urlsplit(posting.url).hostname
        status = self.answers.get(host, 200)
        if status is None:
            raise Unavailable(f"{host} gave no answer: it is closed")
        self.posted.append(posting)
        return status
