"""The paths of a panel on a machine, and its id."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from skypanel.settings.declaration import HOME

ROOT_HOME = Path("/var/lib/skypanel")
ROOT_RUN = Path("/run/skypanel")


def home_folder(environ: Mapping[str, str]) -> Path:
    """Return the path of the panel's home. The folder may not exist yet."""
    default = ROOT_HOME if os.geteuid() == 0 else Path(".skypanel")
    return Path(environ.get(HOME.key) or default).resolve()


def identity(home: Path) -> str:
    """Return the panel's id of eight hex digits, which is part of the names of its sockets, networks and groups."""
    return hashlib.sha256(str(home).encode()).hexdigest()[:8]


def root_run_dir(home: Path) -> Path:
    """Return the folder of the sockets of a panel that root starts."""
    return ROOT_RUN / identity(home)
