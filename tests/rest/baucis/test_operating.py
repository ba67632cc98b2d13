"""Operating: updates of a part of a field."""

from __future__ import annotations

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


async def test_what_is_read_only_is_refused(dairy: httpx.AsyncClient) -> None:
    before = (await dairy.get("/api/cheeses/2")).json()
    for name, body in (
        ("$set", {"bother": 7}),
        ("$push", {"favorite nes game": "bubble bobble"}),
        ("$pull", {"favorite nes game": "bubble bobble"}),
        ("$set", {"id": 9}),
    ):
        is_problem(await dairy.put("/api/cheeses/2", json=body, headers=operator(name)), 422)
    assert (await dairy.get("/api/cheeses/2")).json() == before


async def test_json_patch_names_the_element(dairy: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/json-patch+json"}
    patch = b"""[
        {"op": "test", "path": "/arbitrary/0/goat", "value": true},
        {"op": "add", "path": "/arbitrary/0/llama/-", "value": 5},
        {"op": "remove", "path": "/arbitrary/0/llama/0"},
        {"op": "add", "path": "/arbitrary/0/champagne", "value": "extra dry"}
    ]"""
    changed = await dairy.patch("/api/cheeses/3", content=patch, headers=headers)
    assert changed.json()["arbitrary"][0] == {"goat": True, "llama": [4, 5], "champagne": "extra dry"}
    wrong = patch.replace(b"true", b"false")
    is_problem(await dairy.patch("/api/cheeses/3", content=wrong, headers=headers), 409)
    assert (await dairy.get("/api/cheeses/3")).json() == changed.json()
