import pytest

from skypanel.domain import transcript
from skypanel.domain.errors import Invalid


@pytest.mark.parametrize(("size_bytes", "text"), [(0, "0B"), (1023, "1023B"), (1024, "1.0K"), (22_229_811, "21.2M"), (3 * 1024**3, "3.0G")])
def test_sizes_read_as_heroku_prints_them(size_bytes, text):
    assert transcript.size(size_bytes) == text


def test_the_form_of_lines():
    assert transcript.heading("Python app detected") == "-----> Python app detected"
    assert transcript.detail("Done: 21.2M") == "       Done: 21.2M"
    assert transcript.failures(Invalid("It broke.", "Mend it.")) == (" !     It broke.", " !     Mend it.")
    assert transcript.failures(Invalid("It broke.")) == (" !     It broke.",)
