"""Package indexes for builds: for pip and uv, and the registry for npm and similar tools. URLs may hold logins."""

import re
from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from skypanel.domain import urls
from skypanel.domain.errors import Invalid

MAX_URL_LENGTH = 1000
# A file outside the app, because npm reads logins only from a file.
NPMRC = "/tmp/.skypanel-npmrc"  # noqa: S108 - the sandbox's own /tmp
_MASK = "****"
_URL = re.compile(r"[!-~]+")
# Masking a shorter login would mask half of a log.
_SHORTEST_SECRET = 4


def read_url(text: str) -> str:
    """Return the URL of an index. Raises Invalid, whose message repeats nothing of the URL."""
    allowed = "Write one such as https://pypi.example.com/simple or https://user:password@npm.example.com, percent-encoded."
    url, port = urls.split(text, Invalid("This is not a URL.", allowed))
    fits = _URL.fullmatch(text) and len(text) <= MAX_URL_LENGTH
    if not fits or url.scheme not in {"http", "https"} or not url.hostname or url.query or url.fragment or port == 0:
        raise Invalid("This is not the URL of a package index.", allowed)
    return text


def read_urls(text: str) -> str:
    """Return the URLs of several indexes, separated by spaces. Raises Invalid."""
    return " ".join(map(read_url, text.replace(",", " ").split()))


@dataclass(frozen=True)
class Indexes:
    """The indexes that an administrator chose; an empty value means the tool's own default."""

    pip: str = field(default="", repr=False)
    pip_extra: tuple[str, ...] = field(default=(), repr=False)
    npm: str = field(default="", repr=False)

    def environment(self) -> dict[str, str]:
        """Return the environment variables that point a build's tools to the indexes."""
        extra = " ".join(self.pip_extra)
        trusted = " ".join(dict.fromkeys(url.netloc.rpartition("@")[2] for url in self._split() if url.scheme == "http"))
        npm = _without_login(self.npm)
        found = {
            **dict.fromkeys(("PIP_INDEX_URL", "UV_DEFAULT_INDEX"), self.pip),
            **dict.fromkeys(("PIP_EXTRA_INDEX_URL", "UV_INDEX"), extra),
            **dict.fromkeys(("PIP_TRUSTED_HOST", "UV_INSECURE_HOST"), trusted),
            **dict.fromkeys(("npm_config_registry", "YARN_NPM_REGISTRY_SERVER", "COREPACK_NPM_REGISTRY"), npm),
            "npm_config_userconfig": NPMRC if self.npmrc() else "",
        }
        return {name: value for name, value in found.items() if value}

    def npmrc(self) -> str:
        """Return the npmrc with the registry's login, or "": https://docs.npmjs.com/cli/configuring-npm/npmrc."""
        url = urlsplit(self.npm)
        user, password = unquote(url.username or ""), unquote(url.password or "")
        if not user and not password:
            return ""
        place = f"//{url.netloc.rpartition('@')[2]}{url.path.rstrip('/')}/"
        if password:
            return f"{place}:_auth={b64encode(f'{user}:{password}'.encode()).decode()}\n"
        return f"{place}:_authToken={user}\n"

    def hide(self, line: str) -> str:
        """Return a line of output with the logins masked."""
        for secret in self._secrets():
            line = line.replace(secret, _MASK)
        return line

    def _split(self) -> list[SplitResult]:
        return [urlsplit(url) for url in (self.pip, *self.pip_extra, self.npm) if url]

    def _secrets(self) -> list[str]:
        """Return the secrets in every encoding, longest first. A user without a password is a token."""
        raw = {url.password or url.username or "" for url in self._split()}
        logins = {url.netloc.rpartition("@")[0] for url in self._split()}
        spelled = {*logins, *raw, *map(unquote, raw), *re.findall(r"=(\S+)$", self.npmrc(), re.MULTILINE)}
        return sorted((secret for secret in spelled if len(secret) >= _SHORTEST_SECRET), key=len, reverse=True)


def _without_login(text: str) -> str:
    url = urlsplit(text)
    return url._replace(netloc=url.netloc.rpartition("@")[2]).geturl()
