"""Interpreters that the stack lacks, and where their archives are."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from skypanel.domain import urls
from skypanel.domain.errors import Invalid
from skypanel.domain.names import printable

# Where a build finds the runtimes that the panel provides, one folder for each language.
RUNTIMES_DIRECTORY = "/tmp/runtimes"  # noqa: S108 - the sandbox's own /tmp
# The language of each bundled buildpack that needs a runtime, as people write it.
LANGUAGES: Mapping[str, str] = {"python": "Python", "nodejs": "Node.js"}
MAX_MIRROR_LENGTH = 500

_PATH = re.compile(r"/[^\s]+")


@dataclass(frozen=True)
class Runtime:
    """One version of a language. `sha256` is None if the code that fetches it knows the digest."""

    language: str
    version: str
    url: str
    sha256: str | None = None

    @property
    def name(self) -> str:
        """The name for people, such as Python 3.12.1."""
        return f"{LANGUAGES[self.language]} {self.version}"


def read_mirror(text: str) -> str:
    """Return the normalized base of a mirror: a URL or an absolute path, or "" for none. Raises Invalid."""
    allowed = "Write an http or https URL, such as https://mirror.example.com/runtimes, or the absolute path of a folder."
    if len(text) > MAX_MIRROR_LENGTH:
        raise Invalid("The mirror URL is too long.", allowed)
    if not text or _PATH.fullmatch(text):
        return text.rstrip("/")
    url, port = urls.split(text, Invalid(f"{printable(text)} is not a URL.", allowed))
    is_plain = not (url.query or url.fragment or "@" in url.netloc)
    if url.scheme not in {"http", "https"} or not re.fullmatch(r"[A-Za-z0-9.-]+", url.hostname or "") or not is_plain or port == 0:
        raise Invalid(f"{printable(text)} is not a valid mirror URL.", allowed)
    if re.search(r"\s", text):
        raise Invalid(f"{printable(text)} contains spaces.", allowed)
    return text.rstrip("/")
