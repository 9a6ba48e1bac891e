"""The ports in memory; each passes the same contract tests as its driver."""

import asyncio
import hashlib
import subprocess
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from skypanel.domain import terminal
from skypanel.domain.errors import Conflict, Denied, Invalid, NotFound, Unavailable
from skypanel.domain.manifest import Exit
from skypanel.domain.node import Availability, Invitation, Member
from skypanel.domain.output import FIRST, Line, LineId
from skypanel.domain.remote import Branches, KeyPair
from skypanel.domain.storage import Kept
from skypanel.ports.builder import StepFailed
from skypanel.ports.objects import Stored
from skypanel.ports.remotes import Fetched

OUTPUT_MAX_BYTES = 10 * 1024 * 1024
OUTPUT_LINE_BYTES = 64
OUTPUT_LAST_LINES = 50


class FakeClock:
    """A clock that is set by hand."""

    def __init__(self, now=datetime(2024, 1, 1, tzinfo=UTC)):
        self._now = now

    def now(self):
        return self._now

    def advance(self, seconds):
        self._now += timedelta(seconds=seconds)


class FakeObjects:
    """Objects by (kind, name) in `stored`; those that are not in `modified` are of now."""

    def __init__(self):
        self.stored = {}
        self.modified = {}

    async def add(self, kind, chunks, max_bytes=None):
        body = b""
        async for chunk in chunks:
            body += chunk
            if max_bytes is not None and len(body) > max_bytes:
                raise Invalid("It is too large.")
        digest = hashlib.sha256(body).hexdigest()
        self._write(kind, digest, body)
        return Stored(digest, len(body))

    async def read(self, kind, digest):
        key = _object_key(kind, digest)
        if key not in self.stored:
            raise NotFound(f"There is no object {digest}.")
        yield self.stored[key]

    async def put(self, kind, name, body):
        self._write(kind, name, body)

    async def exists(self, kind, digest):
        return _object_key(kind, digest) in self.stored

    async def delete(self, kind, digest, before=None):
        key = _object_key(kind, digest)
        if before is None or self._modified_at(key) < before:
            self.stored.pop(key, None)

    async def list(self, kind):
        for key in [key for key in self.stored if key[0] == kind]:
            yield Kept(key[1], self._modified_at(key))

    async def url(self, kind, digest, life_s):
        return None

    async def sweep(self, before):
        pass

    async def close(self):
        pass

    def _write(self, kind, name, body):
        self.stored[_object_key(kind, name)] = body
        self.modified.pop((kind, name), None)

    def _modified_at(self, key):
        return self.modified.get(key) or datetime.now(UTC)


def _object_key(kind, name):
    if kind not in {"sources", "slugs", "outputs"} or not name or name.startswith("."):
        raise Invalid(f"{kind}/{name} cannot name an object.")
    return kind, name


class FakeOutput:
    """Keeps the lines of all streams; `texts(stream)` is what a reader would see."""

    def __init__(self):
        self.streams = {}
        self._changed = asyncio.Event()

    def texts(self, stream):
        return [line.text for line in self.streams.get(stream, []) if not line.end]

    @asynccontextmanager
    async def writer(self, stream, attempt):
        writer = _FakeOutputWriter(self, stream, attempt)
        try:
            yield writer
        finally:
            writer.finish()

    async def read(self, stream, after=FIRST, idle_s=15.0):
        while True:
            lines = self.streams.get(stream, [])
            for line in [line for line in lines if line.id > after]:
                if line.end and line is not lines[-1]:
                    continue
                yield line
                after = line.id
                if line.end:
                    return
            changed = self._changed
            try:
                await asyncio.wait_for(changed.wait(), idle_s)
            except TimeoutError:
                return

    def append(self, stream, line):
        lines = self.streams.setdefault(stream, [])
        if not lines or line.id > lines[-1].id:
            lines.append(line)
        self._changed.set()
        self._changed = asyncio.Event()


class _FakeOutputWriter:
    def __init__(self, output, stream, attempt):
        self._output, self._stream, self._attempt = output, stream, attempt
        self._number, self._size, self._last = 0, 0, []

    async def write(self, text):
        for line in terminal.lines(text):
            self._size += max(len(line.encode()) + 1, OUTPUT_LINE_BYTES)
            if self._size <= OUTPUT_MAX_BYTES:
                self._append(line)
                continue
            if not self._last:
                self._append(" !     Output is cut off here.")
            self._last = [*self._last, line][-OUTPUT_LAST_LINES:]

    def finish(self):
        for line in self._last:
            self._append(line)
        self._append("", end=True)

    def _append(self, text, *, end=False):
        self._number += 1
        self._output.append(self._stream, Line(LineId(self._attempt, self._number), text, end=end))


class FakeQueue:
    """Counts the wake-ups of each job."""

    def __init__(self):
        self.woken = Counter()

    async def wake(self, job):
        self.woken[job] += 1


