"""Images: a document as it was and as it is, from an event of a change stream.

One rule: the image after a change is the one before it with the change made to it, where that can be told; the server's
own image after an update may be a later one, which it looked up. It knows no source and no connection.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

Image = Mapping[str, Any]
BEFORE = "fullDocumentBeforeChange"
AFTER = "fullDocument"


def images(event: Mapping[str, Any]) -> tuple[Image | None, Image | None]:
    """The document before and after a write; None where there was or is none, and where nobody has kept it."""
    kind = event["operationType"]
    before, after = event.get(BEFORE), event.get(AFTER)
    if kind == "insert":
        return None, after
    if kind == "delete":
        return before, None
    if kind == "update" and before is not None:
        told = event.get("updateDescription") or {}
        changed = updated(before, told)
        return before, after if changed is None else changed
    return before, after


def updated(before: Image, told: Mapping[str, Any]) -> Image | None:
    """A document with an update made to it; None where the update does not say what it was made to."""
    if told.get("disambiguatedPaths"):
        return None
    image = deepcopy(dict(before))
    try:
        for path in told.get("removedFields") or ():
            holder, name = _holder(image, path)
            del holder[name]
        for cut in told.get("truncatedArrays") or ():
            holder, name = _holder(image, cut["field"])
            del holder[name][cut["newSize"] :]
        for path, value in (told.get("updatedFields") or {}).items():
            holder, name = _holder(image, path)
            if isinstance(holder, list) and name == len(holder):
                holder.append(value)
            else:
                holder[name] = value
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    return image


def _holder(image: dict[str, Any], path: str) -> tuple[Any, Any]:
    """What a path's last step is a member of, and that step."""
    *steps, last = path.split(".")
    holder: Any = image
    for step in steps:
        holder = holder[_step(holder, step)]
    return holder, _step(holder, last)


def _step(holder: Any, step: str) -> Any:
    return int(step) if isinstance(holder, list) else step
