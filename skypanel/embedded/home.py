"""Makes a home: the few steps that need root. `prepare.py` does the rest as the home's owner.

Root makes the home and the folder of sockets, and gives them to the panel's user. That user writes everything inside. Root therefore
follows no symbolic link that a compromised service may plant.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from skypanel.domain.errors import Conflict, Invalid, Unavailable
from skypanel.embedded import users
from skypanel.embedded.packages import SYSTEM_PATH
from skypanel.embedded.users import User
from skypanel.settings import Settings, sources
from skypanel.settings.declaration import VARIABLES, from_environment
from skypanel.settings.paths import identity, root_run_dir

HOME_MODE = 0o711
RUN_MODE = 0o700
# The path of a socket may have 107 bytes (unix(7)). The longest name in the folder is Postgres's .s.PGSQL.5432.lock.
MAX_RUN_DIR_LENGTH = 107 - len("/.s.PGSQL.5432.lock")
CERTIFICATE_VARIABLES = (
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
)


def init(home: Path, environ: Mapping[str, str], *, starting: bool = False) -> Settings:
    """Make or complete the home, save the settings of the environment, and return the panel's settings.

    Idempotent. While the panel runs, only allowed without `starting`. Raises Invalid or Conflict for a folder that cannot be this panel's
    home.
    """
    from_environment(environ)  # a bad value fails before anything is made
    user = users.panel_user()
    users.check_reach(home, user)
    _make_home(home, user)
    run_dir = _make_run_dir(home, user, environ)
    _prepare(home, run_dir, user, environ, "up" if starting else "init")
    return sources.load({**environ, "SKYPANEL_HOME": str(home)})


def run_folder(home: Path, user: User, environ: Mapping[str, str]) -> Path:
    """Return the folder for the panel's sockets. Raises Invalid if its path is too long."""
    if user != users.caller():
        folder = root_run_dir(home)
    elif environ.get("XDG_RUNTIME_DIR"):
        folder = Path(environ["XDG_RUNTIME_DIR"], f"skypanel-{identity(home)}")
    else:
        folder = Path("/tmp", f"skypanel-{user.uid}-{identity(home)}")  # noqa: S108 - a folder of another user is refused
    if len(os.fsencode(folder)) > MAX_RUN_DIR_LENGTH:
        raise Invalid(f"{folder} is too long for the path of a socket.", "Set XDG_RUNTIME_DIR to a shorter one.")
    return folder


def service_environment(home: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment of the panel's processes."""
    root = users.import_root()
    return {
        "SKYPANEL_HOME": str(home),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PATH": f"{Path(sys.executable).parent}:{SYSTEM_PATH}",
        **({} if root.is_relative_to(sys.prefix) else {"PYTHONPATH": str(root)}),
        **{name: environ[name] for name in CERTIFICATE_VARIABLES if environ.get(name)},
    }


def _make_home(home: Path, user: User) -> None:
    home.parent.mkdir(parents=True, exist_ok=True)
    home.mkdir(mode=0o700, exist_ok=True)
    is_home = (home / "panel.json").exists()
    if not is_home and any(home.iterdir()):
        raise Conflict(f"{home} is not the home of a panel, and not empty.", "Set SKYPANEL_HOME to a folder of its own.")
    owner = home.stat().st_uid
    if is_home and owner != user.uid:
        raise Conflict(
            f"{home} belongs to the user number {owner}, but this panel would run as number {user.uid}.",
            "Start it as the user who made it, or set SKYPANEL_HOME to another folder.",
        )
    _give(home, user, HOME_MODE)


def _make_run_dir(home: Path, user: User, environ: Mapping[str, str]) -> Path:
    folder = run_folder(home, user, environ)
    if user != users.caller():
        folder.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid not in (user.uid, os.geteuid()):
        raise Conflict(f"{folder} belongs to another user.", "Remove it, or set XDG_RUNTIME_DIR to a folder of your own.")
    _give(folder, user, RUN_MODE)
    return folder


def _give(folder: Path, user: User, mode: int) -> None:
    os.chown(folder, user.uid, user.gid)
    folder.chmod(mode)


def _prepare(home: Path, run_dir: Path, user: User, environ: Mapping[str, str], occasion: str) -> None:
    argv = (sys.executable, "-m", "skypanel.embedded.prepare", str(run_dir), occasion)
    settings = {variable.key: environ[variable.key] for variable in VARIABLES if variable.key in environ}
    prepared = subprocess.run(
        users.argv_as(user, argv),
        check=False,
        cwd=home,
        env={**settings, **service_environment(home, environ)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if prepared.returncode:
        raise Unavailable(f"The home {home} cannot be prepared: {prepared.stdout.strip()}")
