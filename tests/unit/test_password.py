import pytest

from skypanel.domain.errors import Invalid, Throttled
from skypanel.domain.password import MOST_HERE, MOST_OF_ACCOUNT, MOST_OF_ADDRESS, Attempts, check_password


@pytest.mark.parametrize("password", ["twelve chars", "x" * 1024, "ünïcödé pass", "            "])
def test_a_password_may_be_anything_of_some_length(password):
    assert check_password(password) == password


@pytest.mark.parametrize("password", ["", "eleven char", "x" * 1025, "é" * 513])
def test_other_passwords_are_refused_and_not_repeated(password):
    with pytest.raises(Invalid) as refused:
        check_password(password)
    assert not password or password not in str(refused.value)


@pytest.mark.parametrize("attempts", [(MOST_HERE, 0, 0), (0, MOST_OF_ADDRESS, 0), (0, 0, MOST_OF_ACCOUNT)])
def test_each_bound_counts(attempts):
    Attempts(*(max(0, number - 1) for number in attempts)).check()
    with pytest.raises(Throttled):
        Attempts(*attempts).check()
