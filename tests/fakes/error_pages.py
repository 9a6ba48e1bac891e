from skypanel.domain.errors import Unavailable


class FakeErrorPages:
    """Has the pages that tests put into `pages` by URL, and counts what is fetched."""

    def __init__(self):
        self.pages = {}
        self.fetched = []

    async def fetch(self, url, networks):
        self.fetched.append(url)
        if url not in self.pages:
            raise Unavailable("There is no page.")
        return self.pages[url]
