"""The contract of Upkeep drivers that are not empty. A subclass provides the fixtures `upkeep`, `leave` and `left`.

`leave(app_id)` makes something of an app that is old enough to remove; `left()` returns the apps that still have something.
"""

from uuid import uuid4


class UpkeepContract:
    async def test_what_apps_that_are_gone_left_goes_and_nothing_else(self, upkeep, leave, left):
        app, gone = uuid4(), uuid4()
        leave(app)
        leave(gone)
        await upkeep.remove_orphans({app}, ())
        assert left() == {app}

    async def test_tending_again_changes_nothing(self, upkeep, leave, left):
        app = uuid4()
        leave(app)
        for _ in range(2):
            await upkeep.remove_orphans({app}, ())
        assert left() == {app}
