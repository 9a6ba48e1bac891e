"""A panel from its start to its end, held together by the launcher and supervisord."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import asyncssh
import click

from skypanel.domain.errors import Unavailable
from skypanel.embedded import health, processes, users, welcome
from skypanel.embedded.banner import Facts, banner
from skypanel.embedded.children import Child, last_lines, log_path
from skypanel.embedded.health import Part
from skypanel.embedded.home import service_environment
from skypanel.embedded.supervisor import Supervisor
from skypanel.embedded.users import User
from skypanel.embedded.welcome import Welcome
from skypanel.settings import Settings

POLL_S = 0.1
SUPERVISORD_STOP_TIMEOUT_S = 75.0
LAUNCHER_STOP_TIMEOUT_S = 40.0
MAX_PAUSE_S = 60.0
# One that ends again and again at its start will not come up by waiting.
MAX_STARTS = 4


class Running:
    """The panel of one home. `environ` is that of whoever called `up`."""

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self._settings = settings
        self._environ = environ
        self._user = User(settings.panel_uid, settings.panel_gid)
        self._environment = service_environment(settings.home, environ)
        self._supervisor = Supervisor(settings.run_dir / "supervisor.sock")
        self._supervisord = self._child("supervisord", supervisord_argv(settings, self._user), SUPERVISORD_STOP_TIMEOUT_S)
        launcher = processes.launcher_argv(settings, processes.installed())
        self._launcher = self._child("launcher", users.argv_as(users.caller(), launcher), LAUNCHER_STOP_TIMEOUT_S)

    def _child(self, name: str, argv: Sequence[str], stop_timeout_s: float) -> Child:
        return Child(name, argv, self._environment, self._settings.home, stop_timeout_s)

    async def start(self) -> None:
        """Start everything in order, wait until each part answers, and print the banner. Raises Unavailable."""
        click.echo(f"Starting the panel in {self._settings.home}")
        await self._launcher.start()
        await self._supervisord.start()
        await self._all_answer((*health.STORAGE_PARTS, health.LAUNCHER_PART))
        found = await self._enter_database()
        await self._supervisor.start_group(processes.PANEL)
        await self._all_answer(health.PANEL_PARTS)
        click.echo(f"\n{banner(self._facts(found))}")

    async def keep(self) -> None:
        """Start the launcher and supervisord again whenever one of them ends. Raises Unavailable if that does not help."""
        keeping = [asyncio.create_task(self._keep_launcher()), asyncio.create_task(self._keep_supervisord())]
        try:
            await asyncio.gather(*keeping)
        finally:
            for task in keeping:
                task.cancel()

    async def stop(self, hurry: asyncio.Event) -> None:
        """Stop everything that was started: the panel's processes first, then the launcher and with it all dynos."""
        if self._supervisord.is_running or self._launcher.is_running:
            click.echo("\nStopping the panel ...")
        await self._supervisord.stop(hurry)
        await self._launcher.stop(hurry)
        shutil.rmtree(self._settings.run_dir, ignore_errors=True)

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
            await self._all_answer(health.STORAGE_PARTS)
            await self._supervisor.start_group(processes.PANEL)

    async def _ended(self, child: Child, pause_s: float) -> float:
        """Wait for a child's end and then some more, and return how long to wait the next time."""
        started = asyncio.get_running_loop().time()
        status = await child.wait()
        if asyncio.get_running_loop().time() - started > MAX_PAUSE_S:
            pause_s = 1.0
        log = log_path(self._settings.home, child.name)
        click.echo(f"{child.name} ended with status {status}; starting it again (its log: {log})", err=True)
        await asyncio.sleep(pause_s)
        return min(pause_s * 2, MAX_PAUSE_S)

    async def _all_answer(self, parts: Sequence[Part]) -> None:
        waiting = [asyncio.create_task(self._answers(part)) for part in parts]
        try:
            await asyncio.gather(*waiting)
        finally:
            for task in waiting:
                task.cancel()

    async def _answers(self, part: Part) -> None:
        deadline = asyncio.get_running_loop().time() + part.timeout_s
        child = self._launcher if part is health.LAUNCHER_PART else self._supervisord
        starts: set[int] = set()
        while not await part.answers(self._settings):
            if not child.is_running:
                raise self._silent(child.name, child.name)
            if part in health.PANEL_PARTS:
                starts.add((await self._supervisor.states())[part.name].pid)
            if len(starts) > MAX_STARTS or asyncio.get_running_loop().time() > deadline:
                raise self._silent(part.name, part.title)
            await asyncio.sleep(POLL_S)
        click.echo(f"  {part.title} answers")

    def _silent(self, name: str, title: str) -> Unavailable:
        log = log_path(self._settings.home, name)
        for line in last_lines(log):
            click.echo(f"  {name}: {line}", err=True)
        return Unavailable(f"The {title} does not answer.", f"Its log is {log}. `skypanel doctor` says what this machine lacks.")

    async def _enter_database(self) -> Welcome:
        """Have the panel's user bring the database up to date, and keep the token it makes at the first time."""
        keys, refused = welcome.read_public_keys(welcome.key_folders(self._environ))
        for line in refused:
            click.echo(line, err=True)
        argv = users.argv_as(self._user, (str(processes.installed().python), "-m", "skypanel.embedded.first_run"))
        child = await asyncio.create_subprocess_exec(
            *argv,
            cwd=self._settings.home,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            answer, complaint = await child.communicate(welcome.keys_to_json(keys).encode())
        finally:
            if child.returncode is None:
                child.kill()
        if child.returncode:
            raise Unavailable(f"The database cannot be brought up to date: {complaint.decode(errors='replace').strip()}")
        found = Welcome.from_json(answer.decode())
        if found.token:
            write_token(self._settings.home / "token", found.token)
        return found

    def _facts(self, found: Welcome) -> Facts:
        host_key = asyncssh.read_private_key(str(self._settings.ssh_host_keys[0]))
        return Facts(
            address=self._settings.address,
            home=self._settings.home,
            login_path=found.login_path,
            fingerprint=host_key.get_fingerprint(),
            keys=found.keys,
            user=self._environ.get("SUDO_USER") or self._environ.get("USER") or "<you>",
            ssh_connection=self._environ.get("SSH_CONNECTION", ""),
        )


def supervisord_argv(settings: Settings, user: User) -> tuple[str, ...]:
    """Return the argv of supervisord, as the panel's user."""
    argv = (str(processes.installed().python), "-m", "supervisor.supervisord", "-c", str(settings.run_dir / "supervisord.conf"))
    return users.argv_as(user, argv, may_bind_low_ports=processes.needs_low_ports(settings))


def write_token(path: Path, token: str) -> None:
    """Write a token for the caller alone; in a folder of the panel's user no link is followed."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{token}\n")
