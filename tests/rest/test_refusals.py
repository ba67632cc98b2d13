"""Promise G7, as a property: what is answered with 4xx has changed nothing, in no table and not in the log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from tests.databases.database import Database
from tests.databases.fixtures import stories
from tests.rest.conftest import Api, is_problem, served
from tests.rest.requests import Requests
from tests.scale import scaled

COUNT = 1_000
FIRST = 2
"""The first meets bulks that are refused by the database when some of them are written."""
MEANT = {200, 201, 204, 400, 404, 405, 406, 412, 415, 422, 428}
"""What so many requests must have met, or they prove too little."""
SELDOM = {409}
"""What the first of several thousands must have met."""
OTHERWISE: dict[str, set[int]] = {"sqlite": set(), "postgres": set(), "mongo": {409, 412}}
"""What one thousand may not meet where lists have no tag, and no two tables depend on one another."""


@stories(1, FIRST, sqlite=scaled(1, 8), postgres=scaled(1, 4), mongo=scaled(0, 2))
async def test_what_is_refused_has_changed_nothing(databases: Callable[[], Database], seeds: range) -> None:
    for seed in seeds:
        async with served(databases()) as api:
            await check_refusals(api, seed)


async def check_refusals(api: Api, seed: int) -> None:
    """Send what a seed draws, and look at everything that is stored after each."""
    tags: dict[str, str] = {}
    requests = Requests(seed, tags)
    met: Counter[int] = Counter()
    before = api.held()
    for number in range(COUNT):
        asked = requests.draw()
        answer = await api.client.request(
            asked.method, asked.url, headers=asked.headers, content=asked.content
        )
        met[answer.status_code] += 1
        after = api.held()
        told = f"request {number}, {asked}: {answer.status_code} {answer.text[:200]}"
        assert answer.status_code < 500, told
        if answer.status_code >= 300 or asked.method in ("GET", "HEAD", "OPTIONS"):
            assert after == before, told
        if answer.status_code >= 400 and asked.method != "HEAD":
            is_problem(answer, answer.status_code)
        if "etag" in answer.headers:
            tags[answer.headers.get("location", asked.url.partition("?")[0])] = answer.headers["etag"]
        before = after
    meant = MEANT - OTHERWISE[api.database.kind]
    assert met.keys() >= (meant | SELDOM - OTHERWISE[api.database.kind] if seed == FIRST else meant), met
    assert sum(count for status, count in met.items() if status < 300) > COUNT / 50, met
