import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypanel.domain.errors import Invalid
from skypanel.domain.masking import DEFAULT_NAMES, MASK, masked, read_names

NAMES = frozenset(DEFAULT_NAMES.split(","))


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/a?token=s3cret", f"/a?token={MASK}"),
        ("/a?b=c&access_token=s3cret&d=e", f"/a?b=c&access_token={MASK}&d=e"),
        ("/a?X-Amz-Signature=s3cret;Key=s3cret", f"/a?X-Amz-Signature={MASK};Key={MASK}"),
        ("/a?user[password]=s3cret", f"/a?user[password]={MASK}"),
        ("/a?user%5Bpassword%5D=s3cret", f"/a?user%5Bpassword%5D={MASK}"),
        ("/a?%74oken=s3cret=&x", f"/a?%74oken={MASK}&x"),
        ("/a?apiKey=s3cret&api_key=s3cret&API-KEY=s3cret", f"/a?apiKey={MASK}&api_key={MASK}&API-KEY={MASK}"),
        ("/a?b=c?token=s3cret", "/a?b=c?token=s3cret"),
        ("/a?token", "/a?token"),
        ("/a?token=", "/a?token="),
        ("/a?keyboard=de&barcode=1&tokens=2", "/a?keyboard=de&barcode=1&tokens=2"),
        ("/token=x", "/token=x"),
        ("", ""),
    ],
)
def test_values_of_secret_parameters_are_masked(path, shown):
    assert masked(path, NAMES) == shown


@given(st.text(), st.text(st.characters(exclude_characters="&;"), min_size=1))
def test_nothing_of_a_secret_value_is_left(before, value):
    assert masked(f"/?{before.replace('?', '')}&token={value}", NAMES).endswith(f"&token={MASK}")


@given(st.text())
def test_no_path_fails_and_without_names_none_changes(path):
    masked(path, NAMES)
    assert masked(path, frozenset()) == path


@pytest.mark.parametrize(("text", "read"), [("", ""), (" Token, password,token,", "token,password"), (DEFAULT_NAMES, DEFAULT_NAMES)])
def test_names_are_typed_in_a_line(text, read):
    assert read_names(text) == read


@pytest.mark.parametrize("text", ["a b", "access_token", "é", "a" * 41, ",".join(f"a{number}" for number in range(101))])
def test_bad_names_are_refused(text):
    with pytest.raises(Invalid):
        read_names(text)
