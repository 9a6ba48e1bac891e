import pytest

from skypanel.domain.failure import first_error


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([], None),
        (["-----> Installing error-stack-parser 2.1", "0 errors"], None),
        (["       Collecting x", "\x1b[31mERROR: No matching distribution found for x\x1b[0m", " !     It failed."], 1),
        (["npm ERR! code E404", " !     It failed."], 0),
        (["npm error code E404", " !     It failed."], 0),
        (["Traceback (most recent call last):", '  File "x.py", line 1', "ModuleNotFoundError: No module named 'x'"], 2),
        (["src/app.ts(3,5): error TS2304: Cannot find name 'x'."], 0),
        (["app.c:1:10: fatal error: x.h: No such file or directory"], 0),
        (["error[E0425]: cannot find value"], 0),
        (["-----> Launching...", "       The last lines of web.1:", " !     web.1 exited"], 2),
    ],
)
def test_the_first_line_that_matters(lines, found):
    assert first_error(lines) == found
