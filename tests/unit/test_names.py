import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypanel.domain.errors import Invalid
from skypanel.domain.names import RESERVED_NAMES, check_app_name, printable


@pytest.mark.parametrize("name", ["a", "hello", "hello-2", "x" * 30])
def test_dns_labels_are_names(name):
    assert check_app_name(name) == name


@pytest.mark.parametrize("name", ["", "Hello", "he_llo", "-a", "a-", "1a", "a.b", "x" * 31, "a\n", "é", "xn--a", "../etc", "a b"])
def test_what_is_no_dns_label_is_refused_with_what_would_be(name):
    with pytest.raises(Invalid, match="lowercase letters"):
        check_app_name(name)


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_the_platforms_own_names_are_reserved(name):
    with pytest.raises(Invalid, match="reserved"):
        check_app_name(name)


@given(st.text())
def test_every_name_that_passes_is_a_dns_label(text):
    try:
        name = check_app_name(text)
    except Invalid:
        return
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name)


@given(st.text())
def test_a_quoted_name_is_one_short_printable_line(text):
    assert printable(text).isprintable()
    assert len(printable(text)) <= 60
