"""Changes for a reader that is slow: nothing is lost, and what waits is bounded by the documents."""

from __future__ import annotations

import random
from typing import Any

from livecollections.collection.changes import Changes
from livecollections.collection.state import DocumentChange

from ..scale import scaled

KEYS = ("1", "2", "3")


def draw(rng: random.Random, shown: dict[str, Any], drafts: list[str]) -> DocumentChange:
    """The next step of a collection: some documents come by way of a draft."""
    if drafts and rng.random() < 0.5:
        draft = drafts.pop()
        previous = shown.pop(draft)
        free = [key for key in KEYS if key not in shown]
        if not free:
            return DocumentChange("remove", None, None, previous, None, True, draft)
        key = rng.choice(free)
        shown[key] = {"n": rng.random()}
        return DocumentChange("change", key, shown[key], previous, "5", True, draft)
    if rng.random() < 0.2:
        draft = f"d{rng.random()}"
        drafts.append(draft)
        shown[draft] = {"n": rng.random()}
        return DocumentChange("add", None, shown[draft], None, None, True, draft)
    key = rng.choice(KEYS)
    previous = shown.get(key)
    if previous is not None and rng.random() < 0.4:
        del shown[key]
        return DocumentChange("remove", key, None, previous, "5", False)
    shown[key] = {"n": rng.random()}
    return DocumentChange("add" if previous is None else "change", key, shown[key], previous, "5", False)


async def test_a_slow_reader_ends_with_the_same_view_and_few_steps() -> None:
    for seed in range(scaled(100, 2000)):
        rng = random.Random(seed)
        shown: dict[str, Any] = {}
        drafts: list[str] = []
        view: dict[str | None, Any] = {}
        changes = Changes(dict, 4)
        most = 0
        for _ in range(60):
            changes._put([draw(rng, shown, drafts)])
            # Twice what a squash leaves: a step of each document that the reader knows, and of each that is shown.
            most = max(most, len(shown) + len(view))
            assert len(changes._waiting) <= 2 * max(4, most)
            if changes._waiting and rng.random() < 0.1:
                apply(view, await anext(changes))
        changes.close()
        async for change in changes:
            apply(view, change)
        assert view == shown, f"seed {seed}"


def apply(view: dict[str | None, Any], change: DocumentChange) -> None:
    name = change.draft or change.key
    assert change.previous == view.pop(name, None)
    assert (change.kind == "add") == (change.previous is None)
    assert (change.kind == "remove") == (change.document is None)
    if change.document is not None:
        view[change.key or name] = change.document


async def test_each_step_comes_while_there_is_room() -> None:
    changes = Changes(dict, 3)
    steps = [DocumentChange("add", key, {"id": key}, None, "1", False) for key in KEYS]
    changes._put(steps)
    changes.close()
    changes._put(steps)
    assert [change async for change in changes] == steps
