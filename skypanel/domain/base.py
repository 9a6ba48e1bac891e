"""The folder of a repository that holds the app, where that is not its top."""

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from skypanel.domain.errors import Invalid
from skypanel.domain.push import shown

# As Heroku's monorepo buildpack calls it.
APP_BASE = "APP_BASE"
MAX_LISTED = 4


@dataclass(frozen=True)
class Fitting:
    """A folder that a buildpack fits, and what that calls the app in it."""

    path: str
    label: str

    @property
    def argument(self) -> str:
        """The folder as a shell takes it."""
        return shlex.quote(shown(self.path))


def parse(text: str) -> str | None:
    """Return the folder that a config var names, relative to the top; None for the top. Raises Invalid."""
    parts = [part for part in re.split(r"/+", text.strip()) if part not in {"", "."}]
    if ".." in parts or "\0" in text:
        raise Invalid(f"{APP_BASE} is {shown(text)}, which is no folder of the repository.", "Name one by its path from the top: apps/api")
    return "/".join(parts) or None


def outermost(folders: Iterable[Fitting]) -> Sequence[Fitting]:
    """Return the folders that lie in none of the others."""
    found = tuple(folders)
    paths = {folder.path for folder in found}
    return tuple(folder for folder in found if not any(parent in paths for parent in _parents(folder.path)))


def listed(folders: Sequence[Fitting]) -> str:
    """Return which apps there are: `its folder api has a Python app`."""
    if len(folders) == 1:
        return f"its folder {shown(folders[0].path)} has a {folders[0].label} app"
    names = ", ".join(f"{shown(folder.path)} ({folder.label})" for folder in folders[:MAX_LISTED])
    more = f" and {len(folders) - MAX_LISTED} more" if len(folders) > MAX_LISTED else ""
    return f"these of its folders have apps: {names}{more}"


def _parents(path: str) -> Iterable[str]:
    parts = path.split("/")
    return ("/".join(parts[:length]) for length in range(1, len(parts)))