class FakeRouter:
    """Takes every route to be in force at once, unless `broken`; `routes` is what was confirmed last, by app id."""

    def __init__(self, *, broken=False):
        self.routes = {}
        self.broken = broken

    async def confirm(self, routes, timeout_s=10.0):
        if self.broken:
            raise Unavailable("The proxy does not answer.")
        for route in routes:
            if route.endpoints:
                self.routes[route.app_id] = route
            else:
                self.routes.pop(route.app_id, None)


MARK = "[skypanel] "  # how the platform's own lines begin in a dyno's output


class FakeLogs:
    """Keeps lines by app id as (dyno, text), all of them written at midnight; following them never ends."""

    def __init__(self):
        self.lines = {}
        self._changed = asyncio.Event()

    async def read(self, app, lines=100, *, follow=False, dyno=None):
        seen = max(0, len(self._of(app, dyno)) - lines)
        while True:
            changed, found = self._changed, self._of(app, dyno)
            for name, text in found[seen:]:
                source = "skypanel" if text.startswith(MARK) else "app"
                yield f"2024-01-01T00:00:00.000000+00:00 {source}[{name}]: {text.removeprefix(MARK)}"
            seen = len(found)
            if not follow:
                return
            await changed.wait()

    async def write(self, app, text):
        self.add(app, "api", text)

    async def append(self, app_id, lines, *, again=False):
        for line in lines:
            if not again or (line.dyno, line.text) not in self.lines.get(app_id, []):
                self._add(app_id, line.dyno, line.text)

    async def kept(self):
        return list(self.lines)

    async def forget(self, app_id):
        self.lines.pop(app_id, None)

    def add(self, app, dyno, text):
        self._add(app.id, dyno, text)

    def _add(self, app_id, dyno, text):
        self.lines.setdefault(app_id, []).append((dyno, terminal.clean(text)))
        self._changed.set()
        self._changed = asyncio.Event()

    def _of(self, app, dyno):
        return [line for line in self.lines.get(app.id, []) if dyno in {None, line[0], line[0].split(".")[0]}]


class FakeCipher:
    """Keys are numbers, newest first; a secret is the number of its key and the text in hex."""

    def __init__(self):
        self.keys = [1]

    def encrypt(self, plain):
        return f"{self.keys[0]}:{plain.encode().hex()}".encode()

    def decrypt(self, secret):
        key, _, text = secret.decode().partition(":")
        if key not in map(str, self.keys):
            raise Unavailable("No key fits.")
        return bytes.fromhex(text).decode()

    def rotate(self, secret):
        return self.encrypt(self.decrypt(secret))


class FakeSwarm:
    """A Swarm whose members are put in by hand; tasks of one that drains move to another, if one is there to take them."""

    stack_images = ("skypanel/run:1",)

    def __init__(self):
        self.known = {}
        self.images = {}
        self.gone = False

    def join(self, member_id, *, tasks=0, availability=Availability.DRAIN):
        self.known[member_id] = Member(member_id, f"host of {member_id}", "10.0.0.2", is_ready=True, availability=availability, tasks=tasks)

    def change(self, member_id, **values):
        self.known[member_id] = replace(self.known[member_id], **values)

    async def members(self):
        self._check()
        return list(self.known.values())

    async def set_availability(self, member_id, availability):
        self._check()
        if member_id not in self.known:
            raise NotFound("There is no such member.")
        self.change(member_id, availability=availability)
        takers = [other for other in self.known.values() if other.is_ready and other.availability is Availability.ACTIVE]
        if availability is Availability.DRAIN and takers:
            moved = self.known[member_id].tasks
            self.change(member_id, tasks=0)
            self.change(takers[0].id, tasks=takers[0].tasks + moved)

    async def remove(self, member_id):
        self._check()
        self.known.pop(member_id, None)

    async def invitation(self):
        self._check()
        return Invitation("10.0.0.1:2377", "SWMTKN-1-secret")

    async def image_id(self, name):
        return f"sha256:{hashlib.sha256(self._image(name)).hexdigest()}"

    async def save_image(self, name):
        yield self._image(name)

    def _image(self, name):
        self._check()
        if name not in self.images:
            raise NotFound(f"There is no image {name}.")
        return self.images[name]

    def _check(self):
        if self.gone:
            raise Unavailable("The Docker daemon does not answer.")


