"""What two people see of each other's lists. `python -m pytest test_groceries.py`"""

import httpx
import pytest
from groceries import app

from livecollections import RequestError


@pytest.fixture
def live_app():
    return app


@pytest.fixture
def token(live_site):
    """A function that makes somebody known, and gives his token."""

    def token(name):
        with httpx.Client(base_url=live_site.url) as client:
            who = {"name": name, "password": "correct horse"}
            client.post("/people", json=who).raise_for_status()
            return client.post("/login", json=who).raise_for_status().json()["token"]

    return token


def client_of(live_site, token):
    return live_site.client(token=token, headers={"Authorization": f"Bearer {token}"})


@pytest.mark.asyncio
async def test_a_guest_sees_what_the_owner_adds(live_site, token):
    ann, bob = token("ann"), token("bob")
    async with httpx.AsyncClient(base_url=live_site.url) as client:
        await client.put("/guests/bob", headers={"Authorization": f"Bearer {ann}"})
    async with (
        client_of(live_site, ann) as hers,
        client_of(live_site, bob) as his,
        hers.collection("/api/lists/ann/items") as ours,
        his.collection("/api/lists/ann/items") as theirs,
    ):
        await ours.create({"name": "milk"})
        await theirs.wait_until(lambda items: [item["name"] for item in items] == ["milk"], timeout=10)


@pytest.mark.asyncio
async def test_a_stranger_does_not(live_site, token):
    token("ann")
    async with client_of(live_site, token("bob")) as his:
        with pytest.raises(RequestError) as refused:
            async with his.collection("/api/lists/ann/items"):
                pass
        assert refused.value.status == 403
