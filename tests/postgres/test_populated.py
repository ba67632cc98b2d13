"""Populate on PostgreSQL: through a table between, and heard when anything inside changes."""

from __future__ import annotations

from typing import Any

from livecollections import Live, LiveClient
from tests.policy.test_populated import Label, Mark, Marked, Singer, Song
from tests.serving import served

from .server import PostgresServer, run_elsewhere


def songs_of(url: str) -> Live:
    live = Live(url)
    live.add_resource("/api/songs", Song)
    live.add_resource("/api/singers", Singer)
    live.add_resource("/api/labels", Label)
    live.add_resource("/api/marks", Mark)
    live.add_resource("/api/marked", Marked)
    return live


async def test_what_is_inside_is_heard(postgres: PostgresServer) -> None:
    url = postgres.database()
    async with served(songs_of(url).app) as address:
        await run_elsewhere(
            url,
            "INSERT INTO populated_singer (name, fee) VALUES ('Ada', 5)",
            "INSERT INTO populated_song (title, singer_id) VALUES ('one', 1)",
            "INSERT INTO populated_mark (name, colour) VALUES ('new', 'red')",
        )
        async with (
            LiveClient(address) as client,
            client.collection("/api/songs?populate=singer,marks") as songs,
        ):

            def inside() -> tuple[Any, list[Any]]:
                song: Any = songs[1]
                return song["singer"]["name"], [mark["colour"] for mark in song["marks"]]

            assert inside() == ("Ada", [])
            await run_elsewhere(url, "UPDATE populated_singer SET name = 'Bea'")
            await songs.wait_until(lambda it: inside() == ("Bea", []), 10)
            await run_elsewhere(url, "INSERT INTO populated_marked (song_id, mark_name) VALUES (1, 'new')")
            await songs.wait_until(lambda it: inside() == ("Bea", ["red"]), 10)
            await run_elsewhere(url, "UPDATE populated_mark SET colour = 'blue'")
            await songs.wait_until(lambda it: inside() == ("Bea", ["blue"]), 10)


async def test_the_table_between_is_made_though_it_is_no_resource(postgres: PostgresServer) -> None:
    live = Live(postgres.database())
    live.add_resource("/api/songs", Song)
    live.add_resource("/api/marks", Mark)
    async with (
        served(live.app) as address,
        LiveClient(address) as client,
        client.collection("/api/songs?populate=marks") as songs,
    ):
        await songs.create({"title": "one"})
        await songs.wait_until(lambda it: [song.get("marks") for song in it] == [[]], 10)
