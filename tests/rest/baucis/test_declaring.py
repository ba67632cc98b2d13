"""Declaring: models, paths and methods."""

from __future__ import annotations

from typing import Any

import pytest

from livecollections import ConfigurationError
from tests.databases.database import Database
from tests.rest.conftest import is_problem

from .conftest import Open
from .models import Cheese, Shop


async def test_a_model_is_a_class(database: Database, opened: Open) -> None:
    live = database.live()
    wrongs: list[Any] = ["Cheese", None, {}, Cheese(name="x", color="y")]
    for wrong in wrongs:
        with pytest.raises(ConfigurationError, match="model: a class is needed"):
            live.add_resource("/api/cheeses", wrong)
    with pytest.raises(TypeError):
        live.add_resource("/api/cheeses")  # type: ignore[call-arg]
    live.add_resource("/api/cheeses", Cheese)
    client = await opened(live)
    assert (await client.get("/api/cheeses")).json() == []


async def test_all_methods_are_on_by_default(database: Database, opened: Open) -> None:
    live = database.live()
    live.add_resource("/api/cheeses", Cheese)
    client = await opened(live)
    whole = (await client.options("/api/cheeses")).headers["allow"].split(", ")
    one = (await client.options("/api/cheeses/1")).headers["allow"].split(", ")
    assert {"GET", "HEAD", "POST", "OPTIONS"} <= set(whole)
    assert {"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"} <= set(one)
    assert not {"PUT", "PATCH"} & set(whole)
    assert "POST" not in one


@pytest.mark.parametrize(
    "options", [{"methods": ["get", "dude"]}, {"before_dinner": print}, {"gargoyle": ["get"]}]
)
def test_unknown_methods_and_hooks_are_errors(database: Database, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as raised:
        database.live().add_resource("/api/cheeses", Cheese, **options)
    assert next(iter(options)) in str(raised.value)


async def test_a_disabled_method_is_a_405(database: Database, opened: Open) -> None:
    live = database.live()
    live.add_resource("/api/beans", Cheese, methods=["POST", "PUT"])
    live.add_resource("/api/liens", Shop, methods=["GET", "POST"])
    client = await opened(live)
    for method, path in (("GET", "/api/beans"), ("DELETE", "/api/liens/1")):
        answer = await client.request(method, path)
        is_problem(answer, 405)
        assert method not in answer.headers["allow"].split(", ")


async def test_paths_are_what_is_given(database: Database, opened: Open) -> None:
    live = database.live()
    live.add_resource("/api/geese", Cheese)
    live.add_resource("/api/linseed.oil", Shop)
    live.add_resource("/api/baloo", Shop)
    client = await opened(live)
    for path in ("/api/geese", "/api/linseed.oil", "/api/baloo"):
        assert (await client.get(path)).json() == []
