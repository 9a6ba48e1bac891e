"""What is said of a body that does not fit: the same sentences for every endpoint."""

import json

import pytest
from msgspec import UNSET

from skypanel.domain.errors import Invalid
from web.api.account import NewAuthorization, NewPassword
from web.api.apps import AppChange, NewApp
from web.api.bodies import Fields, Text, check_empty, read
from web.api.builds import NewBuild
from web.api.formation import Scaling, Scalings
from web.api.one_offs import NewDyno
from web.api.teams import MemberChange

UNREADABLE = "The body is not valid JSON. Send one JSON object in UTF-8, without deep nesting."
TWICE = "The body contains a field twice. Send each field once."


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        (NewApp, b"{", UNREADABLE),
        (NewApp, b"{}{}", UNREADABLE),
        (NewApp, b"\xff", UNREADABLE),
        (NewApp, b'{"name": NaN}', UNREADABLE),
        (NewApp, b"[" * 100_000, UNREADABLE),
        (Scaling, b'{"quantity": ' + b"9" * 5000 + b"}", UNREADABLE),
        (NewApp, b'{"name": "a", "name": "b"}', TWICE),
        (NewBuild, b'{"source_blob": {"url": "a", "url": "b"}}', TWICE),
        (NewApp, b"[]", "The body has the wrong type. Give an object."),
        (NewApp, b"null", "The body has the wrong type. Give an object."),
        (NewApp, b'{"name": 1}', "name has the wrong type. Give a string."),
        (NewApp, b'{"name": null}', "name has the wrong type. Give a string."),
        (NewApp, b'{"region": 1}', "region has the wrong type. Give a string or null."),
        (NewApp, b'{"naem": "a"}', "There is no field 'naem' here. Known fields: name, region, stack."),
        (NewApp, b'{"name": "a\\u0000"}', "name has characters that cannot be stored. Remove NUL characters and lone surrogates."),
        (NewApp, b'{"name": "\\ud800"}', "name has characters that cannot be stored. Remove NUL characters and lone surrogates."),
        (NewApp, json.dumps({"name": "a" * 256}).encode(), "name is too long. Give at most 255 characters."),
        (MemberChange, b'{"email": "a@b"}', "role is missing. Add the field role."),
        (MemberChange, b'{"nothing": 1}', "email is missing. Add the field email."),
        (AppChange, b'{"maintenance": 2}', "maintenance has the wrong type. Give true or false."),
        (NewDyno, b'{"command": "true", "attach": 1}', "attach has the wrong type. Give true or false or null."),
        (NewDyno, b'{"command": "true", "env": []}', "env has the wrong type. Give an object."),
        (NewDyno, b'{"command": "true", "env": {"A": true}}', "'A' has the wrong type. Give a string."),
        (Scaling, b'{"quantity": true}', "quantity has the wrong type. Give a whole number."),
        (Scaling, b'{"quantity": 1.0}', "quantity has the wrong type. Give a whole number."),
        (Scaling, b'{"quantity": -1}', "quantity is out of range. Give a number from 0 to 2147483647."),
        (Scaling, b'{"quantity": 12345678901234567890}', "quantity is out of range. Give a number from 0 to 2147483647."),
        (Scalings, b'{"updates": {}}', "updates has the wrong type. Give a list."),
        (Scalings, b'{"updates": [1]}', "An item of updates has the wrong type. Give an object."),
        (Scalings, b'{"updates": [{"quantity": 1}]}', "type is missing. Add the field type."),
        (NewAuthorization, b'{"scope": [null]}', "An item of scope has the wrong type. Give a string."),
        (NewAuthorization, json.dumps({"scope": ["a"] * 101}).encode(), "scope has more than 100 items. Send several requests."),
        (Fields[Text], json.dumps(dict.fromkeys(range(101), "")).encode(), "The body has more than 100 fields. Send several requests."),
        (Fields[Text | None], b'{"KEY\\n": 1}', r"'KEY\n' has the wrong type. Give a string or null."),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_in_a_sentence(kind, body, said):
    with pytest.raises(Invalid) as refused:
        read(body, kind)
    assert str(refused.value) == said


def test_what_fits_is_a_value_of_its_type():
    assert read(b" ", NewApp) == NewApp()
    assert read(b'{"region": null}', NewApp).name is UNSET
    assert read(b'{"maintenance": 1}', AppChange).maintenance == 1
    assert read(b'{"updates": [{"type": "web", "quantity": "+1"}]}', Scalings).updates[0].quantity == "+1"
    assert read(b'{"A": null, "B": "b"}', Fields[Text | None]) == {"A": None, "B": "b"}


def test_where_there_is_to_be_no_body_one_that_says_nothing_is_none():
    for body in (b"", b"{}", b"null", b"[]", b"0"):
        check_empty(body)
    for body, said in (
        (b"[1]", "The body has the wrong type. Give an object."),
        (b'{"a": 1}', "There is no field 'a' here. Known fields: none."),
    ):
        with pytest.raises(Invalid) as refused:
            check_empty(body)
        assert str(refused.value) == said


def test_what_a_body_holds_does_not_show_where_it_is_written_down():
    body = read(b'{"password": "hunter2", "new_password": "hunter3"}', NewPassword)
    assert (body.password, repr(body)) == ("hunter2", "NewPassword(...)")
