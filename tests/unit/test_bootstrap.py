from skypanel import bootstrap, variables


def test_every_engine_that_can_be_named_has_its_module():
    assert set(bootstrap.ENGINES) == set(variables.ENGINES)
    for load in bootstrap.ENGINES.values():
        assert load().__module__.startswith("skypanel.engines.")
