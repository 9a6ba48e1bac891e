import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypanel.domain.config_vars import MAX_KEY_LENGTH, MAX_VALUE_BYTES, RESERVED_KEYS, check_key, check_value, warning, warnings
from skypanel.domain.errors import Invalid


@pytest.mark.req("R12.5")
@given(st.from_regex(r"\A[A-Z0-9_]{1,40}\Z").filter(lambda key: key not in RESERVED_KEYS))
def test_capital_letters_digits_and_underscores_are_a_key(key):
    assert check_key(key) == key


@pytest.mark.req("R12.5")
@given(st.text().filter(lambda key: not re.fullmatch("[A-Z0-9_]+", key)))
def test_all_else_is_not(key):
    with pytest.raises(Invalid, match="not a valid config var name"):
        check_key(key)


@pytest.mark.req("R12.5")
@pytest.mark.parametrize(
    ("key", "twin"),
    [("http_proxy", "HTTP_PROXY"), ("npm_config_registry", "NPM_CONFIG_REGISTRY"), ("Foo", "FOO"), ("foo-bar.baz", "FOO_BAR_BAZ")],
)
def test_who_writes_a_name_in_other_letters_is_told_the_one_that_works(key, twin):
    with pytest.raises(Invalid, match=f"Set {twin} instead: names here are up to 255 capital letters"):
        check_key(key)
    assert check_key(twin) == twin


@pytest.mark.parametrize("key", ["", "é", "port", "a" * 256, "a=b", "A\n"])
def test_no_name_is_proposed_that_cannot_be_had(key):
    with pytest.raises(Invalid, match=r"config var name\. Use up to 255"):
        check_key(key)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("LD_PRELOAD", "how every program in a dyno is loaded"), ("LD_LIBRARY_PATH", "is loaded"),
        ("PATH", "where a dyno finds its commands"),
        ("BASH_ENV", "runs before the app"), ("HOME", "HOME is /app in every dyno"), ("1FOO", "starts with a digit"),
    ],
)  # fmt: skip
def test_who_sets_a_name_that_does_not_just_reach_the_app_is_told_so(key, words):
    assert words in warning(check_key(key))
    assert warnings({key: "x", "GREETING": "hi"}) == (warning(key),)
    assert warnings({key: None}) == ()


@pytest.mark.parametrize("key", ["GREETING", "HTTP_PROXY", "DATABASE_URL", "NODE_OPTIONS", "_"])
def test_of_other_names_nothing_is_said(key):
    assert warning(key) is None


@pytest.mark.req("R12.5")
def test_a_key_names_a_file():
    assert check_key("A" * MAX_KEY_LENGTH)
    with pytest.raises(Invalid, match="up to 255"):
        check_key("A" * (MAX_KEY_LENGTH + 1))


@pytest.mark.req("R12.4")
@pytest.mark.parametrize("key", ["PORT", "DYNO", "PS"])
def test_what_the_platform_sets_is_reserved(key):
    with pytest.raises(Invalid, match=f"{key} is set by the platform"):
        check_key(key)


@pytest.mark.parametrize("value", ["", "two\nlines", "☃", "x" * MAX_VALUE_BYTES])
def test_values(value):
    assert check_value("KEY", value) == value


@pytest.mark.parametrize("value", ["hush\0", "hush" * MAX_VALUE_BYTES, "é" * (MAX_VALUE_BYTES // 2 + 1), "hush\ud800"])
def test_a_value_that_cannot_be_is_not_repeated(value):
    with pytest.raises(Invalid, match="The value of KEY") as refused:
        check_value("KEY", value)
    assert "hush" not in str(refused.value)
