"""Tables as comma-separated values (RFC 4180), for spreadsheets."""

import csv
import io
from collections.abc import Iterable, Sequence
from decimal import Decimal

# Spreadsheets take a cell that begins with one of these for a formula, which may send data elsewhere.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")

Cell = str | int | Decimal


def table(heading: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Return a table as text. No text in it is a formula; numbers stay as they are."""
    return lines((heading, *rows))


def lines(rows: Iterable[Sequence[Cell]]) -> str:
    """Return rows of a table as text, for one that is sent in parts."""
    written = io.StringIO()
    csv.writer(written).writerows([_safe(cell) for cell in row] for row in rows)
    return written.getvalue()


def _safe(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and cell.lstrip(" ").startswith(_FORMULA) else cell
