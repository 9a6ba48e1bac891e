"""The tables of docs/benchmarks.md are those of docs/bench.json."""

from pathlib import Path

from tests.bench.document import with_figures
from tests.bench.figures import Figure, from_json

DOCS = Path(__file__).parents[2] / "docs"
MARK = "<!-- figures: growth -->\n"


def test_a_table_has_the_rows_that_are_complete():
    figures = [Figure(f"growth.page.{size}", 1.5, "ms") for size in (10, 100, 1000, 10000)]
    figures += [Figure("growth.api.10", 2, "ms"), Figure("idle.cpu.10", 3, "%")]
    table = "|  | 10 | 100 | 1000 | 10000 |\n| --- | ---: | ---: | ---: | ---: |\n| `page` | 1.5 | 1.5 | 1.5 | 1.5 |\n"
    assert with_figures(f"a\n\n{MARK}| old |\n\nb\n", figures) == f"a\n\n{MARK}{table}\nb\n"


def test_the_tables_are_up_to_date():
    text = (DOCS / "benchmarks.md").read_text()
    assert with_figures(text, from_json((DOCS / "bench.json").read_text())) == text
