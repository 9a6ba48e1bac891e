"""Every form, sent a second time, does nothing more: after a double click, Back or a reload."""

import re

import pytest

from tests.fixtures.git_host import publish
from tests.fixtures.web import ORIGIN
from tests.support.pages import addresses, names
from tests.support.rewound import Rewound
from tests.support.roles import PAGES, STANDINGS
from tests.support.world import AFTER, filled, make_world

OWNER = STANDINGS[-1]
KEY = "5c0e3f6f5d8b4b7c"
FORM = re.compile(r'<form\b[^>]*method="post".*?</form>', re.DOTALL)


@pytest.fixture
async def database(database):
    return Rewound(database)


@pytest.fixture
async def world(stage):
    return await make_world(stage)


async def test_each_form_sent_again_does_nothing_more(client, world):
    publish(world.panel.remotes.root, "app")
    owner = world.of(OWNER)
    await client.sign_in(owner.me)
    keys = {"form_token": await client.form_token("/account"), "idempotency_key": KEY}
    for case in PAGES:
        if case.method == "GET":
            continue
        async with owner.undone():
            owner.names |= await AFTER[case.after](owner) if case.after else {}
            told = owner.names | case.names

            async def send(case=case, told=told):
                fields = keys | filled(case.body, told)
                return await client.post(filled(case.path, told), data=fields, headers={"Origin": ORIGIN}, allow_redirects=False)

            first = await send()
            done = await owner.state()
            again = await send()
            answers = (first.status, again.status)
            assert answers in {(303, 303), (200, 409)}, (case.name, case.body, answers)
            assert again.headers.get("Location") == first.headers.get("Location"), (case.name, case.body)
            assert await owner.state() == done, (case.name, case.body)


async def test_each_form_of_each_page_has_a_key(admin, stage, app):
    async with stage.panel.transaction() as conn:
        paths = addresses(await names(conn, app.name))
    found = 0
    for path in paths.values():
        for form in FORM.findall(await admin.page(path)):
            found += 1
            # A passkey's challenge counts once by itself.
            if "data-passkey" in form:
                continue
            assert re.search(r'name="idempotency_key" value="[^"]{16,}"', form), (path, form)
            assert 'name="form_token"' in form, (path, form)
    assert found > len(paths)
