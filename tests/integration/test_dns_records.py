"""TXT records that the panel writes to a real DNS server."""

import asyncio
from dataclasses import replace

import pytest

from skypanel.domain.dns import RecordType, Server
from skypanel.domain.errors import Unavailable
from skypanel.drivers.dns import updates
from skypanel.drivers.dns.authoritative import AuthoritativeDns
from skypanel.drivers.dns.updates import UpdatedRecords
from tests.contracts.dns_records import NAME, DnsRecordsContract
from tests.fixtures.bind import FIXED_ZONE, OTHER_ZONE, SECRET, running_bind
from tests.support.ports import free_ports

pytestmark = pytest.mark.req("R13.4")


@pytest.fixture(scope="module")
def bind(tmp_path_factory):
    with running_bind(tmp_path_factory.mktemp("bind")) as running:
        yield running


@pytest.fixture
def shown(bind):
    async def ask(name):
        return await asyncio.to_thread(bind.texts, name)

    return ask


class TestUpdatedRecords(DnsRecordsContract):
    @pytest.fixture(params=["", "example.com"])
    def records(self, bind, request):
        return UpdatedRecords(replace(bind.access, zone=request.param))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"key_name": "another"}, r"does not know the key \(BADKEY\)"),
        ({"key_secret": SECRET[::-1]}, r"finds the signature wrong \(BADSIG\)"),
        ({"key_algorithm": "hmac-sha512"}, r"does not know the key \(BADKEY\)"),
        ({"key_name": ""}, r"refuses to change example\.com \(REFUSED\)"),
        ({"zone": "example.info"}, r"is not responsible for example\.info \(NOTAUTH\)"),
        ({"zone": OTHER_ZONE}, rf"says that the name is not in {OTHER_ZONE} \(NOTZONE\)"),
    ],
)
async def test_what_the_server_refuses_is_said_in_words(bind, shown, wrong, words):
    with pytest.raises(Unavailable, match=rf"The DNS server 127\.0\.0\.1:{bind.port} {words}\.") as error:
        await UpdatedRecords(replace(bind.access, **wrong)).publish(NAME, "proof")
    assert error.value.hint
    assert SECRET not in f"{error.value!r} {bind.access!r}"
    assert await shown(NAME) == set()


async def test_a_zone_without_updates_and_a_name_without_a_zone(bind):
    with pytest.raises(Unavailable, match=rf"refuses to change {FIXED_ZONE} \(REFUSED\)"):
        await UpdatedRecords(bind.access).publish(f"_acme-challenge.{FIXED_ZONE}", "proof")
    with pytest.raises(Unavailable, match=r"has no zone for _acme-challenge\.example\.info\."):
        await UpdatedRecords(bind.access).publish("_acme-challenge.example.info", "proof")


async def test_a_server_that_does_not_answer_or_answers_nonsense(bind, monkeypatch):
    nowhere = replace(bind.access, server=Server("127.0.0.1", free_ports(1)[0]))
    with pytest.raises(Unavailable, match="cannot be reached: "):
        await UpdatedRecords(nowhere).publish(NAME, "proof")
    monkeypatch.setattr(updates, "UPDATE_S", 0.2)
    for answer, words in (
        (None, r"does not answer within 0\.2 s"),
        (b"\0\x04junk", "does not answer as it should"),
        (b"", "cannot be reached"),
    ):

        async def serve(reader, writer, answer=answer):
            if answer is None:
                await reader.read()
            else:
                writer.write(answer)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            odd = replace(bind.access, server=Server("127.0.0.1", server.sockets[0].getsockname()[1]))
            with pytest.raises(Unavailable, match=words):
                await UpdatedRecords(odd).publish(NAME, "proof")


async def test_each_server_of_the_zone_is_asked_for_a_new_record(bind):
    resolver = AuthoritativeDns(bind.port)
    records = UpdatedRecords(bind.access)
    await records.publish(NAME, "proof")
    [found] = await resolver.look_up_each(NAME, RecordType.TXT, [bind.server])
    assert found.values == ("proof",)
    await records.remove(NAME, "proof")
    [found] = await resolver.look_up_each(NAME, RecordType.TXT, [bind.server])
    assert found.values == ()
