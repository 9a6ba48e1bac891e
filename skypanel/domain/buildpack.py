"""Buildpacks: how users name them, and what they report."""

import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from skypanel.domain.errors import Invalid
from skypanel.domain.names import printable

BUNDLED = ("nodejs", "python", "static", "procfile")
BUILDPACK_URL = "BUILDPACK_URL"
BUILDPACKS_DIRECTORY = "/tmp/buildpacks"  # noqa: S108 - the sandbox's own /tmp

_BUNDLED_NAME = re.compile(r"(?:heroku/|skypanel/)?(?P<name>[a-z]+)")
_URL = re.compile(r"(?P<scheme>https?://)(?:(?P<login>[^\s/@#]+)@)?(?P<rest>[^\s@#]+)(?:#(?P<ref>[A-Za-z0-9._/-]+))?")
# How Heroku's CLI and documentation write Heroku's own buildpacks. We bundle some under the same names.
_ALIASES = (
    re.compile(r"urn:buildpack:(?P<name>[a-z0-9-]+/[a-z0-9-]+)"),
    re.compile(r"https://[^\s/@]+/buildpacks/(?P<name>[a-z0-9-]+/[a-z0-9-]+)\.tgz"),
    re.compile(r"https://[^\s/@]+/(?P<owner>heroku)/heroku-buildpack-(?P<bundled>[a-z]+?)(?:\.git)?"),
)
_LOGINS = re.compile(r"//\S*@")


@dataclass(frozen=True)
class Login:
    """Credentials for a private buildpack. They came in a config var, so they are never printed, stored or listed."""

    user: str
    password: str

    @classmethod
    def parse(cls, text: str) -> "Login":
        """Parse the part of a URL before its @ (RFC 3986, 3.2.1)."""
        user, _, password = text.partition(":")
        return cls(unquote(user), unquote(password))


@dataclass(frozen=True)
class Buildpack:
    """A bundled buildpack, or one that the build fetches from `url` at `ref`. The URL holds no login."""

    name: str
    url: str | None = None
    ref: str | None = None
    login: Login | None = field(default=None, repr=False)

    def directory(self, position: int) -> str:
        """Return the path of its writable copy in the sandbox; `position` distinguishes the clones of one build."""
        return f"{BUILDPACKS_DIRECTORY}/{self.name if self.url is None else position}"


def parse(text: str) -> Buildpack:
    """Return the buildpack that a user named: `python`, `heroku/python`, or a git URL with `#commit`.

    Raises Invalid, which lists the bundled names.
    """
    if (match := _BUNDLED_NAME.fullmatch(text)) and match["name"] in BUNDLED:
        return Buildpack(match["name"])
    if match := _URL.fullmatch(text):
        if match["ref"] and match["ref"].startswith("-"):
            raise Invalid(f"{printable(match['ref'])} is not a commit, branch or tag.", "Put it after # in the buildpack's URL.")
        url = match["scheme"] + match["rest"]
        name = url.rstrip("/").removesuffix(".git").rsplit("/", 1)[-1]
        return Buildpack(name, url, match["ref"], Login.parse(match["login"]) if match["login"] else None)
    shown = printable(_LOGINS.sub("//", text))
    raise Invalid(f"{shown} is not a buildpack.", f"Name one of {', '.join(BUNDLED)}, or give the https URL of a git repository.")


def named(text: str) -> Buildpack:
    """Return the buildpack that an app's list names: as `parse`, and bundled ones also by Heroku's URLs.

    Raises Invalid, also for a URL with a login, because the list must not hold a secret.
    """
    for alias in _ALIASES:
        if match := alias.fullmatch(text):
            found = match.groupdict()
            if found.get("bundled") in BUNDLED:
                return Buildpack(found["bundled"])
            if "name" in found:
                return parse(found["name"])
    pack = parse(text)
    if pack.login is not None:
        raise Invalid(
            "A list of buildpacks cannot contain credentials.",
            f"Set the config var {BUILDPACK_URL} to this URL instead: config vars are encrypted.",
        )
    return pack


def parse_list(text: str) -> tuple[Buildpack, ...]:
    """Return the buildpacks, in order, of a `.buildpacks` file or of a BUILDPACK_URL with several words."""
    words = (word for line in text.splitlines() if not line.lstrip().startswith("#") for word in line.split())
    return tuple(parse(word) for word in words)


def default_process_types(release: object) -> dict[str, str]:
    """Return the process types in the parsed YAML of `bin/release`.

    An empty document, `---` and `--- {}` are valid: the buildpack has no defaults.
    """
    if not isinstance(release, dict):
        return {}
    types = release.get("default_process_types") or release.get(":default_process_types")
    if not isinstance(types, dict):
        return {}
    return {str(process_type): str(command) for process_type, command in types.items()}
