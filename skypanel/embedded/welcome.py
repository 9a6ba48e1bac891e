"""The data between `up`, which keeps running, and its starter, a short-lived process (`starter.py`)."""

import os
import pwd
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

MAX_KEY_BYTES = 16 * 1024


@dataclass(frozen=True)
class Welcome:
    """What a start found or made. `fingerprint` is the SSH host key's; only the first start has a `token`."""

    keys: int
    fingerprint: str
    login_path: str = field(repr=False)
    token: str | None = field(repr=False)


@dataclass(frozen=True)
class KeyFile:
    """A file that may contain a public key, with its contents, because the panel's user may not read it."""

    path: str
    text: str


def key_folders(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the folders with the caller's SSH keys. Under sudo, this includes the home of the user who called sudo."""
    homes = [environ["HOME"]] if environ.get("HOME") else []
    if os.geteuid() == 0 and environ.get("SUDO_USER"):
        try:
            homes.append(pwd.getpwnam(environ["SUDO_USER"]).pw_dir)
        except KeyError:
            return tuple(Path(home, ".ssh") for home in homes)
    return tuple(Path(home, ".ssh") for home in homes)


def key_files(folders: Sequence[Path]) -> tuple[KeyFile, ...]:
    """Return the `*.pub` files in folders. Unreadable ones have an empty text."""
    return tuple(KeyFile(str(file), _beginning(file)) for file in sorted(file for folder in folders for file in folder.glob("*.pub")))


def _beginning(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_KEY_BYTES).decode(errors="replace")
    except OSError:
        return ""
