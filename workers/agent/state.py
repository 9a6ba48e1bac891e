"""The folder for state that survives the agent's restarts."""

from pathlib import Path

FOLDER = Path("/var/lib/skypanel-agent")


def folder() -> Path:
    """Return the folder, created if it is missing."""
    FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
    return FOLDER
