"""Whatever the document allows is sent: no answer is an error of ours, and each is one that the document tells of."""

import asyncio
import copy

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.fixtures.api import ACCEPT, HOST

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance, response_schema_conformance]
EXAMPLES = 10
# What there is, beside whatever else may be asked for.
KNOWN = {"app": "hello", "type": "web", "dyno": "web.1", "release": "1", "stack": "heroku-24", "team": "Main"}
# These take away what the others ask for, or by what they ask.
LAST = ("/oauth/sessions/~", "/apps/{app}", "/teams/{team}")


def with_what_there_is(document):
    changed = copy.deepcopy(document)
    for operations in changed["paths"].values():
        for operation in operations.values():
            for parameter in operation["parameters"]:
                if parameter["name"] in KNOWN:
                    parameter["schema"] = {"anyOf": [{"const": KNOWN[parameter["name"]]}, parameter["schema"]]}
    return changed


def call_all(operation, base, token):
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def call(case):
        headers = {"Host": HOST, "Accept": ACCEPT, "X-Forwarded-Proto": "https", "Authorization": f"Bearer {token}"}
        case.call_and_validate(base_url=base, headers=headers, checks=CHECKS, timeout=30)

    call()


async def test_every_operation_answers_as_its_document_says(api, hello, stage):
    document = await api.get("/schema")
    schema = schemathesis.openapi.from_dict(with_what_there_is(document))
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) == sum(map(len, document["paths"].values()))
    operations.sort(key=lambda operation: operation.method.upper() == "DELETE" and operation.path in LAST)
    base = str(api.client.make_url("/")).rstrip("/")
    for operation in operations:
        token = (await api.act_as(stage.admin)).token
        await asyncio.to_thread(call_all, operation, base, token)
