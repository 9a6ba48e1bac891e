import pytest
from hypothesis import given
from hypothesis import strategies as st

from web import exit_status
from web.exit_status import MARK

LINE = MARK + b"7\n"


async def pieces(*chunks):
    async def source():
        for chunk in chunks:
            yield chunk

    return [piece async for piece in exit_status.whole(source())]


def test_only_a_command_of_the_clis_prints_the_line():
    assert exit_status.is_wanted('false ; echo "\uffff heroku-command-exit-status: $?"')
    assert not exit_status.is_wanted("echo heroku-command-exit-status: $?")


@pytest.mark.parametrize("cut", range(1, len(LINE)))
async def test_the_line_is_one_piece_wherever_it_was_cut(cut):
    assert LINE in await pieces(b"out" + LINE[:cut], LINE[cut:])


async def test_what_is_no_line_is_not_held_back():
    assert await pieces(b"one\n", b"two", LINE, b"three") == [b"one\n", b"two", LINE, b"three"]


@given(st.lists(st.sampled_from([b"a", b"\n", MARK[:1], MARK[:3], MARK[3:], MARK, b"7\n", LINE])))
async def test_no_byte_is_lost_or_moved(chunks):
    assert b"".join(await pieces(*chunks)) == b"".join(chunks)
