"""What runs on each node of a Swarm for all the dynos there."""

from pathlib import Path


def program() -> str:
    """Return the guard's program."""
    return (Path(__file__).parent / "guard.py").read_text()
