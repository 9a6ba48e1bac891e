"""Where the agent keeps what it has to know after a restart."""

from pathlib import Path

FOLDER = Path("/var/lib/skypanel-agent")


def folder() -> Path:
    """Return the folder, made where it is missing."""
    FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
    return FOLDER
