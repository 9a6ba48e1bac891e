"""Tables for spreadsheets: what they hold, and that nothing in them is a formula."""

import csv
import io
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from skypanel.domain.csv_text import table


def test_a_table_is_as_in_the_rfc():
    text = table(["App", "Cost"], [["hello", Decimal("-0.50")], ['a "b", c', 2]])
    assert text == 'App,Cost\r\nhello,-0.50\r\n"a ""b"", c",2\r\n'


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=2, max_size=2)))
def test_no_text_is_a_formula_and_none_is_lost(rows):
    read = list(csv.reader(io.StringIO(table(["a", "b"], rows), newline="")))[1:]
    for cell, text in zip((cell for row in read for cell in row), (text for row in rows for text in row), strict=True):
        assert not cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
        assert cell.removeprefix("'") == text.removeprefix("'")
