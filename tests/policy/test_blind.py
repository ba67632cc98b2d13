"""Who may change a document and not read it is answered alike, whatever is stored: nothing he sends guesses at it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from pydantic import BaseModel, Field, model_validator

from livecollections import Live
from tests.databases.database import Database
from tests.databases.fixtures import stories
from tests.scale import scaled

from .blind import NOTES, PATCH, ROWS, BlindNote, answers, declare, put, tell
from .conftest import Make, Site


class Change(BaseModel):
    """A number stays below the stamp, which whoever is blind may not set."""

    slug: str = "s"
    title: str = ""
    number: int = Field(default=0, ge=0)
    stamp: int = 0
    words: Any = None
    version: int = 0

    @model_validator(mode="after")
    def stay_below(self) -> Change:
        if self.number > 1000 + self.stamp:
            raise ValueError(f"at most {1000 + self.stamp}")
        return self


@asynccontextmanager
async def asked(make: Make, **options: Any) -> AsyncIterator[tuple[Site, httpx.AsyncClient]]:
    site = await make(lambda live: declare(live, **options))
    async with site.client() as stranger:
        yield site, stranger


async def tag(site: Site) -> str:
    """That of the first row."""
    put(site, ROWS[0])
    async with site.client("ann") as ann:
        return str((await ann.get(f"{NOTES}/1")).headers["etag"])


async def test_tags_guess_at_nothing(make: Make) -> None:
    async with asked(make) as (site, stranger):
        for header in ("If-Match", "If-None-Match"):
            for value in (await tag(site), '"other"', f'"other", {await tag(site)}'):
                for verb, body in (("PUT", {}), ("PATCH", {"title": "x"}), ("DELETE", None)):
                    [(status, _)] = await answers(site, stranger, verb, body, {header: value})
                    assert status == 403
        [(status, _)] = await answers(site, stranger, "PATCH", {"title": "x"}, {"If-Match": "*"})
        assert status == 204


@pytest.mark.parametrize(
    "update",
    [
        {"$inc": {"number": 1}},
        {"$inc": {"number": 2**62}},
        {"$push": {"words": "y"}},
        {"$pull": {"words": "x"}},
        {"$addToSet": {"words": "y"}},
        {"$pop": {"words": 1}},
        {"$set": {"words.0": "y"}},
        {"$unset": {"words.a": 1}},
        {"$set": {"title": "x"}, "$inc": {"number": 1}},
    ],
)
async def test_operators_guess_at_nothing(make: Make, update: dict[str, Any]) -> None:
    async with asked(make) as (site, stranger):
        [(status, text)] = await answers(site, stranger, "PATCH", update, {})
        assert status == 403
        assert "does" in text
    assert site.rows(BlindNote, "title", "number") == [("c", 2**62)]


@pytest.mark.parametrize(
    "step",
    [
        {"op": "test", "path": "/title", "value": "a"},
        {"op": "add", "path": "/words/-", "value": 1},
        {"op": "remove", "path": "/words/0"},
        {"op": "replace", "path": "/words/a", "value": 1},
        {"op": "replace", "path": "", "value": {"stamp": 7}},
    ],
)
async def test_a_json_patch_guesses_at_nothing(make: Make, step: dict[str, Any]) -> None:
    async with asked(make) as (site, stranger):
        assert {status for status, _ in await answers(site, stranger, "PATCH", [step], PATCH)} == {403}


@pytest.mark.parametrize("number", [7, 8, 5])
async def test_what_is_read_only_can_t_be_guessed(make: Make, number: int) -> None:
    async with asked(make) as (site, stranger):
        steps = [{"op": "replace", "path": "/stamp", "value": number}]
        for body, headers in (
            ({"stamp": number}, {}),
            ({"$set": {"stamp": number}}, {}),
            (steps, PATCH),
        ):
            [(status, text)] = await answers(site, stranger, "PATCH", body, headers)
            assert status == 422
            assert "read-only" in text
        [(status, _)] = await answers(site, stranger, "PUT", {"stamp": number}, {})
        assert status == 204, "a PUT passes over what is read-only"
        async with site.client("ann") as ann:
            put(site, ROWS[0])
            answer = await ann.patch(f"{NOTES}/1", json={"stamp": number})
            assert answer.status_code == (200 if number == 7 else 422), "who reads it may send it back"


async def test_a_key_that_is_not_in_the_url_can_t_be_guessed(make: Make) -> None:
    async with asked(make, find_by="slug") as (site, stranger):
        for verb in ("PUT", "PATCH"):
            for key in (1, 2):
                [(status, _)] = await answers(site, stranger, verb, {"id": key}, {}, "s")
                assert status == 422


async def test_the_key_in_the_url_may_be_in_the_body(make: Make) -> None:
    async with asked(make) as (site, stranger):
        [(status, _)] = await answers(site, stranger, "PATCH", {"id": 1, "title": "x"}, {})
        assert status == 204
        [(status, _)] = await answers(site, stranger, "PATCH", {"id": 2, "title": "x"}, {})
        assert status == 422


async def test_a_version_can_t_be_guessed(make: Make) -> None:
    async with asked(make, locking="version") as (site, stranger):
        for version in (1, 2):
            [(status, _)] = await answers(site, stranger, "PATCH", {"title": "x", "version": version}, {})
            assert status == 403
        [(status, _)] = await answers(site, stranger, "PATCH", {"title": "x"}, {"If-Match": "*"})
        assert status == 204


async def test_whole_fields_are_set_and_nothing_is_told_of_them(make: Make) -> None:
    async with asked(make) as (site, stranger):
        steps = [
            {"op": "add", "path": "/words", "value": [1]},
            {"op": "replace", "path": "/title", "value": "x"},
        ]
        for body, headers in (
            ({"title": "x", "words": [1]}, {}),
            ({"$set": {"title": "x", "words": [1]}}, {}),
            (steps, PATCH),
        ):
            assert await answers(site, stranger, "PATCH", body, headers) == {(204, "")}
            assert site.rows(BlindNote, "title", "words") == [("x", [1])]


async def test_what_a_model_says_of_the_rest_is_not_told(make: Make) -> None:
    async with asked(make, update=Change) as (site, stranger):
        put(site, ROWS[0])
        whole = await stranger.patch(f"{NOTES}/1", json={"number": 5000})
        assert (whole.status_code, whole.json()["detail"]) == (422, "this is not accepted")
        own = await stranger.patch(f"{NOTES}/1", json={"number": -1})
        assert own.json()["errors"][0]["pointer"] == "/number", "what he sends himself is told"
        put(site, ROWS[1])
        other = await stranger.patch(f"{NOTES}/1", json={"title": "x"})
        assert "number" not in other.text


@stories(3, 1, sqlite=scaled(3, 60), postgres=scaled(1, 6), mongo=scaled(1, 3))
async def test_nothing_that_is_drawn_guesses(seeds: range, databases: Callable[[], Database]) -> None:
    met = [await tell(seed, databases()) for seed in seeds]
    # A search in which nobody may write, or nothing is refused, finds nothing; what a rule refuses is seldom.
    assert set().union(*met) >= ({204, 403, 422} if seeds == range(1, 4) else {204, 403})


async def test_a_resource_without_get_is_blind_for_all(make: Make) -> None:
    def offer(live: Live) -> None:
        live.add_resource(NOTES, BlindNote, methods=["PATCH"], policy=True, operators=["number"])

    site = await make(offer)
    async with site.client("ann") as ann:
        assert await answers(site, ann, "PATCH", {"title": "x"}, {}) == {(204, "")}
        assert {status for status, _ in await answers(site, ann, "PATCH", {"$inc": {"number": 1}}, {})} == {
            403
        }