class FakeMachine:
    """A machine that answers commands from `answers`: the first whose words are all in the command counts.

    `fed` is what commands were given, by command; `hold` keeps a command from ending until it is set.
    """

    def __init__(self, host_key="ssh-ed25519 AAAA1", secret="a key"):
        self.host_key = host_key
        self.secret = secret
        self.answers = []
        self.commands = []
        self.fed = {}
        self.hold = None
        self.held = asyncio.Event()

    def answer(self, *words, code=0, out=""):
        self.answers.insert(0, (words, Exit(code), out))

    async def run(self, argv, write, stdin=None):
        command = " ".join(argv)
        self.commands.append(command)
        if stdin is not None:
            self.fed[command] = b"".join([chunk async for chunk in stdin])
        exit_, out = next(((exit_, out) for words, exit_, out in self.answers if all(word in command for word in words)), (Exit(0), ""))
        for line in out.splitlines():
            await write(line)
        if self.hold is not None and self.hold[0] in command:
            self.held.set()
            await self.hold[1].wait()
        return exit_

    async def read(self, argv, stdin=b""):
        printed = []

        async def keep(line):
            printed.append(line)

        async def once():
            yield stdin

        exit_ = await self.run(argv, keep, once())
        if not exit_.ok:
            raise StepFailed(Exit(exit_.code, printed[-1] if printed else None))
        return "".join(f"{line}\n" for line in printed)


class FakeMachines:
    """Machines by address; `lost` are those that do not answer."""

    def __init__(self):
        self.machines = {}

    async def host_key(self, address, port):
        return self._at(address).host_key

    def fingerprint(self, host_key):
        return f"SHA256:{hashlib.sha256(host_key.encode()).hexdigest()[:8]}"

    @asynccontextmanager
    async def log_in(self, login):
        machine = self._at(login.address)
        if machine.host_key != login.host_key:
            raise Conflict(f"{login.address} shows another host key than before: it may be another machine. Nothing was done.")
        if machine.secret != login.secret:
            raise Denied(f"{login.address} does not let {login.user} in with this {login.kind.value}.")
        yield machine

    def _at(self, address):
        if address not in self.machines:
            raise Unavailable(f"No SSH server answers at {address}.")
        return self.machines[address]


class FakeRemotes:
    """Repositories in the folder `root`, at whatever host; `host_keys` are those of SSH servers.

    `private` are the public keys that open a repository, by its name: others are open to all. `lost` are hosts that do not answer.
    `allowed` are the commits that were asked for and how large each might have been, `sizes` how large they were.
    """

    def __init__(self, root):
        self.root = root
        self.private = {}
        self.host_keys = {}
        self.lost = set()
        self.allowed, self.sizes = [], {}
        self._made = 0

    def new_key(self):
        self._made += 1
        return KeyPair(f"ssh-ed25519 key{self._made}", f"private half of ssh-ed25519 key{self._made}")

    async def branches(self, entrance):
        path, host_key = self._enter(entrance)
        listed = await self._git(path, "for-each-ref", "--format=%(refname:short) %(objectname)", "refs/heads")
        head = await self._git(path, "symbolic-ref", "--short", "HEAD")
        commits = dict(line.split() for line in listed.splitlines())
        return Branches(commits, head.strip() if head.strip() in commits else None, host_key)

    @asynccontextmanager
    async def fetch(self, entrance, branch):
        path, _ = self._enter(entrance)
        commits = (await self.branches(entrance)).commits
        if branch not in commits:
            raise NotFound(f"There is no branch {branch} in {entrance.url} any more.")
        yield Fetched(commits[branch], str(path / "objects"))

    @asynccontextmanager
    async def fetch_commit(self, entrance, commit, max_bytes):
        path, _ = self._enter(entrance)
        size_bytes = sum(file.stat().st_size for file in (path / "objects").rglob("*") if file.is_file())
        self.allowed.append((commit, max_bytes))
        self.sizes[commit] = size_bytes
        if size_bytes > max_bytes:
            raise Invalid(f"{commit[:7]} as git packs it is larger than {max_bytes}B.")
        try:
            await self._git(path, "cat-file", "-e", commit)
        except subprocess.CalledProcessError:
            raise NotFound(f"{entrance.url} does not hand out the commit that is asked for.") from None
        yield Fetched(commit, str(path / "objects"), size_bytes)

    def _enter(self, entrance):
        url = entrance.url
        if url.host in self.lost:
            raise Unavailable(f"No server answers at {url.host}.")
        host_key = self.host_keys.get(url.host, "ssh-ed25519 AAAA1") if url.is_ssh else None
        if entrance.host_key not in {None, host_key}:
            raise Conflict(f"{url.host} shows another host key than before: it may be another server.")
        name = url.path.rpartition("/")[2].removesuffix(".git")
        private_key = (entrance.private_key or "").removeprefix("private half of ")
        if private_key not in self.private.get(name, {private_key}):
            raise Denied(f"{url} needs authentication.")
        if not (self.root / f"{name}.git").exists():
            raise NotFound(f"There is no git repository at {url}.")
        return self.root / f"{name}.git", host_key

    async def _git(self, path, *arguments):
        argv = ["git", "-C", str(path), *arguments]
        return (await asyncio.to_thread(subprocess.run, argv, check=True, capture_output=True, text=True)).stdout
