"""Taking secrets so that they are in no argument list, history or log."""

import sys

import click


def secret(what: str, *, confirm: bool = False) -> str:
    """Return a secret that is asked for at a terminal, or the next line of standard input."""
    if sys.stdin.isatty():
        return str(click.prompt(what, hide_input=True, confirmation_prompt=confirm))
    return sys.stdin.readline().removesuffix("\n")
