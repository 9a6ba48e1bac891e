import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypanel.domain.errors import Invalid
from skypanel.domain.health import HealthCheck, check_interval, check_path


@pytest.mark.req("R18.2")
def test_health_is_asked_for_every_30_s_at_health_by_default():
    assert HealthCheck() == HealthCheck("/health", 30)


@pytest.mark.parametrize("path", ["/", "/health", "/up?deep=1", "/a/b.json", "/%7Euser"])
def test_a_path_is_taken_as_it_is(path):
    assert check_path(path) == path


@pytest.mark.parametrize("path", ["", "health", "/a b", "/a\r\nHost: x", "/a#b", '/"', "/ä", "/" * 300, "http://elsewhere/"])
def test_what_would_not_do_in_a_request_line_is_refused(path):
    with pytest.raises(Invalid):
        check_path(path)


@given(st.text())
def test_no_path_breaks_out_of_its_line(path):
    try:
        check_path(path)
    except Invalid:
        return
    assert path.isascii()
    assert path.isprintable()
    assert " " not in path


@pytest.mark.parametrize("interval_s", [0, -1, 301])
def test_intervals_are_bounded(interval_s):
    with pytest.raises(Invalid):
        check_interval(interval_s)
    assert check_interval(1) == 1
