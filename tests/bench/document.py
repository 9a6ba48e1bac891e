"""The tables of docs/benchmarks.md that figures make: each follows a line `<!-- figures: <name> -->`."""

import re
from collections import defaultdict
from collections.abc import Sequence

from tests.bench.figures import Figure

# The columns of each table. A figure of it is called <table>.<row>.<column>.
COLUMNS = {
    "pages": ("p50", "p99", "cpu", "statements", "bytes"),
    "growth": ("10", "100", "1000", "10000"),
    "domains": ("10", "100", "1000", "10000"),
    "metrics": ("10", "100", "1000"),
    "metrics_page": ("p50", "p99", "cpu"),
}
_TABLE = re.compile(r"^(?P<mark><!-- figures: (?P<name>\w+) -->\n)(?:\|.*\n)*", re.MULTILINE)


def with_figures(text: str, figures: Sequence[Figure]) -> str:
    """Return a document's text with its tables up to date."""
    return _TABLE.sub(lambda match: match["mark"] + _table(match["name"], figures), text)


def _table(name: str, figures: Sequence[Figure]) -> str:
    """Return the rows that have a figure in every column."""
    rows: dict[str, dict[str, Figure]] = defaultdict(dict)
    for figure in figures:
        if figure.name.startswith(f"{name}."):
            row, _, column = figure.name.removeprefix(f"{name}.").rpartition(".")
            rows[row][column] = figure
    columns = COLUMNS[name]
    lines = [("", *columns), ("---", *("---:" for _ in columns))]
    lines += [(f"`{row}`", *(f"{of[column].value:g}" for column in columns)) for row, of in sorted(rows.items()) if set(columns) <= set(of)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
