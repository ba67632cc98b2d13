"""A Bayeux server without a database, under test.

Run it: python -m pytest examples/testing/test_chat.py
"""

import pytest

from livecollections.bayeux import Client, Delivery, Policy, Server

server = Server(policy=Policy(subscribe=["/chat/*"]))


@pytest.fixture
def live_app():
    return server


@pytest.mark.asyncio
async def test_what_is_published_is_heard(live_site):
    async with Client(live_site.url) as client, client.subscribe("/chat/1") as messages:
        live_site.run(server.publish, "/chat/1", "hello")
        assert await anext(messages) == Delivery("/chat/1", "hello")
