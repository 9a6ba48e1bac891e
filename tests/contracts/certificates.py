"""The contract of the port CertificateAuthority.

A subclass provides the fixtures `authority`, `ca`, `nowhere` and `prove`. `ca` is the Authority to ask, `nowhere` one that does not answer.
`prove` publishes the proof of a challenge's token, as HTTP-01 wants it.
"""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from skypanel.domain.certificate import AcmeAccount, AuthorityError, ChallengeKind, Status
from skypanel.drivers.crypto.x509 import X509Certificates
from tests.support.until import until

NAME = "www.example.com"
CERTIFICATES = X509Certificates()


async def make_account(authority, ca):
    key = CERTIFICATES.make_key()
    return AcmeAccount(ca, key, await authority.register(ca, key))


def challenge(order, kind=ChallengeKind.HTTP):
    return next(each for each in order.authorizations[0].challenges if each.kind is kind)


async def settled(authority, account, order, *unsettled):
    """Return an order once it is in none of these states."""
    found = await authority.look_up(account, order.url)

    async def is_settled():
        nonlocal found
        found = await authority.look_up(account, order.url)
        return found.status not in unsettled

    await until(is_settled)
    return found


async def ready(authority, account, prove, request):
    order = await authority.order(account, request)
    found = challenge(order)
    prove(found.token, found.proof)
    await authority.answer(account, found.url)
    return await settled(authority, account, order, Status.PENDING)


async def issued(authority, account, prove, key, name=NAME):
    request = CERTIFICATES.request(key, [name])
    order = await ready(authority, account, prove, request)
    assert order.status is Status.READY
    await authority.finalize(account, order.finalize_url, request)
    done = await settled(authority, account, order, Status.READY, Status.PROCESSING)
    assert done.status is Status.VALID
    return await authority.fetch(account, done.certificate_url)


class CertificateAuthorityContract:
    @pytest.fixture
    async def account(self, authority, ca):
        return await make_account(authority, ca)

    @pytest.fixture
    def key(self):
        return CERTIFICATES.make_key()

    @pytest.fixture
    def request_(self, key):
        return CERTIFICATES.request(key, [NAME])

    async def test_a_key_has_one_account(self, authority, ca, account):
        assert await authority.register(ca, account.key) == account.url
        assert (await make_account(authority, ca)).url != account.url

    async def test_a_certificate_is_issued_to_who_proves_its_name(self, authority, account, prove, key):
        chain = await issued(authority, account, prove, key)
        facts = CERTIFICATES.read(chain, key)
        assert facts.names == (NAME,)
        assert facts.not_before <= datetime.now(UTC) < facts.not_after
        assert chain.count("BEGIN CERTIFICATE") > 1
        assert await authority.renewal_info(account.authority, chain) is None

    async def test_an_order_says_what_it_wants(self, authority, account, request_):
        order = await authority.order(account, request_)
        assert (order.status, order.authorizations[0].name, order.authorizations[0].status) == (Status.PENDING, NAME, Status.PENDING)
        found = challenge(order)
        assert found.proof.startswith(f"{found.token}.")
        assert challenge(order, ChallengeKind.DNS).proof not in {"", found.proof}
        assert await authority.look_up(account, order.url) == order

    async def test_a_wildcard_is_proved_by_dns_only(self, authority, account, key):
        order = await authority.order(account, CERTIFICATES.request(key, ["*.example.com"]))
        [authorization] = order.authorizations
        assert authorization.name == "example.com"
        assert {each.kind for each in authorization.challenges} == {ChallengeKind.DNS}

    async def test_a_wrong_proof_ends_the_order_with_the_reason(self, authority, account, request_, prove):
        order = await authority.order(account, request_)
        found = challenge(order)
        prove(found.token, "wrong")
        await authority.answer(account, found.url)
        refused = await settled(authority, account, order, Status.PENDING)
        assert refused.status is Status.INVALID
        assert refused.authorizations[0].status is Status.INVALID
        assert challenge(refused).problem.startswith("The certificate authority says: ")

    async def test_an_order_that_is_not_ready_is_not_finalized(self, authority, account, request_):
        order = await authority.order(account, request_)
        with pytest.raises(AuthorityError, match="The certificate authority says: ") as error:
            await authority.finalize(account, order.finalize_url, request_)
        assert error.value.code == "orderNotReady"

    async def test_an_account_that_the_ca_does_not_know_is_refused(self, authority, account, request_):
        with pytest.raises(AuthorityError) as error:
            await authority.order(replace(account, url=f"{account.url}0"), request_)
        assert error.value.code == "accountDoesNotExist"

    async def test_a_ca_that_does_not_answer_is_named(self, authority, nowhere, account, request_):
        with pytest.raises(AuthorityError, match=f"The certificate authority at {nowhere.directory} does not answer as") as error:
            await authority.order(replace(account, authority=nowhere), request_)
        assert (error.value.code, error.value.retry_after) == ("", None)

    async def test_a_certificate_is_revoked_once(self, authority, account, prove, key):
        chain = await issued(authority, account, prove, key)
        await authority.revoke(account, chain)
        await authority.revoke(account, chain)
