"""Writes the schema that all migrations make in readable SQL: `python -m tests.support.schema` makes skypanel/store/schema.sql.

Tables are grouped by the module of skypanel/store/tables that defines them. A database also has paas_migrations, which is Alembic's.
"""

import re
import tempfile
import textwrap
from contextlib import closing
from itertools import groupby
from pathlib import Path

import psycopg2
from psycopg2.extras import NamedTupleCursor
from sqlalchemy import Table

from skypanel.store.migrate import VERSION_TABLE
from skypanel.store.tables import (
    accounts,
    alerts,
    apps,
    audit,
    billing,
    builds,
    certificates,
    config_vars,
    domains,
    log_drains,
    mails,
    metrics,
    nodes,
    organizations,
    plans,
    releases,
    settings,
    sources,
    submissions,
    two_factor,
    webhooks,
)
from tests.fixtures.postgres import TEMPLATE, PostgresServer

FILE = Path(__file__).parents[2] / "skypanel" / "store" / "schema.sql"
STALE = "skypanel/store/schema.sql is not what the migrations make. Type `make schema`, read the difference, and commit the file."
# A table comes after those it refers to, except in a circle.
SECTIONS = (
    accounts,
    two_factor,
    submissions,
    organizations,
    plans,
    apps,
    domains,
    certificates,
    config_vars,
    sources,
    builds,
    releases,
    settings,
    audit,
    nodes,
    alerts,
    billing,
    mails,
    webhooks,
    log_drains,
    metrics,
)
HEAD = """-- The schema as it is after all migrations, for reading. `make schema` writes this file from a migrated database, and a test
-- compares the two: nobody edits it. What changes the schema is a migration."""
WIDTH = 120

COLUMNS = f"""
    SELECT c.relname AS table, quote_ident(a.attname) AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS filled,
        a.attidentity AS identity, pg_get_expr(d.adbin, d.adrelid) AS default, col_description(c.oid, a.attnum) AS comment
    FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND c.relname <> '{VERSION_TABLE}'
    ORDER BY c.relname, a.attnum
"""
CONSTRAINTS = """
    SELECT c.conrelid::regclass::text AS table, c.conname AS name, c.contype AS kind, c.confrelid::regclass::text AS target,
        pg_get_constraintdef(c.oid, true) AS text,
        ARRAY(SELECT quote_ident(a.attname) FROM unnest(c.conkey) WITH ORDINALITY AS key (number, place)
            JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = key.number ORDER BY key.place) AS columns
    FROM pg_constraint c
    WHERE c.connamespace = 'public'::regnamespace AND c.contype IN ('p', 'u', 'f', 'c')
    ORDER BY 1, position(c.contype IN 'pufc'), c.conname
"""
INDEXES = """
    SELECT i.indrelid::regclass::text AS table, pg_get_indexdef(i.indexrelid) AS text
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE c.relnamespace = 'public'::regnamespace AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid)
    ORDER BY 1, c.relname
"""
TABLES = """
    SELECT c.relname AS name, obj_description(c.oid, 'pg_class') AS comment FROM pg_class c
    WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
"""
FUNCTIONS = """
    SELECT pg_get_functiondef(oid) AS text, obj_description(oid, 'pg_proc') AS comment FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace ORDER BY oid
"""
TRIGGERS = """
    SELECT pg_get_triggerdef(t.oid, true) AS text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE NOT t.tgisinternal AND c.relnamespace = 'public'::regnamespace ORDER BY c.relname, t.tgname
"""
# The names that Postgres gives to unnamed constraints.
UNNAMED = {"p": "{table}_pkey", "u": "{table}_{columns}_key", "f": "{table}_{columns}_fkey", "c": "{table}_{columns}_check"}

# How Postgres prints an expression, and its usual form.
WRITTEN = {
    r"::(text|numeric|double precision)\b(\[\])?": "",
    r"= ANY \(ARRAY\[([^]]*)\]\)": r"IN (\1)",
    r"<> ALL \(ARRAY\[([^]]*)\]\)": r"NOT IN (\1)",
    r"(\w+) >= (\d+) AND \1 <= (\d+)": r"\1 BETWEEN \2 AND \3",
    r"POSITION\(\((.*?)\) IN \((\w+)\)\)": r"position(\1 IN \2)",
    r" ~~ ": " LIKE ",
    r"(REFERENCES \w+)\(id\)": r"\1",
}


