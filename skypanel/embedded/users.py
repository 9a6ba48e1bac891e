"""The panel's user: an unprivileged system user if root runs `up`, else the caller."""

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from stat import S_IXGRP, S_IXOTH, S_IXUSR

from skypanel.domain.errors import Invalid, Unavailable

NAME = "skypanel"
USERADD = ("useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", NAME)


@dataclass(frozen=True)
class User:
    """A user of this machine, by uid and gid."""

    uid: int
    gid: int


def caller() -> User:
    """Return the user of this process."""
    return User(os.geteuid(), os.getegid())


def panel_user() -> User:
    """Return the panel's user. As root, create the system user if it is missing. Raises Unavailable."""
    return known_panel_user() or _add()


def known_panel_user() -> User | None:
    """Return the panel's user, or None if the system user does not exist yet."""
    return _entry() if os.geteuid() == 0 else caller()


def _entry() -> User | None:
    try:
        entry = pwd.getpwnam(NAME)
        return User(entry.pw_uid, entry.pw_gid)
    except KeyError:
        return None


def _add() -> User:
    if not shutil.which(USERADD[0]):
        raise Unavailable("The panel needs a system user, and useradd is not installed.", f"Create a user named {NAME} without a login.")
    made = subprocess.run(USERADD, check=False, capture_output=True, text=True)
    # Two panels may start at once and race for this: the second one finds the user.
    entry = _entry()
    if entry is None:
        raise Unavailable(
            f"The system user {NAME} cannot be created: {made.stderr.strip()}", f"Create it yourself: sudo {' '.join(USERADD)}"
        )
    return entry


def argv_as(user: User, argv: Sequence[str], *, die_with_parent: bool = True, may_bind_low_ports: bool = False) -> tuple[str, ...]:
    """Return the argv that runs `argv` as `user`. For another user than the caller, the caller must be root.

    The process gets the groups that this machine assigns to the user, none of the caller's, and cannot regain privileges. With
    `die_with_parent`, the kernel terminates it when its parent ends.
    """
    options = ["--pdeathsig", "TERM"] if die_with_parent else []
    if user != caller():
        options += ["--reuid", str(user.uid), "--regid", str(user.gid), "--init-groups", "--no-new-privs"]
        if may_bind_low_ports:
            options += ["--inh-caps", "+net_bind_service", "--ambient-caps", "+net_bind_service"]
    return ("setpriv", *options, "--", *argv) if options else tuple(argv)


def first_closed(path: Path, user: User) -> Path | None:
    """Return the topmost folder above `path` that `user` may not enter, or None."""
    if user.uid == 0:
        return None
    return next((folder for folder in reversed(path.parents) if folder.exists() and not _enters(folder, user)), None)


def _enters(folder: Path, user: User) -> bool:
    found = folder.stat()
    bit = S_IXUSR if found.st_uid == user.uid else S_IXGRP if found.st_gid == user.gid else S_IXOTH
    return bool(found.st_mode & bit)


def check_reach(home: Path, user: User) -> None:
    """Raise Invalid if `user` cannot reach the home or the panel's programs."""
    if closed := first_closed(home, user):
        raise Invalid(
            f"The panel runs as the user {NAME}, who has no access to {closed}.",
            f"Set SKYPANEL_HOME to a folder such as /var/lib/skypanel, or run: chmod o+x {closed}",
        )
    for part in (Path(sys.executable), Path(sys.executable).resolve(), import_root() / NAME):
        if closed := first_closed(part, user):
            raise Invalid(
                f"The panel runs as the user {NAME}, who has no access to {closed}, the folder of {part}.",
                "Start the panel with `make up`, which installs it where all users can read it.",
            )


def import_root() -> Path:
    """Return the folder from which the panel's packages are imported."""
    return Path(__file__).parents[2]
