"""What the panel's processes use, by the kernel's files."""

import os

import pytest

from skypanel.domain.monitoring import ProcessUse
from skypanel.drivers.processes import measured

TICKS, PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
PYTHON = "/opt/env/bin/python"
SUPERVISORD = f"{PYTHON}\0-m\0skypanel.embedded.supervisord\0-c\0/run/supervisord.conf\0"


def add(proc, pid, parent, arguments, *, ticks=(0, 0, 0, 0), pages=(0, 0)):
    """Write the files of a process: its CPU time and that of ended children, and its pages, all and those of files."""
    (proc / str(pid)).mkdir(parents=True)
    fields = ("S", parent, *([0] * 9), *ticks, *([0] * 30))
    (proc / str(pid) / "stat").write_text(f"{pid} (a) S (b) {' '.join(map(str, fields))}\n")
    (proc / str(pid) / "statm").write_text(f"900000 {pages[0]} {pages[1]} 1 0 5 0\n")
    (proc / str(pid) / "cmdline").write_bytes(arguments.encode())


@pytest.fixture
def proc(tmp_path):
    folder = tmp_path / "proc"
    add(folder, 1, 0, "/sbin/init\0", ticks=(9, 9, 9, 9), pages=(9, 9))
    add(folder, 10, 1, f"{PYTHON}\0/opt/env/bin/skypanel\0up\0", ticks=(TICKS, TICKS, 0, 0), pages=(30, 10))
    add(folder, 11, 10, f"{PYTHON}\0-m\0skypanel.launcher\0--home\0/home\0", ticks=(2 * TICKS, 0, 0, 0), pages=(40, 20))
    add(folder, 12, 10, SUPERVISORD, ticks=(0, TICKS // 2, 0, 0), pages=(50, 10))
    add(folder, 20, 12, "/opt/env/pginstall/bin/postgres\0-D\0/home/postgres\0", ticks=(TICKS, 0, TICKS, TICKS), pages=(100, 40))
    add(folder, 21, 20, "postgres: skypanel skypanel [local] idle\0\0\0", ticks=(TICKS, TICKS, 0, 0), pages=(80, 50))
    add(folder, 22, 12, "skypanel: web\0\0\0\0", ticks=(0, 0, 0, 0), pages=(60, 5))
    add(folder, 23, 12, "/opt/valkey-server unixsocket:/run/valkey.sock\0", ticks=(0, 0, 0, 0), pages=(10, 5))
    # Dynos are not the panel's.
    add(folder, 30, 11, "/usr/bin/bwrap\0--args\0", ticks=(7, 7, 7, 7), pages=(7, 1))
    (folder / "self").mkdir()
    (folder / "99").mkdir()  # it ends just now
    return folder


@pytest.fixture
def pid_file(tmp_path):
    path = tmp_path / "supervisord.pid"
    path.write_text("12\n")
    return path


def test_each_process_is_measured_with_those_that_it_started(proc, pid_file):
    assert measured(pid_file, proc) == [
        ProcessUse("launcher", 2.0, 20 * PAGE),
        ProcessUse("postgres", 5.0, 90 * PAGE),
        ProcessUse("supervisord", 0.5, 40 * PAGE),
        ProcessUse("up", 2.0, 20 * PAGE),
        ProcessUse("valkey", 0.0, 5 * PAGE),
        ProcessUse("web", 0.0, 55 * PAGE),
    ]


def test_a_process_that_has_ended_is_left_out(proc, pid_file):
    (proc / "22" / "cmdline").unlink()
    assert "web" not in {each.name for each in measured(pid_file, proc)}


@pytest.mark.parametrize("content", ["", "word", "4711", "1", "22", "-5"])
def test_where_no_supervisord_runs_there_are_none(proc, pid_file, content):
    pid_file.write_text(content)
    assert measured(pid_file, proc) == []


def test_without_the_file_there_are_none(proc, tmp_path):
    assert measured(tmp_path / "absent", proc) == []


def test_this_machines_processes_can_be_read(tmp_path):
    path = tmp_path / "supervisord.pid"
    path.write_text(str(os.getpid()))
    assert measured(path) == []
