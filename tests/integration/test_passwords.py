import time

import pytest
from argon2.profiles import CHEAPEST

from skypanel.domain.errors import Denied
from skypanel.drivers.crypto.argon2 import Argon2Passwords
from skypanel.flow import passwords as flow
from skypanel.store import audit

PASSWORD = "a long enough password"


@pytest.fixture
def passwords():
    return Argon2Passwords(CHEAPEST)


async def test_a_hash_proves_its_password_and_no_other(passwords):
    kept = await passwords.hash(PASSWORD)
    assert kept.startswith("$argon2id$")
    assert PASSWORD not in kept
    assert await passwords.hash(PASSWORD) != kept
    assert await passwords.verify(kept, PASSWORD)
    assert not await passwords.verify(kept, PASSWORD + " ")
    assert not await passwords.verify(None, PASSWORD)


async def test_a_password_of_nobody_takes_as_much_work_to_refuse():
    passwords = Argon2Passwords()

    async def work_s(kept):
        before = time.process_time()
        for _ in range(4):
            assert not await passwords.verify(kept, "wrong")
        return time.process_time() - before

    kept = await passwords.hash(PASSWORD)
    await passwords.verify(None, "wrong")
    assert 0.5 < await work_s(None) / await work_s(kept) < 2


async def test_who_signs_in_and_sets_passwords_is_on_record(stage):
    await flow.reset(stage.panel, stage.admin, PASSWORD)
    await flow.sign_in(stage.panel, stage.admin.email, PASSWORD, "192.0.2.1")
    with pytest.raises(Denied):
        await flow.sign_in(stage.panel, stage.admin.email, "wrong", "192.0.2.1")
    async with stage.panel.transaction() as conn:
        failed, *deeds = await audit.recent(conn, 3)
    assert (failed.action, failed.account_id, failed.details) == ("account.sign_in_failed", None, {"account": stage.admin.email})
    assert [(deed.action, deed.email) for deed in deeds] == [
        ("account.sign_in", stage.admin.email),
        ("account.set_password", stage.admin.email),
    ]
