"""What every endpoint answers to who may ask, to the letter: what clients see of a change shows in tests/support/api_answers.json.

To accept one, delete that file and run this test: it writes the file, and fails.
"""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from skypanel.flow import accounts as accounts_flow
from tests.fixtures.api import Api
from tests.support.rewound import Rewound
from tests.support.roles import API, DONE, STANDINGS
from tests.support.world import AFTER, filled, make_world

FILE = Path(__file__).parents[1] / "support/api_answers.json"
# Whose values differ from run to run, and say nothing of what is answered.
CHANGING = {"Content-Length", "Date", "Request-Id", "RateLimit-Remaining", "Server"}
SECRETS = (
    (r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<id>"),
    (r"[0-9]{4}(?:-[0-9]{2}){2}T[0-9]{2}(?::[0-9]{2}){2}Z", "<time>"),
    (r"(/streams/[a-z]+)/[\w=.-]+", r"\1/<ticket>"),
    (r"(login\?token=)[\w-]+", r"\1<secret>"),
    (r'(/sources/)[\w-]{43}"', r'\1<secret>"'),
    (r'("token": ")[\w-]+"', r'\1<secret>"'),
    (r"person[0-9]+@", "person@"),
    (r"\brun\.[0-9]{4}", "run.<number>"),
    (r"\bcertificate-[0-9a-f]{8}\b", "certificate-<id>"),
    (r"(the value )[0-9a-f]{32}\b", r"\1<secret>"),
    (r'W/"[0-9a-f]{32}"', "W/<tag>"),
)


@pytest.fixture
async def database(database):
    return Rewound(database)


def masked(text):
    for pattern, word in SECRETS:
        text = re.sub(pattern, word, text)
    return text


def shown(response, text):
    """Return what is the same in each run; lists that go by ids go by what else they say."""
    headers = {name: masked(value) for name, value in sorted(response.headers.items()) if name not in CHANGING}
    body = masked(text)
    if response.content_type == "application/json":
        # Spaced as it always was, which the file does not show.
        assert text == json.dumps(json.loads(text)), text
        body = json.loads(body)
    if isinstance(body, list):
        body.sort(key=json.dumps)
    return {"status": response.status, "headers": headers, "body": body}


async def test_each_endpoint_answers_as_it_always_did(api, stage):
    world = await make_world(stage)
    found, times, owner = {}, Counter(), STANDINGS[-1]
    # Who runs the panel may ask for some things that are nobody else's.
    for standing in (owner, STANDINGS[0]):
        me = world.people[standing]
        token, secret = await accounts_flow.authorize(world.panel, me, "mine", "global", None, by=me)
        caller = world.of(standing, token_id=token.id, server=api.client.app)
        client = Api(api.client, stage, secret)
        for case in API:
            # The document has a test of its own.
            if case.path == "/schema" or case.verdict(standing) != DONE or (standing != owner and case.verdict(owner) == DONE):
                continue
            times[case.name] += 1
            async with caller.undone():
                caller.names |= await AFTER[case.after](caller) if case.after else {}
                names = caller.names | case.names
                response = await client.call(case.method, filled(case.path, names), filled(case.body, names))
                found[f"{case.name} {times[case.name]}"] = shown(response, await response.text())
    if not FILE.exists():
        lines = [f"{json.dumps(name)}: {json.dumps(answer)}" for name, answer in found.items()]
        FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
        pytest.fail("It is written down now: look at what changed.")
    known = json.loads(FILE.read_text())
    for name, answer in found.items():
        assert answer == known[name], name
    assert found.keys() == known.keys()
