"""The folder that holds the app, if the app is not at the root of its repository."""

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from skypanel.domain.errors import Invalid
from skypanel.domain.push import shown

# The name that Heroku's monorepo buildpack uses.
APP_BASE = "APP_BASE"
MAX_LISTED = 4


@dataclass(frozen=True)
class DetectedFolder:
    """A folder that a buildpack can build, and the buildpack's label for the app."""

    path: str
    label: str

    @property
    def argument(self) -> str:
        """The folder, quoted for a shell."""
        return shlex.quote(shown(self.path))


def parse(text: str) -> str | None:
    """Return the folder that a config var names, relative to the root; None for the root. Raises Invalid."""
    parts = [part for part in re.split(r"/+", text.strip()) if part not in {"", "."}]
    if ".." in parts or "\0" in text:
        raise Invalid(
            f"{APP_BASE} is {shown(text)}, which is not a folder of the repository.",
            "Set it to a path from the root of the repository, such as apps/api",
        )
    return "/".join(parts) or None


def outermost(folders: Iterable[DetectedFolder]) -> Sequence[DetectedFolder]:
    """Return the folders that are not inside another one of them."""
    found = tuple(folders)
    paths = {folder.path for folder in found}
    return tuple(folder for folder in found if not any(parent in paths for parent in _parents(folder.path)))


def listed(folders: Sequence[DetectedFolder]) -> str:
    """Return part of a sentence that lists the apps, such as `its folder api has a Python app`."""
    if len(folders) == 1:
        return f"its folder {shown(folders[0].path)} has a {folders[0].label} app"
    names = ", ".join(f"{shown(folder.path)} ({folder.label})" for folder in folders[:MAX_LISTED])
    more = f" and {len(folders) - MAX_LISTED} more" if len(folders) > MAX_LISTED else ""
    return f"these folders have apps: {names}{more}"


def _parents(path: str) -> Iterable[str]:
    parts = path.split("/")
    return ("/".join(parts[:length]) for length in range(1, len(parts)))
