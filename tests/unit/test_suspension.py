from dataclasses import replace
from uuid import uuid4

import pytest

from skypanel.domain.account import Organization
from skypanel.domain.app import check_runs
from skypanel.domain.deletion import OnDelete, check_choice, read_on_delete
from skypanel.domain.errors import Conflict, Denied, Invalid, Unpaid
from skypanel.domain.suspension import Suspension, suspension
from tests.fixtures.launcher import make_app

ACME, MAIN = Organization(uuid4(), "Acme", billed=True), Organization(uuid4(), "Main", billed=False)


def test_what_an_administrator_did_counts_before_what_the_wallet_has():
    assert suspension(held=False, unpaid=False) is None
    assert suspension(held=False, unpaid=True) is Suspension.UNPAID
    assert suspension(held=True, unpaid=False) is suspension(held=True, unpaid=True) is Suspension.HELD
    assert replace(ACME, held=True, unpaid=True).suspension is Suspension.HELD


@pytest.mark.parametrize(
    ("why", "error", "remedy"), [(Suspension.UNPAID, Unpaid, "wallet credit"), (Suspension.HELD, Denied, "orgs resume")]
)
def test_a_suspended_app_is_refused_with_what_to_do(why, error, remedy):
    app = make_app()
    assert check_runs(app) is app
    with pytest.raises(error, match=why.reason) as refusal:
        check_runs(replace(app, suspension=why))
    assert f"skypanel {remedy} ORGANIZATION" in refusal.value.hint


@pytest.mark.parametrize("word", ["", "Destroy", "DESTROY", "keep", "destroy ", "\x00"])
def test_what_is_no_fate_is_refused_with_what_there_is(word):
    assert [read_on_delete(on_delete.value) for on_delete in OnDelete] == list(OnDelete)
    with pytest.raises(Invalid, match="destroy or reassign"):
        read_on_delete(word)


def test_a_choice_is_needed_where_there_are_apps_and_has_to_be_complete():
    check_choice(ACME, 0, None, to=None, confirm="")
    check_choice(ACME, 2, OnDelete.DESTROY, to=None, confirm="Acme")
    check_choice(ACME, 2, OnDelete.REASSIGN, to=MAIN, confirm="")
    with pytest.raises(Conflict, match="Acme has 1 app"):
        check_choice(ACME, 1, None, to=MAIN, confirm="Acme")
    for on_delete, to, confirm in ((OnDelete.DESTROY, MAIN, "Main"), (OnDelete.REASSIGN, None, "Acme"), (OnDelete.REASSIGN, ACME, "Acme")):
        with pytest.raises(Invalid):
            check_choice(ACME, 2, on_delete, to=to, confirm=confirm)
