"""The program that guards the dynos of a Swarm's node."""

from pathlib import Path


def program() -> str:
    """Return the source text of the guard's program."""
    return (Path(__file__).parent / "guard.py").read_text()
