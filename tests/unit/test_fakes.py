from dataclasses import replace
from functools import partial

import pytest

from skypanel.domain.certificate import Authority
from skypanel.domain.limits import BUILD_LIMITS
from skypanel.domain.mail import MailServer, Security
from skypanel.domain.node import Availability, SecretKind, SshLogin
from skypanel.domain.remote import RemoteAccess, parse_url
from skypanel.drivers.clock import SystemClock
from tests.contracts.certificates import CertificateAuthorityContract
from tests.contracts.cipher import CipherContract
from tests.contracts.clock import ClockContract
from tests.contracts.dns import DnsContract
from tests.contracts.dns_records import DnsRecordsContract
from tests.contracts.logs import APP, LogsContract
from tests.contracts.machines import SCRIPTS as COMMANDS
from tests.contracts.machines import MachinesContract
from tests.contracts.mailer import MailerContract
from tests.contracts.objects import ObjectsContract
from tests.contracts.output import OutputContract
from tests.contracts.queue import QueueContract
from tests.contracts.remotes import RemotesContract
from tests.contracts.router import RouterContract
from tests.contracts.swarm import SwarmContract
from tests.contracts.upkeep import UpkeepContract
from tests.contracts.workspace import SCRIPTS, WorkspaceContract
from tests.fakes.certificates import FakeAuthority
from tests.fakes.clock import FakeClock
from tests.fakes.crypto import FakeCipher
from tests.fakes.dns import FakeDns, FakeRecords
from tests.fakes.logs import FakeLogs
from tests.fakes.mail import FakeMailer
from tests.fakes.nodes import FakeMachine, FakeMachines, FakeSwarm
from tests.fakes.objects import FakeObjects
from tests.fakes.output import FakeOutput
from tests.fakes.queue import FakeQueue
from tests.fakes.remotes import FakeRemotes
from tests.fakes.router import FakeRouter
from tests.fixtures.git_host import publish as publish_in
from tests.support.panels import FakeBuilder, FakeUpkeep


class TestFakeObjects(ObjectsContract):
    @pytest.fixture
    def objects(self):
        return FakeObjects()


class TestFakeOutput(OutputContract):
    @pytest.fixture
    def output(self):
        return FakeOutput()


class TestFakeUpkeep(UpkeepContract):
    @pytest.fixture
    def upkeep(self):
        return FakeUpkeep()

    @pytest.fixture
    def leave(self, upkeep):
        return upkeep.left.add

    @pytest.fixture
    def left(self, upkeep):
        return lambda: upkeep.left


class TestFakeClock(ClockContract):
    @pytest.fixture
    def clock(self):
        return FakeClock()


class TestFakeQueue(QueueContract):
    @pytest.fixture
    def queue(self):
        return FakeQueue()

    @pytest.fixture
    def waiting(self, queue):
        return lambda job: queue.woken[job]


class TestFakeRouter(RouterContract):
    @pytest.fixture
    def router(self):
        return FakeRouter()

    @pytest.fixture
    def publish(self):
        """Routes are in force at once, published or not."""
        return lambda *routes: None

    @pytest.fixture
    def router_without_proxy(self):
        return FakeRouter(broken=True)


class TestFakeCipher(CipherContract):
    @pytest.fixture
    def ring(self):
        return FakeRing()


class FakeRing:
    def __init__(self):
        self.cipher = FakeCipher()

    def add_key(self):
        self.cipher.keys.insert(0, self.cipher.keys[0] + 1)

    def retire_keys(self):
        del self.cipher.keys[2:]


class TestFakeMailer(MailerContract):
    @pytest.fixture
    def mailer(self):
        return FakeMailer()

    @pytest.fixture
    def server(self):
        return MailServer("smtp.example.com", 587, Security.STARTTLS, "", "", "skypanel@example.com")

    @pytest.fixture
    def nowhere(self, mailer, server):
        mailer.broken = True
        return server

    @pytest.fixture
    def sent(self, mailer):
        return lambda: [([mail.to], mail.text) for mail in mailer.sent]


class TestFakeLogs(LogsContract):
    @pytest.fixture
    def logs(self):
        return FakeLogs()

    @pytest.fixture
    def say(self, logs):
        def say(dyno, *texts):
            for text in texts:
                logs.add(APP, dyno, text)

        return say


class TestFakeBuilder(WorkspaceContract):
    @pytest.fixture
    async def workspace(self):
        builder = FakeBuilder()
        for script, code, out in SCRIPTS.values():
            builder.answer(script, code=code, out=out)
        async with builder.workspace(None, BUILD_LIMITS) as made:
            yield made


class TestFakeMachines(MachinesContract):
    @pytest.fixture
    def machine(self):
        machine = FakeMachine()
        for script, code, out in COMMANDS.values():
            machine.answer(script, code=code, out=out)
        return machine

    @pytest.fixture
    def machines(self, machine):
        machines = FakeMachines()
        machines.machines["10.0.0.2"] = machine
        return machines

    @pytest.fixture
    def login(self, machine):
        return SshLogin("10.0.0.2", 22, "root", machine.host_key, SecretKind.KEY, machine.secret)

    @pytest.fixture
    def another_secret(self):
        return "another"

    @pytest.fixture
    def renew_host_key(self, machine):
        def renew():
            machine.host_key = "ssh-ed25519 AAAA2"

        return renew

    @pytest.fixture
    def nowhere(self, login):
        return replace(login, address="10.0.0.9")


class TestFakeRemotes(RemotesContract):
    @pytest.fixture
    def remotes(self, tmp_path):
        return FakeRemotes(tmp_path / "elsewhere")

    @pytest.fixture
    def publish(self, remotes):
        return partial(publish_in, remotes.root)

    @pytest.fixture
    def access(self):
        return lambda name: RemoteAccess(parse_url(f"https://example.com/{name}.git"))


class TestFakeSwarm(SwarmContract):
    @pytest.fixture
    def members(self):
        swarm = FakeSwarm()
        swarm.join("manager", availability=Availability.ACTIVE)
        swarm.join("worker")
        swarm.images["an image"] = b"its bytes"
        return swarm

    @pytest.fixture
    def worker(self, members):
        return "worker"

    @pytest.fixture
    def image(self):
        return "an image"

    @pytest.fixture
    def nowhere(self):
        swarm = FakeSwarm()
        swarm.gone = True
        return swarm


class TestFakeDns(DnsContract):
    @pytest.fixture
    def zone(self):
        return FakeDns()

    @pytest.fixture
    def resolver(self, zone):
        return zone


class TestFakeRecords(DnsRecordsContract):
    @pytest.fixture
    def records(self):
        return FakeRecords(FakeDns())

    @pytest.fixture
    def shown(self, records):
        async def ask(name):
            return records.shown(name)

        return ask


class TestFakeAuthority(CertificateAuthorityContract):
    @pytest.fixture
    def proofs(self):
        return {}

    @pytest.fixture
    def authority(self, proofs):
        async def look_up(_name, challenge):
            return proofs.get(challenge.token)

        return FakeAuthority(SystemClock(), look_up)

    @pytest.fixture
    def prove(self, proofs):
        return proofs.__setitem__

    @pytest.fixture
    def ca(self):
        return Authority("https://ca.example.com/directory")

    @pytest.fixture
    def nowhere(self):
        return Authority("https://ca.example.com:1/directory")
