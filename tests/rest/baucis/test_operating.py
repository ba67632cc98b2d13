"""Operating: updates of a part of a field."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import httpx

from tests.rest.conftest import is_problem


def operator(name: str) -> dict[str, str]:
    return {"Update-Operator": name}


async def test_push_pull_and_set(dairy: httpx.AsyncClient) -> None:
    path = "/api/cheeses/2"
    for mold in ("penicillium roqueforti", "geotrichum"):
        pushed = await dairy.put(path, json={"molds": mold}, headers=operator("$push"))
        assert pushed.status_code == 200
    assert pushed.json()["molds"] == ["penicillium roqueforti", "geotrichum"]
    pulled = await dairy.put(path, json={"molds": "geotrichum"}, headers=operator("$pull"))
    assert pulled.json()["molds"] == ["penicillium roqueforti"]
    changed = await dairy.put(path, json={"molds": ["penicillium glaucum"]}, headers=operator("$set"))
    assert (changed.json()["molds"], changed.json()["color"]) == (
        ["penicillium glaucum"],
        "Yellow, Blue, White",
    )


async def test_operators_are_judged_as_any_patch(dairy: httpx.AsyncClient) -> None:
    before = (await dairy.get("/api/cheeses/2")).json()
    for name, body in (("$push", {"molds": 7}), ("$set", {"color": None}), ("$set", {"molds": "x"})):
        is_problem(await dairy.put("/api/cheeses/2", json=body, headers=operator(name)), 422)
    assert (await dairy.put("/api/cheeses/2", json={"color": "x"}, headers=operator("$pull"))).is_error
    assert (await dairy.get("/api/cheeses/2")).json() == before


async def test_operators_are_off_unless_enabled(dairy: httpx.AsyncClient) -> None:
    before = (await dairy.get("/api/cheeses/2")).json()
    for name, body in (("$push", {"molds": "x"}), ("$pull", {"molds": "x"}), ("$set", {"molds": []})):
        is_problem(await dairy.put("/api/plain/2", json=body, headers=operator(name)), 403)
        is_problem(await dairy.patch("/api/plain/2", json={name: body}), 403)
    assert (await dairy.get("/api/cheeses/2")).json() == before


async def test_what_is_not_allowed_is_refused(dairy: httpx.AsyncClient) -> None:
    before = (await dairy.get("/api/cheeses/2")).json()
    for name, body, status in (
        ("$push", {"favorite nes game": "bubble bobble"}, 403),
        ("$pull", {"favorite nes game": "bubble bobble"}, 403),
        ("$set", {"name": "Stilton"}, 403),
        ("$set", {"id": 9}, 403),
        ("$set", {"bother": 7}, 422),
    ):
        is_problem(await dairy.put("/api/cheeses/2", json=body, headers=operator(name)), status)
    assert (await dairy.get("/api/cheeses/2")).json() == before


async def test_conditions_choose_the_element(dairy: httpx.AsyncClient) -> None:
    path = "/api/cheeses/3?" + urlencode({"conditions": json.dumps({"arbitrary.goat": False})})
    for name, body, after in (
        ("$push", {"arbitrary.$.llama": 5}, {"goat": False, "llama": [1, 2, 5]}),
        ("$pull", {"arbitrary.$.llama": 1}, {"goat": False, "llama": [2, 5]}),
        ("$set", {"arbitrary.$.champagne": "dry"}, {"goat": False, "llama": [2, 5], "champagne": "dry"}),
    ):
        changed = await dairy.put(path, json=body, headers=operator(name))
        assert changed.json()["arbitrary"] == [{"goat": True, "llama": [3, 4]}, after]
