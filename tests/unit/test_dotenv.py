import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypanel.domain.config_vars import MAX_VALUE_BYTES
from skypanel.domain.dotenv import MAX_BYTES, MAX_PROBLEMS, parse

NO_KEY = "the name before the = is not up to 255 capital letters, digits and underscores."
RESERVED = "PORT is set by the platform for each dyno. Take this line out."
NUL = "The value of A contains a NUL character. Encode the value, for example as base64."
NO_ENTRY = "this is not KEY=value. A value of several lines needs quotes around it."


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("\n  # a comment\n\n", {}),
        ("A=1", {"A": "1"}),
        ("\ufeffA=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("export A=1\n  export\tB = two words  \n", {"A": "1", "B": "two words"}),
        ("A=\nB=''\n", {"A": "", "B": ""}),
        ("A=1 # one\nB=x#y\nC='# no comment' # one\nD= # one", {"A": "1", "B": "x#y", "C": "# no comment", "D": ""}),
        (r"A='it\'s $HOME \n'", {"A": r"it's $HOME \n"}),
        (r'A="a\tb\"c\\ \$D \w"', {"A": 'a\tb"c\\ $D \\w'}),
        ('A=`it\'s "so"`', {"A": 'it\'s "so"'}),
        ('KEY="-----BEGIN\nabc=\n-----END"\nNEXT=1', {"KEY": "-----BEGIN\nabc=\n-----END", "NEXT": "1"}),
        ("URL=postgres://u:p@h/d?a=b&c=d", {"URL": "postgres://u:p@h/d?a=b&c=d"}),
        ("A=1\nA=2", {"A": "2"}),
        ("A=a'b\"c", {"A": "a'b\"c"}),
        ("EXPORT=1", {"EXPORT": "1"}),
    ],
)
def test_what_a_file_sets(text, values):
    parsed = parse(text)
    assert (dict(parsed.values), parsed.problems) == (values, ())


@pytest.mark.parametrize(
    ("text", "problems", "values"),
    [
        ("A=1\n\nwhat is this\nB=2", [(3, NO_ENTRY)], {"A": "1", "B": "2"}),
        ("A='open\nB=2", [(1, "the quote ' has no end.")], {"B": "2"}),
        ('A="two\nlines" more\nB=2', [(1, 'there is text after the closing quote ".')], {"B": "2"}),
        ("lower=1\n<script>=2\nPORT=3", [(1, NO_KEY), (2, NO_KEY), (3, RESERVED)], {}),
        ("=1", [(1, NO_ENTRY)], {}),
        ("A=a\0b", [(1, NUL)], {}),
    ],
)
def test_problems_name_their_line_and_the_rest_is_read(text, problems, values):
    parsed = parse(text)
    assert [(problem.line, problem.message) for problem in parsed.problems] == problems
    assert dict(parsed.values) == values


def test_values_and_files_have_a_limit():
    assert parse(f"A={'x' * (MAX_VALUE_BYTES + 1)}").problems[0].message.startswith("The value of A is 65537 bytes long.")
    assert str(parse("#" * (MAX_BYTES + 1)).problems[0]) == "Line 1: the text is over 512 KiB."


def test_only_the_first_problems_are_listed():
    problems = parse("secret\n" * 1000).problems
    assert len(problems) == MAX_PROBLEMS + 1
    assert str(problems[-1]) == f"Line {MAX_PROBLEMS + 1}: this and further lines cannot be read either."


@given(st.text())
def test_no_problem_repeats_the_text(text):
    for problem in parse(f"hunter2{text}\nA='hunter2 {text}").problems:
        assert "hunter2" not in problem.message
    assert "hunter2" not in repr(parse("A=hunter2"))


@given(st.dictionaries(st.from_regex(r"A[A-Z0-9_]{0,9}", fullmatch=True), st.text(st.characters(exclude_characters="\0\r", codec="utf-8"))))
def test_quoted_values_come_back(values):
    text = "".join('{}="{}"\n'.format(key, value.replace("\\", "\\\\").replace('"', '\\"')) for key, value in values.items())
    assert dict(parse(text).values) == values


@pytest.mark.parametrize("line", ['A="\\"\n', "A='\n", "A=\" '\n", "A=    x   #\n", "\\", " ", "A= \t", "A=" + " " * 60000 + "x\n"])
def test_hostile_text_takes_no_long_time(line):
    began = time.process_time()
    parse(line * (MAX_BYTES // len(line)))
    assert time.process_time() - began < 5