def described(dsn):
    """Return the schema of a migrated database."""
    with closing(psycopg2.connect(dsn, cursor_factory=NamedTupleCursor)) as connection, connection.cursor() as cursor:

        def rows(query):
            cursor.execute(query)
            return cursor.fetchall()

        comments = {row.name: row.comment for row in rows(TABLES)}
        columns, constraints, indexes = (_by_table(rows(query)) for query in (COLUMNS, CONSTRAINTS, INDEXES))
        functions, triggers = rows(FUNCTIONS), rows(TRIGGERS)
    names = [name for section in SECTIONS for name in _names(section)]
    assert set(names) == columns.keys(), set(names) ^ columns.keys()

    def written(name):
        before = names[: names.index(name) + 1]
        own = [each for each in constraints.get(name, ()) if each.kind != "f" or each.target in before]
        late = [each for other in before[:-1] for each in constraints[other] if each.kind == "f" and each.target == name]
        yield _comment(comments[name]) + _table(name, columns[name], own)
        yield "\n".join(map(_added, late))
        yield "\n".join(_index(each.text) for each in indexes.get(name, ()))

    parts = [HEAD]
    for section in SECTIONS:
        parts.append(_heading(section.__doc__))
        parts += [part for name in _names(section) for part in written(name) if part]
    parts.append(_heading("What the database does by itself."))
    parts += [_comment(each.comment) + _function(each.text) for each in functions]
    parts += [_trigger(each.text) for each in triggers]
    return "\n\n".join(parts) + "\n"


def _by_table(rows):
    return {table: list(own) for table, own in groupby(rows, key=lambda row: row.table)}


def _names(section):
    return [value.name for value in vars(section).values() if isinstance(value, Table)]


def _heading(text):
    return f"\n-- {'-' * (WIDTH - 3)}\n-- {text}"


def _comment(text, indent=""):
    lead = f"{indent}-- "
    return textwrap.fill(text, WIDTH, initial_indent=lead, subsequent_indent=lead) + "\n" if text else ""


def _table(name, columns, constraints):
    of_one, of_many = [], []
    for each in constraints:
        (of_one if len(each.columns) == 1 and _is_unnamed(each) else of_many).append(each)
    lines = [
        _comment(each.comment, "    ") + "    " + _column(each, [its for its in of_one if its.columns == [each.name]]) for each in columns
    ]
    lines += [f"    {_named(each)}{_plain(each.text)}" for each in of_many]
    return f"CREATE TABLE {name} (\n" + ",\n".join(lines) + "\n);"


def _column(column, constraints):
    is_key = any(each.kind == "p" for each in constraints)
    words = [column.name, column.type.replace("timestamp with time zone", "timestamptz")]
    words += ["GENERATED ALWAYS AS IDENTITY"] if column.identity else []
    words += ["NOT NULL"] if column.filled and not is_key and not column.identity else []
    words += [f"DEFAULT {_plain(column.default)}"] if column.default else []
    return " ".join([*words, *map(_short, constraints)])


def _short(constraint):
    """Return a constraint as part of its column."""
    return {"p": "PRIMARY KEY", "u": "UNIQUE"}.get(constraint.kind) or re.sub(r"^FOREIGN KEY \(\w+\) ", "", _plain(constraint.text))


def _added(constraint):
    return f"ALTER TABLE {constraint.table} ADD {_named(constraint)}{_plain(constraint.text)};"


def _named(constraint):
    return "" if _is_unnamed(constraint) else f"CONSTRAINT {constraint.name} "


def _is_unnamed(constraint):
    # The default name of a check with several columns depends on the table only, so it always gets its name.
    if constraint.kind == "c" and len(constraint.columns) != 1:
        return False
    return constraint.name == UNNAMED[constraint.kind].format(table=constraint.table, columns="_".join(constraint.columns))


def _plain(text):
    """Return an expression in its usual form."""
    for said, meant in WRITTEN.items():
        text = re.sub(said, meant, text)
    return text


def _index(text):
    return re.sub(r" WHERE \((.*)\)$", r" WHERE \1", _plain(text.replace(" ON public.", " ON ").replace(" USING btree", ""))) + ";"


def _function(text):
    signature, body = text.replace("CREATE OR REPLACE FUNCTION public.", "CREATE FUNCTION ").strip().split("\nAS ", 1)
    return signature.replace("\n ", "\n    ") + f"\nAS {body};"


def _trigger(text):
    for word in (" BEFORE ", " AFTER ", " FOR EACH ", " EXECUTE "):
        text = text.replace(word, f"\n    {word.lstrip()}")
    return f"{text.replace(' ON public.', ' ON ')};"


def write():
    """Migrate an empty database, and write its schema to the file."""
    with tempfile.TemporaryDirectory(prefix="skypg", dir="/var/tmp") as base, tempfile.TemporaryDirectory(dir=base) as data:
        server = PostgresServer(Path(base), Path(data))
        try:
            server.initialize()
            FILE.write_text(described(server.dsn(TEMPLATE)))
        finally:
            server.stop()


if __name__ == "__main__":
    write()
