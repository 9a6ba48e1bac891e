"""Counters of control groups, and their rates."""

import os

import pytest

from skypanel.host.usage import MISSED, Containers, Counters, Meter, Use, find, group, network_bytes

FIRST = """\
22 21 0:20 / /proc rw - proc proc rw
33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
SECOND = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"


@pytest.mark.parametrize(
    ("membership", "mounts", "version", "cpu", "memory"),
    [
        (
            "4:memory:/docker/a\n2:cpu,cpuacct:/docker/b\n0::/x\n",
            FIRST,
            1,
            "/sys/fs/cgroup/cpu,cpuacct/docker/b",
            "/sys/fs/cgroup/memory/docker/a",
        ),
        ("0::/system.slice/docker-a.scope\n", SECOND, 2, *["/sys/fs/cgroup/system.slice/docker-a.scope"] * 2),
        ("0::/outer/a\n", SECOND.replace(" / /sys", " /outer /sys"), 2, *["/sys/fs/cgroup/a"] * 2),
    ],
)
def test_a_group_is_found_by_a_process(membership, mounts, version, cpu, memory):
    assert find(membership, mounts) == group(version, cpu, memory)


def test_without_control_groups_there_is_none():
    assert find("", FIRST) is None
    assert find("0::/\n", "22 21 0:20 / /proc rw - proc proc rw\n") is None


def test_cached_files_are_not_memory(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, files in (
        (
            first,
            {
                "cpuacct.usage": "1500000000\n",
                "memory.usage_in_bytes": "900\n",
                "memory.stat": "cache 5\ninactive_file 1\ntotal_inactive_file 200\n",
            },
        ),
        (
            second,
            {"cpu.stat": "usage_usec 2500000\nuser_usec 1\n", "memory.current": "900\n", "memory.stat": "anon 5\ninactive_file 1000\n"},
        ),
    ):
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_text(content)
    assert group(1, str(first), str(first)).used() == (1.5, 700)
    assert group(2, str(second), str(second)).used() == (2.5, 0)
    with pytest.raises(FileNotFoundError):
        group(2, str(first), str(first)).used()


def test_a_process_has_a_network_until_it_ends():
    received, sent = network_bytes(os.getpid())
    assert received >= 0
    assert sent >= 0
    with pytest.raises(OSError, match="No such file"):
        network_bytes(2**22 + 1)


def test_rates_are_averages_since_the_last_measurement():
    meter = Meter()
    assert meter.measure(10.0, {"a": Counters(1.0, 100, 1000, 10)}) == {}
    assert meter.measure(20.0, {"a": Counters(6.0, 200, 3000, 10, 5, 1), "b": Counters(1.0, 1)}) == {"a": Use(0.5, 200, 200.0, 0.0, 5, 1)}
    assert meter.measure(20.0, {"a": Counters(6.0, 200)}) == {}


def test_counters_that_begin_again_count_from_0():
    meter = Meter()
    meter.measure(0.0, {"a": Counters(100.0, 1, 500, 500)})
    assert meter.measure(10.0, {"a": Counters(2.0, 1, 100, 600)}) == {"a": Use(0.2, 1, 10.0, 10.0)}


def test_a_container_that_takes_the_place_of_another_is_a_restart():
    containers, own = Containers(), lambda container: os.getpid()
    containers.measure(0.0, {"one": "slot"}, own)
    assert containers.measure(1.0, {"one": "slot"}, own)["one"].restarts == 0
    containers.measure(2.0, {"two": "slot"}, own)
    assert containers.measure(3.0, {"two": "slot"}, own)["two"].restarts == 1
    for round_ in range(MISSED + 1):
        containers.measure(4.0 + round_, {}, own)
    containers.measure(100.0, {"three": "slot"}, own)
    assert containers.measure(101.0, {"three": "slot"}, own)["three"].restarts == 0


def test_a_container_that_has_ended_is_left_out():
    containers = Containers()
    for round_, pid in enumerate((0, 2**22 + 1, 0)):
        assert containers.measure(float(round_), {"one": "slot"}, lambda _, pid=pid: pid) == {}
