"""Parses the command line that a git client sends, and never runs it."""

import re
import shlex
from dataclasses import dataclass
from enum import StrEnum

from skypanel.domain.errors import Invalid
from skypanel.domain.names import check_app_name

ONLY_GIT = Invalid("SkyPanel only speaks git.", "Push with: git push skypanel main")
NO_LFS = Invalid(
    "SkyPanel does not store Git LFS objects.",
    "Take the files out of LFS: git lfs migrate export --include='*'. Or have the build download them. To push to SkyPanel without them:"
    " GIT_LFS_SKIP_PUSH=1 git push skypanel main",
)
# https://github.com/git-lfs/git-lfs/blob/main/docs/api/server-discovery.md
LFS_PROGRAMS = frozenset({"git-lfs-authenticate", "git-lfs-transfer"})
MAX_LENGTH = 1024

_PATH = re.compile(r"/{0,2}(?P<name>[^/]+?)(?:\.git)?/?")


class Service(StrEnum):
    """What a client may request, named as git's subcommands."""

    RECEIVE = "receive-pack"
    UPLOAD = "upload-pack"


@dataclass(frozen=True)
class Command:
    """A service and the app whose repository it is for. `options` are git's options for the transport."""

    service: Service
    name: str
    options: tuple[str, ...] = ()


def parse(line: str) -> Command:
    """Parse `git-receive-pack '/hello.git'` and the other forms that git clients send.

    Raises Invalid, with a hint, for anything else.
    """
    match _words(line):
        case ["git", service, path]:
            return Command(_service(service), _name(path))
        case [program, *_] if program in LFS_PROGRAMS:
            raise NO_LFS
        case [program, path] if program.startswith("git-"):
            return Command(_service(program.removeprefix("git-")), _name(path))
        case _:
            raise ONLY_GIT


def _words(line: str) -> list[str]:
    if len(line) > MAX_LENGTH:
        raise ONLY_GIT
    try:
        return shlex.split(line)
    except ValueError:  # an open quote
        raise ONLY_GIT from None


def _service(name: str) -> Service:
    try:
        return Service(name)
    except ValueError:
        raise ONLY_GIT from None


def _name(path: str) -> str:
    match = _PATH.fullmatch(path)
    return check_app_name(match["name"] if match else path)
