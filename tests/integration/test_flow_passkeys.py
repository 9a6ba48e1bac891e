"""Passkeys, on a real database, with an authenticator in software."""

import json

import pytest

from skypanel.domain.errors import Conflict, Denied, Invalid, NotFound, Throttled
from skypanel.domain.passkey import RelyingParty
from skypanel.domain.password import MOST_HERE
from skypanel.flow import accounts, passkeys, people, two_factor
from tests.fixtures.web import ORIGIN
from tests.support.authenticator import PRESENT, Authenticator

PARTY = RelyingParty("skypanel.localhost", ORIGIN)
HERE = "192.0.2.1"


@pytest.fixture
def phone():
    return Authenticator(ORIGIN)


async def add(stage, phone, account=None, name="my phone", party=PARTY):
    account = account or stage.admin
    question = await passkeys.question_to_add(stage.panel, account, party)
    return await passkeys.add(stage.panel, account, PARTY, name, question.challenge, phone.create(question.options))


async def sign_in(stage, phone, party=PARTY, address=HERE):
    question = await passkeys.question_to_sign_in(stage.panel, party)
    return await passkeys.sign_in(stage.panel, PARTY, question.challenge, phone.get(question.options), address, "a browser")


async def test_a_passkey_signs_in_without_a_code(stage, phone):
    added = await add(stage, phone)
    await two_factor.begin(stage.panel, stage.admin)
    session = await sign_in(stage, phone)
    assert await accounts.session_account(stage.panel, session) == stage.admin
    [used] = await passkeys.of(stage.panel, stage.admin)
    assert (used.id, used.name, used.credential.sign_count) == (added.id, "my phone", 1)
    assert used.last_used_at > used.created_at
    assert added.last_used_at is None


async def test_an_answer_counts_once_and_not_too_late(stage, phone):
    await add(stage, phone)
    question = await passkeys.question_to_sign_in(stage.panel, PARTY)
    answer = phone.get(question.options)
    assert await passkeys.sign_in(stage.panel, PARTY, question.challenge, answer, HERE, "")
    # Its count would tell as well, which many authenticators leave at 0.
    phone.count = 10
    again = phone.get(question.options)
    for each in (answer, again):
        with pytest.raises(Invalid):
            await passkeys.sign_in(stage.panel, PARTY, question.challenge, each, HERE, "")
    question = await passkeys.question_to_sign_in(stage.panel, PARTY)
    stage.panel.clock.advance(360)
    with pytest.raises(Invalid, match="too long"):
        await passkeys.sign_in(stage.panel, PARTY, question.challenge, phone.get(question.options), HERE, "")


async def test_a_challenge_is_the_panels_own_and_for_one_purpose(stage, phone):
    await add(stage, phone)
    to_add = await passkeys.question_to_add(stage.panel, stage.admin, PARTY)
    options = json.loads((await passkeys.question_to_sign_in(stage.panel, PARTY)).options)
    options["challenge"] = json.loads(to_add.options)["challenge"]
    for challenge in (to_add.challenge, "", "mine", "é"):
        with pytest.raises(Invalid):
            await passkeys.sign_in(stage.panel, PARTY, challenge, phone.get(json.dumps(options)), HERE, "")


@pytest.mark.parametrize(
    ("origin", "party"),
    [("http://evil.localhost:8080", PARTY), (ORIGIN, RelyingParty("evil.localhost", ORIGIN))],
    ids=["origin", "host"],
)
async def test_a_passkey_of_another_site_does_not_count(stage, origin, party):
    with pytest.raises(Invalid):
        await add(stage, Authenticator(origin), party=party)
    phone = Authenticator(ORIGIN)
    await add(stage, phone)
    phone.origin = origin
    with pytest.raises(Invalid):
        await sign_in(stage, phone, party)


async def test_a_passkey_must_verify_its_user(stage, phone):
    with pytest.raises(Invalid):
        await add(stage, Authenticator(ORIGIN, PRESENT))
    await add(stage, phone)
    phone.flags = PRESENT
    with pytest.raises(Invalid):
        await sign_in(stage, phone)


async def test_a_copied_passkey_shows_by_its_count(stage, phone):
    await add(stage, phone)
    phone.count = 5
    await sign_in(stage, phone)
    phone.count = 2
    with pytest.raises(Invalid):
        await sign_in(stage, phone)


async def test_a_removed_or_unknown_passkey_does_not_count(stage, phone):
    added = await add(stage, phone)
    with pytest.raises(NotFound):
        await passkeys.remove(stage.panel, await stage.outsider(), added.id)
    await passkeys.remove(stage.panel, stage.admin, added.id)
    with pytest.raises(Denied, match="not known here"):
        await sign_in(stage, phone)
    with pytest.raises(NotFound):
        await passkeys.remove(stage.panel, stage.admin, added.id)


async def test_a_passkey_is_one_accounts_and_has_a_name(stage, phone):
    await add(stage, phone)
    outsider = await stage.outsider()
    with pytest.raises(Conflict):
        await add(stage, phone, outsider)
    for name in ("", " ", "x" * 61, "a\nb"):
        with pytest.raises(Invalid):
            await add(stage, Authenticator(ORIGIN), name=name)
    # Authenticators that have one already are told so.
    excluded = json.loads((await passkeys.question_to_add(stage.panel, stage.admin, PARTY)).options)["excludeCredentials"]
    assert len(excluded) == 1


async def test_a_disabled_account_has_no_use_for_its_passkeys(stage, phone):
    outsider = await stage.outsider()
    await add(stage, phone, outsider)
    await people.disable(stage.panel, outsider, stage.admin)
    with pytest.raises(Denied):
        await sign_in(stage, phone)


async def test_a_reset_of_second_factors_removes_passkeys(stage, phone):
    await add(stage, phone)
    await people.reset(stage.panel, stage.admin, stage.admin)
    assert await passkeys.of(stage.panel, stage.admin)
    await people.reset(stage.panel, stage.admin, stage.admin, second_factors=True)
    assert not await passkeys.of(stage.panel, stage.admin)


@pytest.mark.parametrize("answer", ["", "{}", "[]", "null", '{"id": "a", "rawId": "b"}', "\x00", '{"id": 1}'])
async def test_whatever_is_no_answer_is_refused_and_throttled(stage, answer):
    question = await passkeys.question_to_sign_in(stage.panel, PARTY)
    for _ in range(MOST_HERE):
        with pytest.raises(Invalid):
            await passkeys.sign_in(stage.panel, PARTY, question.challenge, answer, HERE, "")
    with pytest.raises(Throttled):
        await passkeys.sign_in(stage.panel, PARTY, question.challenge, answer, HERE, "")
    adding = await passkeys.question_to_add(stage.panel, stage.admin, PARTY)
    with pytest.raises(Invalid):
        await passkeys.add(stage.panel, stage.admin, PARTY, "phone", adding.challenge, answer)
