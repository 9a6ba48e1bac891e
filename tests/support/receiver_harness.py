"""A real git receiver on its own ports, with an in-memory panel behind it, and a developer with git and ssh."""

import asyncio
import os
import shutil
import signal
import tempfile
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from uuid import uuid4

import asyncssh

from gitreceiver import __main__ as receiver_process
from gitreceiver.command import Service
from gitreceiver.config import GitLimits
from gitreceiver.http import HttpListener
from gitreceiver.session import Destination, Git
from gitreceiver.ssh import SshListener
from skypanel.domain.account import Account
from skypanel.domain.errors import Conflict, Denied, NotFound
from skypanel.domain.push import decide, deploy_refs
from skypanel.domain.transcript import detail
from skypanel.drivers.git.repositories import DulwichRepositories
from skypanel.flow import accounts, source
from skypanel.store import keys
from tests.fakes.objects import FakeObjects

CLIENT_TIMEOUT_S = 60


@dataclass
class FakeBackend:
    """Makes the panel's decisions, in memory. `build` replaces everything after the source is stored."""

    repositories: DulwichRepositories
    objects: FakeObjects = field(default_factory=FakeObjects)
    apps: dict = field(default_factory=dict)  # name -> (app id, account)
    accounts: dict = field(default_factory=dict)  # fingerprint -> account
    tokens: dict = field(default_factory=dict)  # token -> account
    weak_tokens: set = field(default_factory=set)  # may only fetch
    sources: list = field(default_factory=list)
    pushes: list = field(default_factory=list)
    ended: list = field(default_factory=list)
    abandoned: list = field(default_factory=list)

    async def admit(self, account, key):
        self.accounts[key.get_fingerprint()] = account

    async def authenticate(self, fingerprint):
        return self.accounts.get(fingerprint)

    async def admit_token(self, account):
        token = uuid4().hex
        self.tokens[token] = account
        return token

    async def bearer(self, token, service):
        if token in self.weak_tokens and service is Service.RECEIVE:
            raise Denied("This token is for reading.")
        return self.tokens.get(token)

    async def find(self, account, command):
        app_id, owner = self.apps.get(command.name, (None, None))
        if app_id and owner == account:
            return Destination(app_id, exists=True)
        if command.service is Service.UPLOAD:
            raise NotFound(f"App {command.name} not found, or not yours.")
        if app_id:
            raise Conflict(f"The name {command.name} is taken by another organization.", "Choose another name in your git remote.")
        return Destination(uuid4(), exists=False)

    async def receive(self, push, write):
        self.pushes.append(push)
        try:
            existing, head = await self.repositories.refs(push.app_id), await self.repositories.head(push.app_id)
            decision = decide(push.updates, deploy_refs(None), existing, head)
            for note in decision.notes:
                await write(detail(note))
            if decision.deploy:
                self.sources.append(await source.store(self.repositories, self.objects, source.pushed(push, decision.deploy), write))
            self.apps.setdefault(push.name, (push.app_id, push.account))
            if decision.deploy:
                await self.repositories.point_head(push.app_id, decision.deploy.ref)
                await self.build(push, write)
        finally:
            self.ended.append(push)

    async def build(self, push, write):
        await write(detail("built"))

    async def abandon(self, push, reason):
        """Return whether the build of the push was running."""
        self.abandoned.append((push, reason))
        return True

    async def forget(self, app_id):
        if app_id not in {known for known, _ in self.apps.values()}:
            await self.repositories.remove(app_id)


class PanelBackend:
    """Makes decisions on a stage's panel, through the functions of the receiver's process."""

    def __init__(self, stage, repositories):
        self.panel = stage.panel = replace(stage.panel, repositories=repositories)
        self.repositories = repositories
        git = receiver_process.git(self.panel)
        self.find, self.receive, self.abandon, self.forget = git.find, git.receive, git.abandon, git.forget
        self.authenticate = partial(accounts.pusher, self.panel)
        self.bearer = partial(receiver_process.bearer, self.panel)

    async def admit(self, account, key):
        async with self.panel.transaction() as conn:
            await keys.add(conn, account.id, key.export_public_key().decode(), key.get_fingerprint(), "laptop")

    async def admit_token(self, account, scope="global"):
        return await accounts.add_token(self.panel, account, "A laptop", scope)


@dataclass
class Finished:
    status: int
    stdout: str
    stderr: str


@dataclass
class Receiver:
    home: Path
    backend: FakeBackend
    listener: SshListener
    http: HttpListener
    port: int
    http_port: int

    @property
    def repositories(self):
        return self.backend.repositories

    def remote(self, app="hello", user="git"):
        return f"ssh://{user}@127.0.0.1:{self.port}/{app}.git"

    def http_remote(self, app="hello", token="", origin=None):
        scheme, _, place = (origin or f"http://127.0.0.1:{self.http_port}").partition("://")
        return f"{scheme}://{f'ada:{token}@' if token else ''}{place}/{app}.git"

    async def developer(self, name="ada", *, known=True, account=None):
        """Return a developer with an SSH key, which belongs to an account if `known`."""
        home = self.home / name
        (home / ".ssh").mkdir(parents=True)
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(home / ".ssh" / "id_ed25519")
        (home / ".ssh" / "id_ed25519").chmod(0o600)
        account = account or Account(uuid4(), f"{name}@example.com")
        if known:
            await self.backend.admit(account, key)
        return Developer(self, home, account, await self.backend.admit_token(account) if known else "")

    def repository(self, name="hello"):
        """Return the bare repository of an app."""
        return Path(self.repositories.path(self.backend.apps[name][0]))

    def leftovers(self):
        """Return the quarantine folders in all repositories."""
        return list((self.home / "repositories").glob("*.git/objects/tmp_objdir*"))

    def processes(self):
        """Return the ids of the processes that work on the repositories."""
        mark = str(self.home / "repositories").encode()
        return [int(folder.name) for folder in Path("/proc").glob("[0-9]*") if mark in contents(folder / "cmdline")]


