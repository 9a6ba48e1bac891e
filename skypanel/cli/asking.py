"""Reads secrets so that they appear in no argument list, shell history or log."""

import sys

import click


def secret(what: str, *, confirm: bool = False) -> str:
    """Prompt for a secret at a terminal; without one, read the next line of standard input."""
    if sys.stdin.isatty():
        return str(click.prompt(what, hide_input=True, confirmation_prompt=confirm))
    return sys.stdin.readline().removesuffix("\n")
