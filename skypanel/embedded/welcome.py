"""What passes between `up` and the process that enters the database for it (`first_run.py`)."""

import json
import os
import pwd
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from skypanel.domain.account import PublicKey
from skypanel.domain.errors import Invalid
from skypanel.drivers.public_keys import read_public_key


@dataclass(frozen=True)
class Welcome:
    """What a start found or made in the database. `token` is there at the first time only."""

    keys: int
    login_path: str = field(repr=False)
    token: str | None = field(repr=False)

    def to_json(self) -> str:
        """Return what `from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Welcome":
        """Return what the other process wrote."""
        return cls(**json.loads(text))


def keys_to_json(keys: Sequence[PublicKey]) -> str:
    """Return what `keys_from_json` reads."""
    return json.dumps([asdict(key) for key in keys])


def keys_from_json(text: str) -> tuple[PublicKey, ...]:
    """Return the keys that the other process wrote."""
    return tuple(PublicKey(**key) for key in json.loads(text))


def key_folders(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return where the caller's SSH keys are: behind sudo that is somebody else's home."""
    homes = [environ["HOME"]] if environ.get("HOME") else []
    if os.geteuid() == 0 and environ.get("SUDO_USER"):
        try:
            homes.append(pwd.getpwnam(environ["SUDO_USER"]).pw_dir)
        except KeyError:
            return tuple(Path(home, ".ssh") for home in homes)
    return tuple(Path(home, ".ssh") for home in homes)


def read_public_keys(folders: Sequence[Path]) -> tuple[tuple[PublicKey, ...], tuple[str, ...]]:
    """Return the keys in the `*.pub` files of some folders, and a line for each file that holds none."""
    found: list[PublicKey] = []
    refused: list[str] = []
    for file in sorted(file for folder in folders for file in folder.glob("*.pub")):
        try:
            found.append(read_public_key(file))
        except Invalid as error:
            refused.append(f"{file} was passed over: {error.message}")
    return tuple(found), tuple(refused)
