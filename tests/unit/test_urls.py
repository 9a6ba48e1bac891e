"""Splitting of URLs that users type."""

import pytest

from skypanel.domain import urls
from skypanel.domain.errors import Invalid

ERROR = Invalid("This is not a URL.", "Write one.")


@pytest.mark.parametrize(
    ("text", "host", "port"), [("https://a.example:8443/x", "a.example", 8443), ("https://a.example", "a.example", None)]
)
def test_a_url_has_parts_and_perhaps_a_port(text, host, port):
    parts, found = urls.split(text, ERROR)
    assert (parts.hostname, found) == (host, port)


@pytest.mark.parametrize("text", ["https://a.example:x", "https://a.example:99999", "https://[::1"])
def test_what_cannot_be_split_is_refused(text):
    with pytest.raises(Invalid) as refused:
        urls.split(text, ERROR)
    assert refused.value is ERROR
