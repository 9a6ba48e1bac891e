import pytest

from tests.bench import deploys
from tests.bench.figures import Figure, compared, from_json, in_pairs, merged, percentile, single, table, to_json

FIGURES = [single("up.warm", [3.0, 5.0, 4.0]), compared("push.small", [0.5, 0.25], [1.0, 1.0], "sshd")]


def test_a_figure_is_a_median_and_a_ratio_the_median_of_the_pairs():
    assert FIGURES[0] == Figure("up.warm", 4.0, "s")
    assert compared("push.full", [1.0, 9.0, 2.0], [2.0, 10.0, 1.0], "sshd") == Figure("push.full", 2.0, "s", "sshd", 0.9)


def test_pairs_are_measured_by_turns():
    order = []

    def measure(side):
        return lambda number: order.append((side, number)) or number

    assert in_pairs(measure("ours"), measure("theirs"), 3) == ([0, 1, 2], [0, 1, 2])
    assert order == [("theirs", 0), ("ours", 0), ("ours", 1), ("theirs", 1), ("theirs", 2), ("ours", 2)]


@pytest.mark.parametrize(("share", "value"), [(0.95, 95), (0.5, 50), (1, 100), (0.001, 1)])
def test_a_percentile_is_one_of_the_values(share, value):
    assert percentile(list(range(100, 0, -1)), share) == value


def test_the_table_has_a_line_for_each_figure():
    assert table(FIGURES).splitlines() == [
        "FIGURE      VALUE  UNIT  RATIO  PEER",
        "up.warm     4      s",
        "push.small  0.375  s     0.375  sshd",
    ]


def test_json_holds_every_field_and_comes_back():
    assert from_json(to_json(FIGURES)) == FIGURES
    assert to_json(FIGURES[:1]) == '[\n  {"name": "up.warm", "value": 4.0, "unit": "s", "peer": null, "ratio": null}\n]\n'


def test_new_figures_take_the_place_of_those_with_their_names():
    new = single("up.warm", [1.0])
    assert merged(FIGURES, [new]) == [FIGURES[1], new]


def test_a_push_is_split_where_its_lines_and_the_apps_answer_say():
    lines = [(float(time), f"{mark} more") for time, (_, mark) in enumerate(deploys.PHASES, start=1)]
    assert deploys.split(0.5, [*lines, (9.0, "")], 6.0) == {
        "receive": 0.5,
        "detect": 1.0,
        "compile": 1.0,
        "archive": 1.0,
        "stage": 1.0,
        "launch": 1.0,
        "verify": 3.0,
    }
