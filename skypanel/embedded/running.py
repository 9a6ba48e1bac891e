"""A panel from start to stop: `up` controls the launcher and supervisord."""

import asyncio
import json
import os
import shutil
import subprocess
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from skypanel.domain import terminal
from skypanel.domain.errors import Unavailable
from skypanel.embedded import open_files, processes, users, welcome
from skypanel.embedded.banner import Facts, banner
from skypanel.embedded.children import Child, last_lines, log_path, open_log
from skypanel.embedded.home import service_environment
from skypanel.embedded.host_indexes import host_indexes
from skypanel.embedded.users import User
from skypanel.embedded.welcome import Welcome
from skypanel.host import blackhole, connection_limit
from skypanel.host.commands import undo
from skypanel.host.firewall import AddressPlan
from skypanel.settings import Settings
from skypanel.settings.paths import identity
from skypanel.tasks import together

STARTER = "starter"
SUPERVISORD_STOP_TIMEOUT_S = 75.0
LAUNCHER_STOP_TIMEOUT_S = 40.0
MAX_PAUSE_S = 60.0


class RunningPanel:
    """The panel of one home. `environ` is the environment of `up`."""

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self._settings = settings
        self._environ = environ
        self._user = User(settings.panel_uid, settings.panel_gid)
        self._environment = service_environment(settings.home, environ)
        self._supervisord = self._child("supervisord", supervisord_argv(settings, self._user), SUPERVISORD_STOP_TIMEOUT_S)
        launcher = processes.launcher_argv(settings, processes.installed(), open_files.connections(open_files.raise_limit()))
        self._launcher = self._child("launcher", users.argv_as(users.caller(), launcher), LAUNCHER_STOP_TIMEOUT_S)

    def _child(self, name: str, argv: Sequence[str], stop_timeout_s: float) -> Child:
        return Child(name, argv, self._environment, self._settings.home, stop_timeout_s)

    async def start(self) -> None:
        """Start everything in order, wait until each part answers, and print the banner. Raises Unavailable."""
        click.echo(f"Starting the panel in {self._settings.home}")
        await self._launcher.start()
        await self._supervisord.start()
        found = await self._complete("first", (self._launcher, self._supervisord))
        if found is None:
            raise self._cut_short()
        if found.token:
            write_token(self._settings.home / "token", found.token)
        click.echo(f"\n{banner(self._facts(found))}")

    async def keep(self) -> None:
        """Restart the launcher and supervisord whenever one ends, with backoff. Raises Unavailable if a restart fails."""
        await together(self._keep_launcher(), self._keep_supervisord())

    async def stop(self, hurry: asyncio.Event) -> None:
        """Stop supervisord and its processes first, then the launcher and all dynos."""
        if self._supervisord.is_running or self._launcher.is_running:
            click.echo("\nStopping the panel ...")
        await self._supervisord.stop(hurry)
        await self._launcher.stop(hurry)
        if os.geteuid() == 0:
            await undo(self._kept_rules(), self._environment)
        shutil.rmtree(self._settings.run_dir, ignore_errors=True)

    def _kept_rules(self) -> Sequence[tuple[Sequence[str], str]]:
        """Return the commands that remove the firewall rules and routes that outlive the launcher."""
        tag = identity(self._settings.home)
        return (*blackhole.undo_commands(AddressPlan(tag, self._settings.subnet)), *connection_limit.undo_commands(tag))

    async def _keep_launcher(self) -> None:
        pause_s = 1.0
        while True:
            pause_s = await self._ended(self._launcher, pause_s)
            await self._launcher.start()

    async def _keep_supervisord(self) -> None:
        pause_s = 1.0
        while True:
            pause_s = await self._ended(self._supervisord, pause_s)
            await self._supervisord.start()
            await self._complete("again", (self._supervisord,))

    async def _ended(self, child: Child, pause_s: float) -> float:
        """Wait for a child's end, then pause. Return the next pause (exponential backoff)."""
        started = asyncio.get_running_loop().time()
        status = await child.wait()
        if asyncio.get_running_loop().time() - started > MAX_PAUSE_S:
            pause_s = 1.0
        log = log_path(self._settings.home, child.name)
        click.echo(f"{child.name} ended with status {status}; starting it again (its log: {log})", err=True)
        await asyncio.sleep(pause_s)
        return min(pause_s * 2, MAX_PAUSE_S)

    async def _complete(self, occasion: str, children: Sequence[Child]) -> Welcome | None:
        """Run the starter as the panel's user while these children run. Raises Unavailable if it fails or a child ends."""
        is_first = occasion == "first"
        files = welcome.key_files(welcome.key_folders(self._environ)) if is_first else ()
        request = {"files": [asdict(file) for file in files], "indexes": host_indexes(self._environ) if is_first else {}}
        completing = asyncio.create_task(self._run_starter(occasion, request))
        ends = {asyncio.create_task(child.wait()): child for child in children}
        try:
            done, _ = await asyncio.wait((completing, *ends), return_when=asyncio.FIRST_COMPLETED)
            if completing in done:
                return completing.result()
            ended = next(child for end, child in ends.items() if end in done)
            raise self._silent(ended.name, ended.name)
        finally:
            for task in (completing, *ends):
                task.cancel()
            await asyncio.wait((completing, *ends))

    async def _run_starter(self, occasion: str, request: Mapping[str, Any]) -> Welcome | None:
        argv = users.argv_as(self._user, (str(processes.installed().python), "-m", "skypanel.embedded.starter", occasion))
        log = open_log(self._settings.home, STARTER)
        try:
            starter = await asyncio.create_subprocess_exec(
                *argv,
                cwd=self._settings.home,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        finally:
            os.close(log)
        try:
            found = await self._read_messages(starter, json.dumps(request).encode())
            if await starter.wait():
                raise self._cut_short()
        finally:
            if starter.returncode is None:
                starter.kill()
                await starter.wait()
        return found

    async def _read_messages(self, starter: Process, request: bytes) -> Welcome | None:
        """Send the starter its input, process its output until it ends, and return its result."""
        found = None
        if starter.stdin is None or starter.stdout is None:
            raise RuntimeError("a process with pipes has its streams")
        starter.stdin.write(request)
        starter.stdin.close()
        async for raw in starter.stdout:
            match json.loads(raw):
                case {"line": line}:
                    click.echo(terminal.clean(line))
                case {"silent": [name, title]}:
                    raise self._silent(Path(name).name, terminal.clean(title))
                case {"failed": [message, hint]}:
                    raise Unavailable(*("\n".join(terminal.lines(text)) for text in (message, hint)))
                case {"welcome": fields}:
                    found = Welcome(**fields)
        return found

    def _cut_short(self) -> Unavailable:
        log = log_path(self._settings.home, STARTER)
        return Unavailable("The panel's start was interrupted.", f"See the log {log}.")

    def _silent(self, name: str, title: str) -> Unavailable:
        log = log_path(self._settings.home, name)
        for line in last_lines(log):
            click.echo(f"  {name}: {line}", err=True)
        return Unavailable(f"The {title} does not answer.", f"Its log is {log}. Run `skypanel doctor` to see what this machine lacks.")

    def _facts(self, found: Welcome) -> Facts:
        return Facts(
            address=self._settings.address,
            home=self._settings.home,
            login_path=found.login_path,
            fingerprint=found.fingerprint,
            keys=found.keys,
            user=self._environ.get("SUDO_USER") or self._environ.get("USER") or "<you>",
            ssh_connection=self._environ.get("SSH_CONNECTION", ""),
        )


def supervisord_argv(settings: Settings, user: User) -> tuple[str, ...]:
    """Return the argv that runs supervisord as the panel's user."""
    argv = (str(processes.installed().python), "-m", "skypanel.embedded.supervisord", "-c", str(settings.run_dir / "supervisord.conf"))
    return users.argv_as(user, argv, may_bind_low_ports=processes.needs_low_ports(settings))


def write_token(path: Path, token: str) -> None:
    """Write a token that only the caller can read. The folder is the panel's user's, so follow no symbolic link."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{token}\n")
