"""The package indexes in this machine's pip and npm configuration. A new panel's builds use them too.

The files: https://pip.pypa.io/en/stable/topics/configuration/ and https://docs.npmjs.com/cli/configuring-npm/npmrc.
"""

import configparser
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, urlsplit

from skypanel.domain.errors import Invalid
from skypanel.domain.indexes import read_url

ROOT = Path("/")
# Later files take precedence.
_PIP_FILES = ("etc/xdg/pip/pip.conf", "etc/pip.conf")
_PIP_OWN = (".pip/pip.conf", ".config/pip/pip.conf")
_NPM_FILES = ("etc/npmrc", "usr/etc/npmrc", "usr/local/etc/npmrc")
_PIP_SECTIONS = ("global", "install")


def host_indexes(environ: Mapping[str, str], root: Path = ROOT) -> dict[str, str]:
    """Return the panel's settings for the caller's files and variables, without those that a build cannot use, such as a folder."""
    home = [Path(environ["HOME"])] if environ.get("HOME") else []
    pip = _pip([root / name for name in _PIP_FILES] + [folder / name for folder in home for name in _PIP_OWN])
    npm = _npm([root / name for name in _NPM_FILES] + [folder / ".npmrc" for folder in home])
    registry = environ.get("npm_config_registry") or environ.get("NPM_CONFIG_REGISTRY") or npm.get("registry", "")
    found = {
        "pip_index_url": environ.get("PIP_INDEX_URL") or pip.get("index-url", ""),
        "pip_extra_index_urls": " ".join(filter(_fits, (environ.get("PIP_EXTRA_INDEX_URL") or pip.get("extra-index-url", "")).split())),
        "npm_registry": _with_login(registry, npm),
    }
    return {key: text for key, text in found.items() if text and all(map(_fits, text.split()))}


def _fits(url: str) -> bool:
    try:
        read_url(url)
    except Invalid:
        return False
    return True


def _pip(files: Sequence[Path]) -> dict[str, str]:
    found: dict[str, str] = {}
    for file in files:
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read_string(_text(file))
        except configparser.Error:
            continue
        for section in _PIP_SECTIONS:
            found |= dict(parser.items(section)) if parser.has_section(section) else {}
    return found


def _npm(files: Sequence[Path]) -> dict[str, str]:
    lines = [line.partition("=") for file in files for line in _text(file).splitlines() if not line.lstrip().startswith(("#", ";"))]
    return {key.strip(): value.strip().strip("\"'") for key, _, value in lines}


def _with_login(registry: str, npm: Mapping[str, str]) -> str:
    """Return the registry's URL with npm's credentials for it."""
    url = urlsplit(registry)
    place = f"//{url.netloc}{url.path.rstrip('/')}/:"
    if token := npm.get(f"{place}_authToken"):
        login = quote(token, safe="")
    elif pair := _decoded(npm.get(f"{place}_auth", "")):
        login = ":".join(quote(part, safe="") for part in pair.split(":", 1))
    else:
        return registry
    return url._replace(netloc=f"{login}@{url.netloc}").geturl()


def _decoded(text: str) -> str:
    try:
        return b64decode(text, validate=True).decode()
    except (NotBase64, UnicodeDecodeError):
        return ""


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