@dataclass
class Developer:
    receiver: Receiver
    home: Path
    account: Account
    token: str

    @property
    def environment(self):
        return {
            "HOME": str(self.home),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_AUTHOR_NAME": "Ada",
            "GIT_AUTHOR_EMAIL": "ada@example.com",
            "GIT_COMMITTER_NAME": "Ada",
            "GIT_COMMITTER_EMAIL": "ada@example.com",
            "GIT_SSH_COMMAND": " ".join(self.ssh_command),
            "SECRET_OF_MINE": "leaks",
        }

    @property
    def ssh_command(self):
        return (
            *("ssh", "-F", "none", "-i", f"{self.home}/.ssh/id_ed25519", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"),
            *("-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={self.receiver.home}/known_hosts"),
        )

    async def start(self, *argv, cwd=None, environment=None, stdin=asyncio.subprocess.DEVNULL):
        return await asyncio.create_subprocess_exec(
            *map(str, argv),
            cwd=cwd or self.home,
            env=self.environment | (environment or {}),
            stdin=stdin,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )

    async def run(self, *argv, stdin=None, timeout_s=CLIENT_TIMEOUT_S, **options):
        process = await self.start(*argv, stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL, **options)
        try:
            stdout, stderr = await asyncio.wait_for(process.communicate(stdin), timeout_s)
        finally:
            await end(process)
        return Finished(process.returncode, stdout.decode(errors="replace"), stderr.decode(errors="replace"))

    async def ssh(self, *arguments, user="git", options=(), **more):
        return await self.run(*self.ssh_command, *options, "-p", self.receiver.port, f"{user}@127.0.0.1", *arguments, **more)

    async def repository(self, name="work", files=None):
        """Return a working copy with one commit of some files."""
        work = WorkingCopy(self, self.home / name)
        work.folder.mkdir()
        await work.git("init", "-q", "-b", "main")
        await work.commit(files or {"Procfile": "web: ./serve\n", "serve": "#!/bin/sh\n"})
        return work


@dataclass
class WorkingCopy:
    developer: Developer
    folder: Path

    async def git(self, *arguments, check=True, **options):
        finished = await self.developer.run("git", *arguments, cwd=self.folder, **options)
        assert not check or finished.status == 0, finished
        return finished

    async def commit(self, files, message="A commit"):
        for path, content in files.items():
            file = self.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        await self.git("add", "-A")
        await self.git("commit", "-q", "--allow-empty", "-m", message)
        return await self.head()

    async def head(self):
        return (await self.git("rev-parse", "HEAD")).stdout.strip()

    async def push(self, *refs, app="hello", check=True, **options):
        return await self.git("push", self.developer.receiver.remote(app), *(refs or ("main",)), check=check, **options)

    async def push_http(self, *refs, app="hello", origin=None, check=True, config=(), **options):
        remote = self.developer.receiver.http_remote(app, self.developer.token, origin)
        settings = [part for setting in config for part in ("-c", setting)]
        return await self.git(*settings, "push", remote, *(refs or ("main",)), check=check, **options)


def contents(path):
    """Return a file of /proc, or nothing if its process has ended."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


async def end(process):
    """Kill a client and all processes that it started, and close its pipes."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    # A pipe with more than its reader took stays open, until the rest is read.
    await process.communicate()


async def wait_for(what, condition, timeout_s=60.0):
    """Return the first true value of `condition`, or fail after the timeout; `what` describes it."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {timeout_s} s for {what}"
        await asyncio.sleep(0.02)
    return value


@asynccontextmanager
async def running_receiver(limits=None, git_limits=None, make_backend=FakeBackend, http_limits=None, trusted=(), **git_options):
    """Yield a receiver that listens on 127.0.0.1, for SSH and HTTP."""
    home = Path(tempfile.mkdtemp(prefix="sky", dir="/var/tmp"))
    backend = make_backend(DulwichRepositories(home / "repositories"))
    git = Git(
        find=backend.find,
        receive=backend.receive,
        abandon=backend.abandon,
        forget=backend.forget,
        repositories=backend.repositories,
        limits=git_limits or GitLimits(),
        **git_options,
    )
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    listener = SshListener(git, backend.authenticate, [host_key], limits)
    http = HttpListener(git, backend.bearer, ["127.0.0.1", "localhost", "skypanel.localhost"], http_limits, trusted)
    try:
        port = await listener.listen("127.0.0.1", 0)
        (home / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key.export_public_key().decode()}")
        yield Receiver(home, backend, listener, http, port, await http.listen("127.0.0.1", 0))
    finally:
        await asyncio.gather(listener.close(grace_s=1), http.close(grace_s=1))
        shutil.rmtree(home)
