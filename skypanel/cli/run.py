"""`skypanel run`: runs a command of an app in a one-off dyno, attached to this terminal."""

import asyncio
import os
import shlex
import signal
import sys
import termios
import threading
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from skypanel.cli import session
from skypanel.domain.access import Action
from skypanel.domain.account import Account
from skypanel.domain.errors import Invalid
from skypanel.domain.manifest import Window
from skypanel.flow import apps as apps_flow
from skypanel.flow import run as run_flow
from skypanel.ports.panel import Panel
from skypanel.ports.scheduler import Attached

CHUNK_BYTES = 64 * 1024


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("app")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option(
    "--env", "-e", "assignments", multiple=True, metavar="KEY=VALUE", help="An environment variable in addition to the config vars."
)
@click.option("--detached", "-d", is_flag=True, help="Run it in the background, with its output in the app's log.")
def run(app: str, command: Sequence[str], assignments: Sequence[str], *, detached: bool) -> None:
    """Run a command in a one-off dyno: skypanel run hello -- python manage.py migrate."""
    environment = dict(_assignment(text) for text in assignments)
    line = command[0] if len(command) == 1 else shlex.join(command)

    async def act(panel: Panel, by: Account) -> int:
        found = await apps_flow.access(panel, by, app, Action.RUN)
        if detached:
            name = await run_flow.detached(panel, found, line, by, environment=environment)
            click.echo(f"Running as {name}. Its output: skypanel logs {app} --dyno {name}")
            return 0
        window = _window() if sys.stdin.isatty() and sys.stdout.isatty() else None
        variables = environment if window is None else {"TERM": os.environ.get("TERM", "xterm"), **environment}
        async with run_flow.attached(panel, found, line, by, window=window, environment=variables) as running:
            return await _converse(running.attached, window)

    sys.exit(session.run(act))


def _assignment(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise Invalid(f"{key} has no value.", "Write it like this: -e KEY=VALUE")
    return key, value


def _window() -> Window:
    size = os.get_terminal_size(sys.stdin.fileno())
    return Window(size.columns, size.lines)


async def _converse(attached: Attached, window: Window | None) -> int:
    """Copy bytes in both directions until the command ends, and return its exit status."""
    loop = asyncio.get_running_loop()
    if window is None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, _pass_on, attached, number)
    else:
        loop.add_signal_handler(signal.SIGWINCH, lambda: attached.resize(_window()))
    with _raw(window):
        feeding = asyncio.create_task(_feed(attached))
        async for chunk in attached.read():
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
        exit_ = await attached.wait()
        feeding.cancel()
    if exit_.reason is not None:
        click.echo(f" !     The command was stopped: {exit_.reason}.", err=True)
    return exit_.code


_signalling: set[asyncio.Task[None]] = set()


def _pass_on(attached: Attached, number: int) -> None:
    async def send() -> None:
        await attached.signal(number)

    task = asyncio.create_task(send())
    _signalling.add(task)
    task.add_done_callback(_signalling.discard)


@contextmanager
def _raw(window: Window | None) -> Iterator[None]:
    """Switch the terminal to raw mode while the block runs."""
    if window is None:
        yield
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


async def _feed(attached: Attached) -> None:
    """Forward stdin. A thread reads it, because an event loop cannot wait for files; being a daemon, it does not delay the exit."""
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[bytes] = asyncio.Queue(1)

    def read() -> None:
        chunk = b" "
        while chunk:
            chunk = os.read(sys.stdin.fileno(), CHUNK_BYTES)
            try:
                asyncio.run_coroutine_threadsafe(chunks.put(chunk), loop).result()
            except RuntimeError:  # the loop has ended
                return

    threading.Thread(target=read, daemon=True).start()
    while chunk := await chunks.get():
        await attached.write(chunk)
    await attached.end_input()


COMMANDS = (run,)
