"""Commands about worker nodes."""

import sys
from datetime import datetime
from pathlib import Path

import click

from skypanel.cli import asking, session
from skypanel.cli.tables import show_table, time
from skypanel.domain.account import Account
from skypanel.domain.errors import Invalid
from skypanel.domain.node import SSH_PORT, Node, SecretKind
from skypanel.domain.transcript import size
from skypanel.flow import nodes as nodes_flow
from skypanel.flow.nodes import NodeOverview
from skypanel.ports.panel import Panel

MAX_KEY_BYTES = 64 * 1024


@click.group(invoke_without_command=True)
@click.pass_context
def nodes(context: click.Context) -> None:
    """List worker nodes, add, provision, drain and remove them."""
    if context.invoked_subcommand is None:
        context.invoke(list_nodes)


@nodes.command("list")
def list_nodes() -> None:
    """List the nodes, with what of each is in use."""

    async def act(panel: Panel, by: Account) -> None:
        found, alerts = await nodes_flow.overview(panel, by)
        rows = [("NODE", "STATE", "ADDRESS", "CPU", "RAM", "DISK", "CONTAINERS", "HEARTBEAT"), *map(_row, found)]
        show_table(rows)
        for alert in alerts:
            click.echo(f" !     since {time(alert.raised_at)}: {alert.message}")

    session.run(act)


def _row(overview: NodeOverview) -> tuple[str, ...]:
    node, report = overview.node, overview.node.report
    if report is None:
        return node.name, node.state.value, node.address, "-", "-", "-", "-", "never"
    return (
        node.name,
        node.state.value,
        node.address,
        f"{report.cpu_used:.1f} of {report.cpu_cores:g}",
        f"{size(report.memory_used_bytes)} of {size(report.memory_bytes)}",
        f"{size(report.disk_used_bytes)} of {size(report.disk_bytes)}",
        str(report.containers),
        _when(node.heartbeat_at),
    )


def _when(moment: datetime | None) -> str:
    return time(moment) if moment else "never"


@nodes.command()
@click.argument("name")
@click.argument("address")
@click.option("--port", default=SSH_PORT, show_default=True, help="The port of its SSH server.")
@click.option("--user", default="root", show_default=True, help="Root, or a user with sudo without a password.")
@click.option(
    "--key", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The SSH private key; without it, a password is asked for."
)
@click.option(
    "--provision", "is_provisioned", is_flag=True, help="Provision it right away: install Docker, join the Swarm, start the agent."
)
def add(name: str, address: str, port: int, user: str, key: Path | None, *, is_provisioned: bool) -> None:
    """Add a machine: skypanel nodes add worker1 192.0.2.7 --key ~/.ssh/id_ed25519 --provision."""
    kind, secret = (SecretKind.KEY, _key(key)) if key else (SecretKind.PASSWORD, _password())

    async def act(panel: Panel, by: Account) -> None:
        node = await nodes_flow.add(panel, by, name, address, port, user, kind, secret)
        click.echo(f"Added {name}. From now on its host key must be {panel.machines.fingerprint(node.host_key)}")
        if is_provisioned:
            await _provision(panel, by, name)
        else:
            click.echo(f"Run `skypanel nodes provision {name}` to make it a node.")

    session.run(act)


def _key(file: Path) -> str:
    if file.stat().st_size > MAX_KEY_BYTES:
        raise Invalid(f"{file} is too large for a private key.", "Give a file such as ~/.ssh/id_ed25519.")
    return file.read_text(errors="replace")


def _password() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True))
    return sys.stdin.readline().removesuffix("\n")


@nodes.command()
@click.argument("name")
def provision(name: str) -> None:
    """Make an added machine a node, or repair a node; idempotent."""

    async def act(panel: Panel, by: Account) -> None:
        await _provision(panel, by, name)

    session.run(act)


async def _provision(panel: Panel, by: Account, name: str) -> None:
    before = await nodes_flow.provision(panel, by, name)
    after = await nodes_flow.follow(panel, before, _write)
    if after is not None and after.error:
        raise Invalid(f"{name} was not provisioned.", f"Fix the problem above, then run `skypanel nodes provision {name}`.")


async def _write(line: str) -> None:
    click.echo(line)


@nodes.command()
@click.argument("name")
def show(name: str) -> None:
    """Show a node: how it is, and its dynos with what they use."""

    async def act(panel: Panel, by: Account) -> None:
        node = await nodes_flow.get(panel, by, name)
        for title, text in _facts(panel, node):
            click.echo(f"{title:<11}{text}")
        if node.report and node.report.dynos:
            rows = [(str(dyno.app_id), dyno.name, f"{dyno.cpu_cores:.2f}", size(dyno.memory_bytes)) for dyno in node.report.dynos]
            show_table([("APP", "DYNO", "CPU", "RAM"), *rows])

    session.run(act)


def _facts(panel: Panel, node: Node) -> list[tuple[str, str]]:
    return [
        ("State", f"{node.state}, wanted {node.wanted}"),
        ("SSH", f"{node.user}@{node.address}, port {node.port}, by {node.kind}"),
        ("Host key", panel.machines.fingerprint(node.host_key)),
        ("Member", node.member_id or "not in the Swarm yet"),
        ("Heartbeat", _when(node.heartbeat_at)),
        ("Slugs", f"{len(node.report.staged)} staged" if node.report else "unknown"),
        *([("Error", node.error)] if node.error else []),
    ]


@nodes.command()
@click.argument("name")
def drain(name: str) -> None:
    """Take all dynos from a node; they start on others."""

    async def act(panel: Panel, by: Account) -> None:
        await nodes_flow.drain(panel, by, name)
        click.echo(f"{name} gets no more dynos; its dynos start on other nodes.")

    session.run(act)


@nodes.command()
@click.argument("name")
def activate(name: str) -> None:
    """Let a node have dynos again."""

    async def act(panel: Panel, by: Account) -> None:
        await nodes_flow.activate(panel, by, name)
        click.echo(f"{name} gets dynos again once it has their slugs.")

    session.run(act)


@nodes.command()
@click.argument("name")
@click.option("--confirm", metavar="NODE", help="The node's name again, to confirm.")
def remove(name: str, confirm: str | None) -> None:
    """Drain a node, take it out of the Swarm and forget it."""
    asking.confirm(name, confirm, f"{name} leaves the Swarm, and its dynos move to other nodes.")

    async def act(panel: Panel, by: Account) -> None:
        node = await nodes_flow.remove(panel, by, name)
        click.echo(f"Draining {name}")
        await nodes_flow.follow(panel, node, _write)

    session.run(act)


COMMANDS = (nodes,)
