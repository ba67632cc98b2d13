"""A poll that its browser resets on an HTTP/2 connection, which stays: Hypercorn and Granian speak that."""

from __future__ import annotations

import asyncio
import json

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes

from .apps.bayeux import PATH
from .client import client, connect
from .hosts import HOSTS, Host, running

SPEAKING = [host for host in HOSTS if host.name in ("hypercorn-asyncio", "granian-uvloop")]


@pytest.mark.parametrize("speaking", SPEAKING, ids=lambda host: host.name)
async def test_a_poll_that_is_reset_is_noticed_and_loses_nothing(speaking: Host) -> None:
    with running(speaking) as served:
        async with client(served.url) as speaker:
            client_id = await speaker.connected("/chat/a")
            reader, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rpartition(":")[2]))
            connection = H2Connection(H2Configuration(client_side=True))
            connection.initiate_connection()
            stream = connection.get_next_available_stream_id()
            cookies = "; ".join(f"{name}={value}" for name, value in speaker.http.cookies.items())
            head = {":method": "POST", ":path": PATH, ":scheme": "http", ":authority": "x", "cookie": cookies}
            connection.send_headers(stream, list(head.items()))
            connection.send_data(stream, json.dumps([connect(client_id)]).encode(), end_stream=True)
            writer.write(connection.data_to_send())
            await speaker.wait("held", client_id)
            connection.receive_data(await reader.read(65_536))
            connection.reset_stream(stream, ErrorCodes.CANCEL)
            writer.write(connection.data_to_send())
            await speaker.wait("held", client_id, False)
            await speaker.publish("/chat/a", 1)
            assert await speaker.hear(client_id, 1) == [1]
            writer.close()
            await writer.wait_closed()
