"""The contract of the port Swarm.

A subclass provides the fixtures `members`, `worker`, `image` and `nowhere`. `members` is a driver whose Swarm has a manager and a worker;
`worker` is the worker's id. `image` is the name of an image that the manager has. `nowhere` is a driver without a Swarm.
"""

import pytest

from skypanel.domain.errors import NotFound, Unavailable
from skypanel.domain.node import Availability


class SwarmContract:
    async def member(self, members, member_id):
        return next((member for member in await members.members() if member.id == member_id), None)

    async def test_members_are_told_apart(self, members, worker):
        found = await members.members()
        assert [member.id for member in found].count(worker) == 1
        assert all(member.is_ready for member in found)
        assert len({member.id for member in found}) == 2

    async def test_availability_is_what_it_was_set_to_last(self, members, worker):
        for availability in (Availability.DRAIN, Availability.DRAIN, Availability.ACTIVE):
            await members.set_availability(worker, availability)
            assert (await self.member(members, worker)).availability is availability

    async def test_what_is_no_member_is_not_found(self, members):
        with pytest.raises(NotFound):
            await members.set_availability("none", Availability.DRAIN)
        await members.remove("none")

    async def test_an_invitation_names_a_manager_and_hides_its_token(self, members):
        offer = await members.join_offer()
        assert offer.token.startswith("SWMTKN-")
        assert offer.token not in repr(offer)
        assert offer.host
        assert offer.address.endswith(":2377")

    async def test_nodes_need_some_images(self, members):
        assert members.stack_images

    async def test_an_image_is_saved_under_its_name(self, members, image):
        assert (await members.image_id(image)).startswith("sha256:")
        assert b"".join([chunk async for chunk in members.save_image(image)])

    async def test_an_image_that_is_not_there_is_not_found(self, members):
        with pytest.raises(NotFound):
            await members.image_id("skypanel-test:none")
        with pytest.raises(NotFound):
            [chunk async for chunk in members.save_image("skypanel-test:none")]

    async def test_without_a_swarm_it_is_unavailable(self, nowhere):
        with pytest.raises(Unavailable):
            await nowhere.members()
        with pytest.raises(Unavailable):
            await nowhere.join_offer()

    async def test_a_removed_member_is_gone(self, members, worker):
        await members.remove(worker)
        assert await self.member(members, worker) is None
