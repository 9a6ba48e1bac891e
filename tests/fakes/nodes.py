import asyncio
import hashlib
from contextlib import asynccontextmanager
from dataclasses import replace

from skypanel.domain.errors import Conflict, Denied, NotFound, Unavailable
from skypanel.domain.manifest import Exit
from skypanel.domain.node import Availability, JoinOffer, SwarmMember
from skypanel.ports.builder import StepFailed


class FakeSwarm:
    """A Swarm whose members tests add. The tasks of a draining member move to another one that is active, if there is one."""

    stack_images = ("skypanel/run:1",)

    def __init__(self):
        self.known = {}
        self.images = {}
        self.gone = False

    def join(self, member_id, *, tasks=0, availability=Availability.DRAIN):
        self.known[member_id] = SwarmMember(
            member_id, f"host of {member_id}", "10.0.0.2", is_ready=True, availability=availability, tasks=tasks
        )

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

    async def join_offer(self):
        self._check()
        return JoinOffer("10.0.0.1:2377", "SWMTKN-1-secret")

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

    `fed` has the input of commands, by command. `hold` is a word and an event: commands with the word wait for the event.
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
    """Machines by address. Other addresses do not answer."""

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
            raise Conflict(f"The host key of {login.address} has changed: it may be another machine. Nothing was done.")
        if machine.secret != login.secret:
            raise Denied(f"{login.address} rejects this {login.kind.value} for the user {login.user}.")
        yield machine

    def _at(self, address):
        if address not in self.machines:
            raise Unavailable(f"No SSH server answers at {address}.")
        return self.machines[address]
