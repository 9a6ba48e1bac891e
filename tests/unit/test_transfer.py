from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

from skypanel.domain.account import Account
from skypanel.domain.transfer import Transfer, TransferState

ADA, BOB = Account(uuid4(), "ada@example.com"), Account(uuid4(), "bob@example.com")
OFFER = Transfer(uuid4(), uuid4(), "hello", ADA, BOB, TransferState.PENDING, datetime.now(UTC))


def test_an_offer_awaits_the_one_it_is_made_to_until_it_is_answered():
    assert OFFER.awaits(BOB.id)
    assert not OFFER.awaits(ADA.id)
    assert not any(replace(OFFER, state=state).awaits(BOB.id) for state in (TransferState.ACCEPTED, TransferState.DECLINED))
