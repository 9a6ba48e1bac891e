"""Asks at a terminal: for secrets, which then appear in no argument list, shell history or log, and whether something is meant."""

import shlex
import sys

import click

from skypanel.domain.deletion import check_confirmed
from skypanel.domain.errors import Invalid


def secret(what: str, *, confirm: bool = False) -> str:
    """Prompt for a secret at a terminal; without one, read the next line of standard input."""
    if sys.stdin.isatty():
        return str(click.prompt(what, hide_input=True, confirmation_prompt=confirm))
    return sys.stdin.readline().removesuffix("\n")


def confirm(name: str, given: str | None, consequence: str) -> None:
    """Have the user confirm by its name what is to be destroyed or stopped: by the option --confirm, or at a terminal.

    Raises Invalid for another name, and without a terminal for none.
    """
    if given is None and not sys.stdin.isatty():
        raise Invalid(consequence, f"If that is meant, add: --confirm {shlex.quote(name)}")
    if given is None:
        click.echo(f" !     {consequence}", err=True)
        given = str(click.prompt(f"To go on, type the name {name}", default="", show_default=False, err=True))
    check_confirmed(name, given)
