"""The order in which files of tests begin."""

from types import SimpleNamespace

from tests.support.documents import ROOT
from tests.support.pace import PLACES, ROWS, Scheduling, file_of, rank


class Node(SimpleNamespace):
    """A worker of the runner. It can be the key of a dict."""

    __hash__ = object.__hash__


def test_every_file_of_a_row_is_there_and_stands_there_once():
    named = [name for names in ROWS for name in names]
    assert [name for name in named if not (ROOT / "tests" / name).is_file()] == []
    assert len(named) == len(PLACES)


def test_unit_tests_come_first_and_long_files_before_all_others():
    first, second = ROWS[0][0], ROWS[1][0]
    tests = ["tests/integration/test_web.py::two", f"tests/{second}::one", f"tests/{first}::one", "tests/unit/test_log.py::one"]
    assert sorted(tests, key=rank) == tests[::-1]


def test_other_files_stay_as_they_are():
    assert rank("tests/integration/test_web.py::two") == rank("tests/integration/test_api.py::one[a/b::c]")


def test_a_files_name_has_its_folder():
    assert file_of("tests/unit/test_log.py::TestA::test_b[tests/x.py::y]") == "unit/test_log.py"
    assert file_of("test_log.py::test_b") == "test_log.py"


def test_workers_take_files_in_this_order_however_many_tests_they_have():
    sent = []
    node = Node(send_runtest_some=sent.extend, shutdown=lambda: None, shutting_down=False)
    config = SimpleNamespace(getvalue={"tx": ["popen"]}.get, option=SimpleNamespace(loadscopereorder=True))
    scheduling = Scheduling(config, None)
    scheduling.add_node(node)
    long, many = f"tests/{ROWS[0][0]}::one", [f"tests/integration/test_web.py::{number}" for number in range(5)]
    scheduling.add_node_collection(node, [long, *many])
    scheduling.schedule()
    assert sent[0] == 0
