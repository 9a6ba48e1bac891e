"""The `skypanel` command."""

from skypanel.cli.main import main

__all__ = ["main"]
