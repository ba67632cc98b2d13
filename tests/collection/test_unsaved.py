"""What a failed optimistic write leaves is unsaved until a newer state comes, or it is sent again with success."""

from __future__ import annotations

import pytest

from livecollections.errors import InvalidDocument

from .conftest import Site


async def test_only_a_newer_state_or_a_write_of_its_fields_saves_it(site: Site) -> None:
    site.sql("INSERT INTO rest_todo (title, completed) VALUES ('theirs', 1)")
    async with site.client() as client, client.collection("/api/todos", optimistic=True) as todos:
        site.fates["PUT"] = [422]
        with pytest.raises(InvalidDocument):
            await todos.replace(1, {"title": "ours"})
        await todos.update(1, {})
        assert todos.unsaved == ["1"], "nothing was written, so this is still the newest state of all"
        assert todos[1] == {"id": 1, "title": "ours"}
        await todos.replace(1, todos[1])
        assert todos.unsaved == []
        assert todos[1] == {"id": 1, "title": "ours", "completed": False, "order": None}
        await todos.close()
