"""OpenAPI: what the resources offer, as an OpenAPI 3.1 document, alone or merged into a host's own.

The folder knows no HTTP server: ``schemas`` are those of documents and bodies, ``operations`` what is done with them,
``webhooks`` what is posted of their changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from ..resource import Resource
from ..version import __version__
from .operations import paths as paths_of
from .operations import released
from .schemas import Schemas
from .webhooks import named, webhooks

_DESCRIPTION = (
    "Integers beyond ±(2^53 − 1) travel as strings, NaN and the infinities as null. "
    "Every list is live: subscribe to its Live-Channel from its Live-Seq on."
)


def document(
    resources: Iterable[Resource],
    title: str = "livecollections",
    version: str = __version__,
    release: str = "",
) -> dict[str, Any]:
    """The OpenAPI 3.1 document of some resources. release: of the API, that they are."""
    empty = {"openapi": "3.1.0", "info": {"title": title, "version": version, "description": _DESCRIPTION}}
    return merge({**empty, "paths": {}}, resources, release)


def merge(host: dict[str, Any], resources: Iterable[Resource], release: str = "") -> dict[str, Any]:
    """A host's document with the resources in it; the host's is left as it is, and what it names keeps its name."""
    merged = deepcopy(host)
    schemas = Schemas(merged.setdefault("components", {}).setdefault("schemas", {}))
    paths = merged.setdefault("paths", {})
    offered = list(resources)
    tables = {resource.source.name for resource in offered if "GET" in resource.methods}
    for resource in offered:
        for path, operations in paths_of(resource, schemas, tables).items():
            if release:
                operations = released(operations, release)
            paths[path] = {**operations, **paths.get(path, {})}
    if posted := named(webhooks(resource, schemas) for resource in offered):
        merged["webhooks"] = {**posted, **merged.get("webhooks", {})}
    return merged


__all__ = ["document", "merge"]
