"""Ten lines that test an application: two clients, a cut between them, and both see the same.

Run it: python -m pytest examples/testing/test_todos.py
"""

import pytest

from examples.todos import app


@pytest.fixture
def live_app():
    return app


@pytest.mark.asyncio
async def test_both_see_the_same_after_a_cut(live_site, live_client, live_proxy):
    async with (
        live_client.collection("/api/todos") as ours,
        live_proxy.client() as other,
        other.collection("/api/todos") as theirs,
    ):
        live_proxy.cut()
        await ours.create({"title": "milk"})
        live_site.sql("UPDATE todo SET completed = true")
        await live_site.wait_same(ours, theirs)
        assert [(todo["title"], todo["completed"]) for todo in theirs] == [("milk", True)]


@pytest.mark.asyncio
async def test_who_was_away_for_a_month_reads_again(live_site, live_client, live_proxy, live_clock):
    async with (
        live_client.collection("/api/todos") as ours,
        live_proxy.client() as other,
        other.collection("/api/todos") as theirs,
    ):
        live_proxy.offline()
        await ours.create({"title": "milk"})
        live_clock.jump(30 * 86_400)  # the log has forgotten by now what happened meanwhile
        live_proxy.heal()
        await live_site.wait_same(ours, theirs)
