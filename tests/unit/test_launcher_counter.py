from itertools import islice

import pytest

from skypanel.launcher.counter import BLOCK, Counter

SIZE = 4096


def numbers(counter, count):
    return list(islice(iter(counter.take, None), count))


def test_no_life_gives_out_what_another_did_however_it_ended(tmp_path):
    lives = [numbers(Counter(tmp_path / "next", SIZE), count) for count in (1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 1)]
    given = [number for life in lives for number in life]
    assert len(set(given)) == len(given)


@pytest.mark.parametrize("size", [2, BLOCK, BLOCK + 1, SIZE])
def test_all_numbers_come_before_one_comes_again(tmp_path, size):
    counter = Counter(tmp_path / "next", size)
    first = numbers(counter, size)
    assert sorted(first) == list(range(size))
    assert numbers(counter, size) == first


def test_it_goes_round_over_lives_too(tmp_path):
    (tmp_path / "next").write_text(f"{SIZE - 1}\n")
    assert numbers(Counter(tmp_path / "next", SIZE), 3) == [SIZE - 1, 0, 1]
    assert numbers(Counter(tmp_path / "next", SIZE), 1) == [BLOCK - 1]


def test_where_nothing_is_known_it_begins_anywhere(tmp_path):
    (tmp_path / "next").write_text("garbage")
    begun = {numbers(Counter(file, SIZE), 1)[0] for file in (tmp_path / "next", *(tmp_path / str(n) for n in range(7)))}
    assert len(begun) > 1


def test_what_cannot_be_written_stops_nothing(tmp_path, capsys):
    counter = Counter(tmp_path / "none" / "next", SIZE)
    first = numbers(counter, 3)
    assert first == [first[0], (first[0] + 1) % SIZE, (first[0] + 2) % SIZE]
    assert "cannot be written: No such file" in capsys.readouterr().err
    (tmp_path / "none").mkdir()
    last = counter.take()
    assert numbers(Counter(tmp_path / "none" / "next", SIZE), 1) == [(last + BLOCK) % SIZE]
