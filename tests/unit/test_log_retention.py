import pytest

from skypanel.domain.errors import Invalid
from skypanel.domain.log import MAX_OLDER_FILES, kept_files
from skypanel.domain.log_retention import LogRetention, read_days, read_plans


@pytest.mark.req("R7.4")
def test_a_plan_may_say_more_than_the_default():
    retention = LogRetention.of(7, "Pro=30,Business=90")
    assert [retention.days_of(plan) for plan in ("Hobby", "Pro", "Business")] == [7, 30, 90]


@pytest.mark.parametrize(("text", "read"), [("", ""), (" Pro=30, Business=90 ,", "Pro=30,Business=90"), ("a-b_c=1", "a-b_c=1")])
def test_days_of_plans_are_typed_in_a_line(text, read):
    assert read_plans(text) == read


@pytest.mark.parametrize(
    "text", ["Pro", "Pro=", "Pro=0", "Pro=91", "Pro=7,Pro=8", "=7", "Pro=7=8", "\n=7", ",".join(f"p{n}=7" for n in range(51))]
)
def test_bad_days_of_plans_are_refused(text):
    with pytest.raises(Invalid):
        read_plans(text)


@pytest.mark.parametrize("text", ["", "0", "91", "100", "-1", "7.5", "seven", "\u0667"])
def test_bad_days_are_refused(text):
    with pytest.raises(Invalid):
        read_days(text)


@pytest.mark.parametrize(
    ("sizes", "kept"),
    [([], 0), ([10], 1), ([10, 10], 2), ([10, 10, 1], 2), ([99, 1], 1), ([0] * 200, MAX_OLDER_FILES), ([1] * 30, 20)],
)
def test_older_files_are_bounded_together_and_in_number(sizes, kept):
    assert kept_files(sizes, max_bytes=10) == kept
