"""Which methods there are at ``/search``, and what says so."""

from __future__ import annotations

from tests.databases.database import Database
from tests.models import Todo
from tests.rest.conftest import connected, is_problem


async def test_allow_is_true_where_a_search_is_posted(database: Database) -> None:
    live = database.live()
    live.add_resource("/api/read", Todo, methods=["GET"])
    live.add_resource("/api/made", Todo, methods=["POST"])
    async with connected(live, database) as api:
        asked = [("OPTIONS", "read"), ("PUT", "read"), ("OPTIONS", "made"), ("POST", "made")]
        answers = [await api.client.request(method, f"/api/{name}/search", json={}) for method, name in asked]
        assert [answer.status_code for answer in answers] == [204, 405, 204, 405]
        allowed = [set(answer.headers["allow"].split(", ")) for answer in answers]
        assert allowed == [{"GET", "HEAD", "OPTIONS", "POST"}] * 2 + [{"OPTIONS"}] * 2
        is_problem(answers[3], 405)
