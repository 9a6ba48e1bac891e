import os
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from skypanel.launcher.logs import LAST_CHARACTERS, LAST_LINES, LogFile, LogFiles, Output

NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


@pytest.fixture
def log(tmp_path):
    made = LogFile(os.open(tmp_path, os.O_RDONLY), "web.1", os.geteuid(), clock=lambda: NOW, max_bytes=200)
    yield made
    made.close()


def stamp(microseconds):
    return f"2024-05-06T07:08:09.{microseconds:06}+00:00"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_lines_carry_time_and_name(log, tmp_path):
    log.app(["one", "two"])
    log.system("three")
    assert (tmp_path / "web.1.log").read_text() == (
        f"{stamp(0)} app[web.1]: one\n{stamp(1)} app[web.1]: two\n{stamp(2)} skypanel[web.1]: three\n"
    )


def test_equal_lines_have_different_times_and_follow_a_clock_that_goes_back(tmp_path):
    clock = iter([NOW, NOW, NOW - timedelta(hours=1)])
    log = LogFile(os.open(tmp_path, os.O_RDONLY), "web.1", os.geteuid(), clock=lambda: next(clock))
    lines = log.app(["again"] * 3) + log.app(["again"]) + log.app(["again"])
    log.close()
    assert [line.split()[0] for line in lines] == [*(stamp(number) for number in range(4)), "2024-05-06T06:08:09.000000+00:00"]


def test_the_last_lines_of_a_dyno_are_its_own_whoever_shares_its_file(log, tmp_path):
    old, new = Output(log), Output(log)
    new.app(["Traceback"])
    old.app(["GET /"])
    new.system("Process exited with status 1")
    assert list(new.last()) == [f"{stamp(0)} app[web.1]: Traceback", f"{stamp(2)} skypanel[web.1]: Process exited with status 1"]
    assert list(old.last()) == [f"{stamp(1)} app[web.1]: GET /"]


def test_of_a_dyno_that_starts_again_the_last_try_that_ended_is_told(log):
    output = Output(log)
    for number in range(2):
        output.app([f"try {number}"])
        output.end_try()
    output.app(["try 2"])
    assert list(output.last()) == [f"{stamp(1)} app[web.1]: try 1"]


def test_the_last_lines_are_bounded(log):
    output = Output(log)
    output.app(["x" * 10_000] * 1000)
    assert [len(line) for line in output.last()] == [LAST_CHARACTERS] * LAST_LINES


def test_a_full_file_is_put_aside_and_the_oldest_goes(log, tmp_path):
    for number in range(40):
        log.app([f"line {number}"])
    assert names(tmp_path) == ["web.1.log", "web.1.log.1", "web.1.log.2"]
    assert all(path.stat().st_size <= 200 for path in tmp_path.iterdir())
    kept = [line.split()[-1] for name in reversed(names(tmp_path)) for line in (tmp_path / name).read_text().splitlines()]
    assert kept == [str(number) for number in range(40)][-len(kept) :]


def test_what_was_there_is_added_to(tmp_path):
    for text in ("before", "after"):
        log = LogFile(os.open(tmp_path, os.O_RDONLY), "web.1", os.geteuid())
        log.app([text])
        log.close()
    assert len((tmp_path / "web.1.log").read_text().splitlines()) == 2


def test_nothing_but_a_plain_file_is_written_to(log, tmp_path):
    target = tmp_path / "target"
    target.write_text("")
    (tmp_path / "web.1.log").symlink_to(target)
    log.app(["lost"])
    (tmp_path / "web.1.log").unlink()
    os.link(target, tmp_path / "web.1.log")
    log.app(["lost"])
    assert target.read_text() == ""
    (tmp_path / "web.1.log").unlink()
    log.app(["kept"])
    assert "kept" in (tmp_path / "web.1.log").read_text()


def test_dynos_of_one_name_share_a_file(tmp_path):
    files, app_id = LogFiles(tmp_path, os.geteuid()), uuid4()
    one, two = files.open(app_id, "web.1"), files.open(app_id, "web.1")
    assert one is two
    files.close(app_id, "web.1")
    two.app(["still open"])
    files.close(app_id, "web.1")
    assert "still open" in (tmp_path / str(app_id) / "web.1.log").read_text()
