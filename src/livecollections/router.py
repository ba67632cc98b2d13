"""Router: declarations of resources and listeners, kept until a Live that includes them starts.

Two rules. A declaration is checked as far as it can be without reading the model. What is declared while a Live
serves would be served by nobody, and is refused.

It knows no store and no server.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, Unpack, cast

from .errors import ConfigurationError
from .listeners import Handler, Listener
from .options import ResourceOptions
from .partition import without_values
from .resource import Resource
from .versions import check_range
from .webhooks import check_webhooks

M = TypeVar("M", bound=type)
H = TypeVar("H", bound=Handler)


@dataclass(frozen=True, slots=True)
class Declaration:
    """A model to be offered at a path, or a table by its name; read at start."""

    path: str
    model: type | str
    options: dict[str, Any]


class LiveRouter:
    """Declarations to be included into a Live, under a prefix.

    prefix: begins with "/" and does not end with it, or is empty.
    """

    def __init__(self, prefix: str = "") -> None:
        check_path("prefix", prefix)
        self._own_prefix = prefix
        self._declarations: list[Declaration] = []
        self._listeners: list[Listener] = []
        self._included: list[LiveRouter] = []
        self._is_serving = False

    def resource(self, path: str, **options: Unpack[ResourceOptions]) -> Callable[[M], M]:
        """Offer the decorated model at ``path``; the class is returned unchanged.

        options: ``read create update exclude hidden read_only policy partition by methods sort limit tags versions
        webhooks``, and hooks such as ``before_write`` (see ``Resource.build``).  ``{attribute}`` in the path is a value
        of its documents: ``/rooms/{room_id}/messages``.
        Raises ConfigurationError that names a wrong option.
        """

        def declare(model: M) -> M:
            self.add_resource(path, model, **options)
            return model

        return declare

    def add_resource(self, path: str, model: type, **options: Unpack[ResourceOptions]) -> None:
        """Offer a model at ``path``: what the decorator ``resource`` does, for a class that exists."""
        check_model(model)
        self._declare(path, model, cast(dict[str, Any], options))

    def add_table(self, path: str, table: str, **options: Unpack[ResourceOptions]) -> None:
        """Offer a table that exists at ``path``, with no model: its columns are read at start.

        table: its name, with its schema where that is not the usual one.  options: as of ``resource``; attributes are
        named like columns.  Raises ConfigurationError; and at start, where the table is not there or can't be live.
        """
        if not isinstance(table, str) or not table:
            raise ConfigurationError(f"table: a name is needed, not {table!r}")
        self._declare(path, table, cast(dict[str, Any], options))

    def _declare(self, path: str, model: type | str, options: dict[str, Any]) -> None:
        self._check_open("path")
        if not path:
            raise ConfigurationError("path: is empty")
        check_path("path", without_values(path) if isinstance(path, str) else path)
        whole = self._own_prefix + path
        Resource.check_options(options)
        check_webhooks(options.get("webhooks", ()))
        if "versions" in options:
            check_range("versions", options["versions"])
        for declared in self._all_declarations():
            if declared.path == whole and not ("versions" in options and "versions" in declared.options):
                raise ConfigurationError(f"path: {whole} is declared already")
        self._declarations.append(Declaration(whole, model, options))

    def on(self, model: type, *events: str, durable: str | None = None) -> Callable[[H], H]:
        """Call the decorated function with each Change of a model, after its commit and in order.

        events: some of "create", "update", "delete" (all three where none is named), and "reset".
        durable: a name; the function then runs in one process at a time, at least once for each change, also
        for changes made while no process ran. Without it: in each running process, from its start on.
        """

        def declare(handler: H) -> H:
            self._check_open("on")
            check_model(model)
            self._listeners.append(Listener.declare(model, events, handler, durable))
            return handler

        return declare

    def include_router(self, router: LiveRouter) -> None:
        """Take over a router's declarations, also those that it will get before the start."""
        self._check_open("router")
        if type(router) is not LiveRouter:
            raise ConfigurationError(f"router: a LiveRouter is needed, not {router!r}")
        if self in router._with_included():
            raise ConfigurationError("router: it would include itself")
        self._included.append(router)

    def _check_open(self, option: str) -> None:
        if self._is_serving:
            raise ConfigurationError(f"{option}: what is declared after the start would not be served")

    def _with_included(self) -> list[LiveRouter]:
        return [self, *(each for router in self._included for each in router._with_included())]

    def _all_declarations(self) -> list[Declaration]:
        """All declarations, with the prefixes that lead to them."""
        return self._declarations + [
            Declaration(self._own_prefix + declared.path, declared.model, declared.options)
            for router in self._included
            for declared in router._all_declarations()
        ]

    def _all_listeners(self) -> list[Listener]:
        return [listener for router in self._with_included() for listener in router._listeners]


def check_path(option: str, path: str) -> None:
    """Raise ConfigurationError unless ``path`` is empty or of the form ``/a/b``."""
    if not isinstance(path, str) or (
        path
        and (not path.startswith("/") or path.endswith("/") or "//" in path or "{" in path or "?" in path)
    ):
        raise ConfigurationError(f'{option}: {path!r} is not of the form "/api/todos"')


def check_model(model: Any) -> None:
    """Raise ConfigurationError unless ``model`` is a class."""
    if not isinstance(model, type):
        raise ConfigurationError(f"model: a class is needed, not {model!r}")
