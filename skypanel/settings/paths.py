"""Where a panel is on a machine, and what tells it from another."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from skypanel.settings.declaration import HOME

ROOT_HOME = Path("/var/lib/skypanel")
ROOT_RUN = Path("/run/skypanel")


def home_folder(environ: Mapping[str, str]) -> Path:
    """Return where the panel's home is or is to be."""
    default = ROOT_HOME if os.geteuid() == 0 else Path(".skypanel")
    return Path(environ.get(HOME.key) or default).resolve()


def identity(home: Path) -> str:
    """Return the eight hex digits that tell this home's sockets, networks and groups from another's."""
    return hashlib.sha256(str(home).encode()).hexdigest()[:8]


def root_run_dir(home: Path) -> Path:
    """Return where the sockets are of a panel that root starts."""
    return ROOT_RUN / identity(home)
