"""A git repository on another server that an app is deployed from: its URL, branches and errors."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv6Address

from skypanel.domain import urls
from skypanel.domain.errors import Denied, Invalid, NotFound
from skypanel.domain.internet import Network
from skypanel.domain.names import printable

MAX_URL_LENGTH = 1000
MAX_BRANCH_LENGTH = 200
MAX_PORT = 65535
MAX_LISTED = 8
HTTPS, SSH = "https", "ssh"
DEFAULT_PORTS = {HTTPS: 443, SSH: 22}
WRITE = "Write it as https://example.com/ada/app.git or git@example.com:ada/app.git."

_HEADS = "refs/heads/"
# RFC 1123; it must not begin with a dash, which a program would parse as an option.
_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?)*\.?")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_PATH = re.compile(r"[A-Za-z0-9/._~%+@:,=-]+")
_SHORT = re.compile(r"(?P<user>[^@/]+)@(?P<host>[^:/]+):(?P<path>.+)")
# https://git-scm.com/docs/git-check-ref-format
_BRANCH = re.compile(r"(?![/.-])[^\x00-\x20\x7f~^:?*\[\\]+")
_NO_BRANCH = re.compile(r"\.\.|@\{|//|/\.|\.lock(?:/|$)|[./]$|^@$")


@dataclass(frozen=True)
class GitUrl:
    """The location of a repository. `path` begins with a slash, unless it is relative to an SSH user's home.

    It never holds a password: a deploy key gives access to private repositories.
    """

    scheme: str
    host: str
    port: int
    path: str
    user: str | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        if not self.path.startswith("/"):
            return f"{self.user}@{host}:{self.path}"
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{f'{self.user}@' if self.user else ''}{host}{port}{self.path}"

    @property
    def is_ssh(self) -> bool:
        """Whether it uses SSH."""
        return self.scheme == SSH

    @property
    def ssh_form(self) -> str:
        """The SSH URL of the same repository, as servers that offer both write it."""
        return str(self) if self.is_ssh else f"git@{self.host}:{self.path.lstrip('/')}"

    def is_at(self, other: "GitUrl") -> bool:
        """Whether both are on the same server, which has one host key."""
        return (self.scheme, self.host, self.port) == (other.scheme, other.host, other.port)


@dataclass(frozen=True)
class Remote:
    """The repository and branch that an app is deployed from.

    `host_key` is the key that its SSH server had when it was chosen, in OpenSSH's format.
    """

    url: GitUrl
    branch: str
    host_key: str | None = None
    chosen_at: datetime | None = None


@dataclass(frozen=True)
class KeyPair:
    """An SSH key pair in OpenSSH's format."""

    public_key: str
    private_key: str = field(repr=False)


@dataclass(frozen=True)
class RemoteAccess:
    """What a connection to a repository needs: for SSH a private key, and the expected host key if it is known.

    `networks` are private networks that it may connect to, in addition to public addresses.
    """

    url: GitUrl
    networks: tuple[Network, ...] = ()
    private_key: str | None = field(default=None, repr=False)
    host_key: str | None = None


@dataclass(frozen=True)
class Branches:
    """What a repository offers: branch -> commit, its default branch, and the host key of its server."""

    commits: Mapping[str, str]
    default: str | None = None
    host_key: str | None = None


def parse_url(text: str) -> GitUrl:
    """Parse a URL that a user typed. Raises Invalid, which repeats nothing that may be secret."""
    text = text.strip()
    if len(text) > MAX_URL_LENGTH:
        raise Invalid(f"A git URL has at most {MAX_URL_LENGTH} characters.", WRITE)
    if not text.isascii() or not text.isprintable() or " " in text:
        raise Invalid("The git URL contains characters that are not allowed.", WRITE)
    short = _SHORT.fullmatch(text)
    if short and "://" not in text:
        return _checked(GitUrl(SSH, short["host"].lower(), DEFAULT_PORTS[SSH], short["path"], short["user"]))
    split, port = urls.split(text, Invalid("This is not a git URL.", WRITE))
    if split.scheme == "http":
        raise Invalid("http:// is not secure: anyone on the network can read and change the data.", "Use https:// instead.")
    if split.scheme not in DEFAULT_PORTS:
        raise Invalid("Only https:// and ssh:// git URLs can be deployed.", WRITE)
    if split.password is not None or (split.username is not None and split.scheme == HTTPS):
        raise Invalid(
            "This URL contains credentials, which would be stored and shown with it.",
            "Remove them. For a private repository, use its SSH URL and add the app's deploy key to the repository.",
        )
    if split.query or split.fragment or "?" in text or "#" in text:
        raise Invalid("A git URL cannot contain ? or #.", WRITE)
    user = (split.username or "git") if split.scheme == SSH else None
    return _checked(
        GitUrl(split.scheme, (split.hostname or "").lower(), DEFAULT_PORTS[split.scheme] if port is None else port, split.path, user)
    )


def _checked(url: GitUrl) -> GitUrl:
    if not (_HOST.fullmatch(url.host) or _is_ipv6(url.host)):
        raise Invalid("The git URL has no host.", WRITE)
    if not 1 <= url.port <= MAX_PORT:
        raise Invalid(f"The port of a git URL is a number from 1 to {MAX_PORT}.", WRITE)
    if url.user is not None and not _USER.fullmatch(url.user):
        raise Invalid("The user of the git URL is not valid.", "Most servers use git: git@example.com:ada/app.git")
    path = url.path.strip("/")
    if not path or path.startswith("-") or not _PATH.fullmatch(url.path) or ".." in path.split("/"):
        raise Invalid("The git URL has no path of a repository.", WRITE)
    return url


def _is_ipv6(host: str) -> bool:
    try:
        IPv6Address(host)
    except ValueError:
        return False
    return "%" not in host


def check_branch(name: str) -> str:
    """Return a branch's name without `refs/heads/`. Raises Invalid."""
    name = name.strip().removeprefix(_HEADS)
    if not _BRANCH.fullmatch(name) or _NO_BRANCH.search(name) or len(name) > MAX_BRANCH_LENGTH or not name.isprintable():
        raise Invalid(f"{printable(name)} is not a valid branch name.", "Use a branch name such as main.")
    return name


def branch_of(ref: str) -> str | None:
    """Return the name of the branch that a ref is, or None."""
    try:
        return check_branch(ref) if ref.startswith(_HEADS) else None
    except Invalid:
        return None


def ref_of(branch: str) -> str:
    """Return the ref of a branch."""
    return f"{_HEADS}{branch}"


def choose(branches: Branches, wanted: str | None, url: GitUrl) -> str:
    """Return the wanted branch, or the repository's default if none is named. Raises Invalid or NotFound."""
    if not branches.commits:
        raise Invalid(f"{url} is empty: it has no branch yet.", "Push a commit to it first.")
    name = wanted or branches.default
    if name is None or name not in branches.commits:
        missing = f"There is no branch {name} in {url}." if name else f"{url} has no default branch."
        raise NotFound(missing, f"Choose one of its branches: {_listed(sorted(branches.commits))}.")
    return name


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:MAX_LISTED])
    return shown if len(names) <= MAX_LISTED else f"{shown} and {len(names) - MAX_LISTED} more"


def refused(url: GitUrl, public_key: str | None, reason: str) -> Denied:
    """Return the error for a server that denies access; its hint names the deploy key."""
    if not url.is_ssh:
        return Denied(reason, f"If it is private, use its SSH URL, {url.ssh_form}, and add the app's deploy key to the repository.")
    return Denied(reason, f"Add this deploy key to the repository, for reading: {public_key}")
