import pytest

from skypanel import bootstrap
from skypanel.domain.errors import Invalid
from skypanel.settings.declaration import from_environment


def test_every_engine_that_can_be_named_has_its_module():
    assert [from_environment({"SKYPANEL_ENGINE": name})["engine"] for name in bootstrap.ENGINES] == list(bootstrap.ENGINES)
    for load in bootstrap.ENGINES.values():
        assert load().__module__.startswith("skypanel.engines.")
    with pytest.raises(Invalid, match=f"Set it to {' or '.join(bootstrap.ENGINES)}[.]$"):
        from_environment({"SKYPANEL_ENGINE": "none"})
