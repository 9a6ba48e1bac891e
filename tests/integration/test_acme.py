"""Certificates by ACME, with a real server that validates."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from skypanel.domain.certificate import AuthorityError
from skypanel.drivers.acme.authority import AcmeAuthority
from tests.contracts.certificates import CERTIFICATES, NAME, CertificateAuthorityContract, challenge, issued, make_account
from tests.fixtures.pebble import answering, running_front, running_pebble
from tests.support.ports import free_ports

pytestmark = pytest.mark.req("R13.4")


@pytest.fixture
def authority():
    return AcmeAuthority()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pebble")


@pytest.fixture(scope="module")
def pebble(folder):
    with running_pebble(folder) as running:
        yield running


@pytest.fixture
async def front(pebble, authority, folder):
    async with running_front(pebble, folder, authority.close) as running:
        yield running


@pytest.fixture
async def prove(pebble):
    proofs = {}
    async with answering(pebble, proofs):
        yield proofs.__setitem__


@pytest.fixture
def nowhere(pebble):
    return replace(pebble.authority, directory=f"https://localhost:{free_ports(1)[0]}/dir")


class TestAcmeAuthority(CertificateAuthorityContract):
    @pytest.fixture
    def ca(self, pebble):
        return pebble.authority


def problem(code, status=429, **headers):
    body = {"type": f"urn:ietf:params:acme:error:{code}", "detail": "not\nnow", "subproblems": [{"type": "x", "detail": "nor www"}]}
    return web.json_response(body, status=status, headers=headers, content_type="application/problem+json")


async def test_the_ca_rejects_most_nonces_and_reuses_authorizations(authority, tmp_path):
    odd = {"PEBBLE_WFE_NONCEREJECT": "60", "PEBBLE_AUTHZREUSE": "100"}
    with running_pebble(tmp_path / "odd", **odd) as pebble:
        proofs, key = {}, CERTIFICATES.make_key()
        account = await make_account(authority, pebble.authority)
        async with answering(pebble, proofs):
            chain = await issued(authority, account, proofs.__setitem__, key)
        assert CERTIFICATES.read(chain, key).names == (NAME,)
        again = await authority.order(account, CERTIFICATES.request(key, [NAME]))
        assert (again.status, again.authorizations[0].status) == ("ready", "valid")


async def test_an_account_at_the_ca_is_bound(authority, tmp_path):
    secret = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
    with running_pebble(tmp_path / "bound", eab={"kid-1": secret}) as pebble:
        with pytest.raises(AuthorityError) as error:
            await make_account(authority, pebble.authority)
        assert error.value.code == "externalAccountRequired"
        with pytest.raises(AuthorityError, match="The certificate authority says"):
            await make_account(authority, replace(pebble.authority, eab_kid="kid-1", eab_key=f"{secret[:-1]}A"))
        bound = replace(pebble.authority, eab_kid="kid-1", eab_key=secret)
        assert (await make_account(authority, bound)).url


async def test_what_the_ca_says_and_when_to_ask_again_are_kept(authority, front):
    account = await make_account(authority, front.authority)
    request = CERTIFICATES.request(CERTIFICATES.make_key(), [NAME])
    front.answers["order-plz"] = [problem("rateLimited", **{"Retry-After": "3600"})]
    with pytest.raises(AuthorityError) as error:
        await authority.order(account, request)
    assert error.value.message == "The certificate authority says: not now nor www"
    assert (error.value.code, error.value.retry_after) == ("rateLimited", timedelta(hours=1))
    assert challenge(await authority.order(account, request)).token


async def test_the_ca_says_when_to_renew(authority, front, prove):
    key = CERTIFICATES.make_key()
    chain = await issued(authority, await make_account(authority, front.authority), prove, key)
    base = front.authority.directory.removesuffix("/dir")
    window = {"start": "2031-05-06T07:00:00Z", "end": "2031-05-06T09:00:00Z"}
    front.answers["dir"] = [web.json_response({"newNonce": f"{base}/nonce-plz", "renewalInfo": f"{base}/renewal"})]
    front.answers["renewal"] = [web.json_response({"suggestedWindow": window}, headers={"Retry-After": "600"})]
    info = await authority.renewal_info(front.authority, chain)
    assert datetime(2031, 5, 6, 7, tzinfo=UTC) <= info.renew_at <= datetime(2031, 5, 6, 9, tzinfo=UTC)
    assert timedelta(minutes=9) < info.check_after <= timedelta(minutes=10)
    front.answers["renewal"] = [problem("rateLimited", **{"Retry-After": "3600"})]
    with pytest.raises(AuthorityError, match="The certificate authority"):
        await authority.renewal_info(front.authority, chain)


async def test_answers_that_make_no_sense_are_errors_of_the_ca(authority, front):
    account = await make_account(authority, front.authority)
    request = CERTIFICATES.request(CERTIFICATES.make_key(), [NAME])
    for body in ("<html>busy</html>", "[]", '{"status": "sleepy"}', '{"detail": 5}', ""):
        for status in (200, 503):
            response = web.Response(status=status, text=body, content_type="application/json", headers={"Retry-After": "7"})
            front.answers["order-plz"] = [response]
            with pytest.raises(AuthorityError, match="The certificate authority") as error:
                await authority.order(account, request)
            assert error.value.retry_after == timedelta(seconds=7)


async def test_a_ca_that_is_too_slow_is_given_up(authority, front, monkeypatch):
    monkeypatch.setattr("skypanel.drivers.acme.authority.CALL_S", 0.2)
    front.delay = asyncio.Event()
    with pytest.raises(AuthorityError, match=r"no answer within 0\.2 s"):
        await make_account(authority, front.authority)
    front.delay.set()


async def test_a_ca_that_the_machine_does_not_trust_is_not_used(authority, pebble):
    with pytest.raises(AuthorityError, match="certificate verify failed"):
        await make_account(authority, replace(pebble.authority, trusted=""))
    with pytest.raises(AuthorityError, match="refused"):
        await make_account(authority, replace(pebble.authority, directory="https://127.0.0.1:1/dir"))
