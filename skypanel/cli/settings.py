"""Commands about the settings of the panel and its storage."""

import click

from skypanel.cli import asking, session
from skypanel.cli.apps import MASK
from skypanel.domain.account import Account
from skypanel.domain.errors import Invalid
from skypanel.domain.setting import text_of
from skypanel.domain.settings import find
from skypanel.flow import settings as settings_flow
from skypanel.flow import storage as storage_flow
from skypanel.flow.settings import Shown
from skypanel.ports.panel import Panel


@click.group()
def settings() -> None:
    """List and change what an administrator decides about the panel."""


@settings.command("list")
def list_settings() -> None:
    """List the settings; secret ones are never shown."""

    async def act(panel: Panel, by: Account) -> None:
        for shown in await settings_flow.show(panel, by):
            click.echo(f"{shown.setting.key}={_value(shown)}".ljust(40) + f"  # {shown.setting.meaning}")

    session.run(act)


@settings.command("set")
@click.argument("assignments", nargs=-1, required=True, metavar="KEY=VALUE...")
def set_settings(assignments: tuple[str, ...]) -> None:
    """Change settings: skypanel settings set kept_releases=10. Name a secret without a value: it is asked for.

    Where there is no terminal, each secret is a line of standard input.
    """
    changes = dict(_assignment(text) for text in assignments)

    async def act(panel: Panel, by: Account) -> None:
        await settings_flow.change(panel, by, changes)
        click.echo(f"Set {', '.join(changes)}.")

    session.run(act)


@click.group()
def storage() -> None:
    """See where slugs, sources and build output are kept, and what is on its way there."""


@storage.command("show")
def show_storage() -> None:
    """Show the storage, check that it works, and count objects that are still in the previous one."""

    async def act(panel: Panel, by: Account) -> None:
        moving = await storage_flow.moving(panel, by)
        click.echo(f"Objects are in {moving.storages.current.place}, which responds.")
        if moving.storages.before is not None:
            click.echo(f"{moving.left} are still to be moved from {moving.storages.before.place}")

    session.run(act)


@storage.command("move")
def move_storage() -> None:
    """Move all remaining objects now, instead of slowly in the background."""

    async def act(panel: Panel, _by: Account) -> None:
        done = await storage_flow.move(panel)
        click.echo("All objects are moved." if done else "Some objects could not be moved; see the output above.")

    session.run(act)


@storage.command("forget")
@click.option("--confirm", is_flag=True, help="Confirm that objects that were not moved are lost.")
def forget_storage(*, confirm: bool) -> None:
    """Forget the previous storage, which no longer exists."""
    if not confirm:
        raise Invalid("Objects that were not moved yet would be lost.", "Add --confirm if you want that.")

    async def act(panel: Panel, by: Account) -> None:
        await storage_flow.forget(panel, by)
        click.echo("It is forgotten.")

    session.run(act)


def _value(shown: Shown) -> str:
    if shown.setting.is_sensitive:
        return MASK if shown.is_set else ""
    return text_of(shown.value) if shown.value is not None else ""


def _assignment(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if find(key).is_sensitive:
        if equals:
            raise Invalid(
                f"{key} is a secret, and arguments appear in your shell history and in process lists.",
                f"Name it alone, as {key}: it is asked for, or read from standard input.",
            )
        return key, asking.secret(key)
    if not equals:
        raise Invalid(f"{key} needs a value.", f"Write it like this: {key}={text_of(find(key).default)}")
    return key, value


COMMANDS = (settings, storage)
