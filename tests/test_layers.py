"""The house's order: imports point down only, and what is light stays light.

Every import of every module is read, those inside functions too; those under TYPE_CHECKING are left out,
since they never run. A module that no layer names fails: say where it stands before it is used.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "livecollections"

LAYERS = {
    "words": ("deprecation", "errors", "version"),
    "pure": (
        "address",
        "bayeux.acknowledgement",
        "bayeux.advice",
        "bayeux.binding",
        "bayeux.channel",
        "bayeux.connection",
        "bayeux.cycle",
        "bayeux.delivery",
        "bayeux.flight",
        "bayeux.hearing",
        "bayeux.interest",
        "bayeux.lifecycle",
        "bayeux.load",
        "bayeux.message",
        "bayeux.options",
        "bayeux.origins",
        "bayeux.outbox",
        "bayeux.pacing",
        "bayeux.policy",
        "bayeux.position",
        "bayeux.preference",
        "bayeux.protocol",
        "bayeux.rate",
        "bayeux.reader",
        "bayeux.refusal",
        "bayeux.repeats",
        "bayeux.sent",
        "bayeux.session",
        "bayeux.strangers",
        "bayeux.timesync",
        "bayeux.wheel",
        "cause",
        "change",
        "collection.asks",
        "collection.documents",
        "collection.key",
        "collection.reading",
        "collection.replica",
        "collection.state",
        "collection.write",
        "collection.writes",
        "conditions",
        "derived",
        "document",
        "editing",
        "elements",
        "field",
        "hooks",
        "input",
        "json_patch",
        "json_text",
        "lag",
        "operators",
        "parameters",
        "options",
        "partition",
        "place",
        "policy",
        "portable",
        "query",
        "resource",
        "secrecy",
        "signature",
        "selection",
        "source",
        "step",
        "versions",
        "view",
    ),
    "ports": ("bayeux.history", "stores.administration", "stores.base", "stores.log_state"),
    "adapters": ("stores", "stores.*", "alembic"),
    "flow": (
        "bayeux.arrivals",
        "bayeux.audience",
        "bayeux.client",
        "bayeux.driver",
        "bayeux.exchange",
        "bayeux.extension",
        "bayeux.fault",
        "bayeux.histories",
        "bayeux.gate",
        "bayeux.host",
        "bayeux.lazy",
        "bayeux.lifetimes",
        "bayeux.links",
        "bayeux.listener",
        "bayeux.local",
        "bayeux.memory",
        "bayeux.positions",
        "bayeux.replay",
        "bayeux.resets",
        "bayeux.salesforce",
        "bayeux.server",
        "bayeux.service",
        "bayeux.settings",
        "bayeux.start",
        "bayeux.statistics",
        "bayeux.straight",
        "bayeux.strand",
        "bayeux.subscription",
        "bayeux.turn",
        "bayeux.ways",
        "collection",
        "collection.*",
        "details",
        "endpoint",
        "feed",
        "pages",
        "listeners",
        "outlets",
        "rights",
        "statistics",
        "watch",
        "webhooks",
    ),
    "doors": (
        "bayeux",
        "bayeux.asgi",
        "bayeux.http",
        "bayeux.script",
        "bayeux.signals",
        "bayeux.transports",
        "bayeux.transports.*",
        "metrics",
        "openapi",
        "openapi.*",
        "rest",
        "rest.*",
    ),
    "roof": (
        "",
        "application",
        "cli",
        "cli.*",
        "demo",
        "demo.*",
        "gate",
        "identity",
        "inspector",
        "inspector.*",
        "lifespan",
        "live",
        "paths",
        "router",
        "sessions",
        "sidecar",
        "status",
        "survey",
        "terminal",
        "tracing",
        "vitals",
    ),
    "workshop": ("testing", "testing.*"),
}
MAY_IMPORT = {
    "words": {"words"},
    "pure": {"words", "pure"},
    "ports": {"words", "pure", "ports"},
    "adapters": {"words", "pure", "ports", "adapters"},
    "flow": {"words", "pure", "ports", "flow"},
    "doors": {"words", "pure", "ports", "flow", "doors"},
    "roof": set(LAYERS) - {"workshop"},
    "workshop": set(LAYERS),
}

IMPURE = {
    "asyncio", "concurrent", "http.client", "http.server", "multiprocessing", "os", "queue", "random", "secrets",
    "select", "selectors", "signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time",
}  # fmt: skip
PURE_OUTSIDERS = {
    "jsonpatch", "jsonpointer", "orjson", "pydantic", "pydantic_core", "semantic_version", "typing_extensions",
}  # fmt: skip
DRIVERS = {"aiosqlite", "alembic", "asyncpg", "greenlet", "pymongo", "sqlalchemy", "sqlite3", "sqlmodel"}
FRAMEWORKS = {"fastapi", "starlette", "uvicorn"}

HEAVY = DRIVERS | FRAMEWORKS | {"httpx", "rich", "typer"}
FORBIDDEN_NAMES = {"common", "core", "helpers", "manager", "managers", "utils"}
LONGEST = {".py": 500, ".js": 1040, ".mjs": 100}
"""Lines of a file. The browser library is one annotated file: it is the exception."""


def name_of(path: Path) -> str:
    """A module's name below the package: "" is the package itself."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def layer_of(module: str) -> str | None:
    """Where a module stands: an exact name counts before a pattern."""
    for exact in (True, False):
        for layer, entries in LAYERS.items():
            for entry in entries:
                if module == entry if exact else entry.endswith(".*") and module.startswith(entry[:-1]):
                    return layer
    return None


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def running_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only type checkers read."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and is_type_checking(node):
            for other in node.orelse:
                yield other
                yield from running_nodes(other)
            continue
        yield node
        yield from running_nodes(node)


def imports_of(module: str) -> tuple[set[str], set[str]]:
    """What a module imports: modules of ours, and the top-level names of others."""
    path = MODULES[module]
    parts = module.split(".") if module else []
    package = parts if path.name == "__init__.py" else parts[:-1]
    ours: set[str] = set()
    others: set[str] = set()
    for node in running_nodes(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = [] if not node.level else ["livecollections", *package[: len(package) - node.level + 1]]
            home = ".".join([*base, *([node.module] if node.module else [])])
            inner = [f"{home}.{alias.name}".removeprefix("livecollections.") for alias in node.names]
            names = [f"livecollections.{each}" if each in MODULES else home for each in inner]
        else:
            continue
        for name in names:
            top, _, rest = name.partition(".")
            if top == "livecollections":
                ours.add(rest)
            else:
                others.add(name if name in IMPURE else top)
    return ours - {module}, others


@pytest.mark.parametrize("module", MODULES)
def test_every_module_stands_in_a_layer(module: str) -> None:
    assert layer_of(module), f"{module} stands in no layer: name it in LAYERS"


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module: str) -> None:
    layer = layer_of(module)
    assert layer
    ours, _ = imports_of(module)
    # The package itself gives only its version below the roof.
    up = {other for other in ours if other and layer_of(other) not in MAY_IMPORT[layer]}
    assert not up, f"{module} ({layer}) imports {', '.join(sorted(up))}"


@pytest.mark.parametrize("module", MODULES)
def test_third_parties_stay_in_their_rooms(module: str) -> None:
    """Finding 32: filters are pure, and compiled where the database's driver is."""
    layer = layer_of(module)
    _, others = imports_of(module)
    others -= {"__future__", "livecollections"}
    if layer in ("words", "pure"):
        assert not others & IMPURE, f"{module} is pure: no {', '.join(sorted(others & IMPURE))}"
        strangers = others - set(sys.stdlib_module_names) - PURE_OUTSIDERS
    elif layer == "ports":
        strangers = others - set(sys.stdlib_module_names)
    elif layer == "adapters":
        strangers = others & FRAMEWORKS
    elif layer in ("flow", "doors"):
        allowed = {"bayeux.transports.direct": {"uvicorn"}}.get(module, set())
        if module == "rest" or module.startswith("rest."):
            allowed = {"starlette"}
        strangers = others & (FRAMEWORKS | DRIVERS) - allowed
    else:
        strangers = set()
    assert not strangers, f"{module} ({layer}) imports {', '.join(sorted(strangers))}"


def test_no_circles() -> None:
    graph = {module: {other for other in imports_of(module)[0] if other in MODULES} for module in MODULES}
    while free := {module for module, below in graph.items() if not below & graph.keys()}:
        graph = {module: below for module, below in graph.items() if module not in free}
    assert not graph, f"these import each other, or what does: {', '.join(sorted(graph))}"


@pytest.mark.parametrize(
    "statement",
    [
        "import livecollections",
        "import livecollections.bayeux",
        "from livecollections.bayeux import Server; Server()",
        "from livecollections import Log, Change, LiveError",
    ],
)
def test_light_imports_load_nothing_heavy(statement: str) -> None:
    code = f"import sys; {statement}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert not HEAVY & set(run.stdout.split())


def test_names_say_what_is_inside() -> None:
    for path in PACKAGE.rglob("*"):
        assert path.stem not in FORBIDDEN_NAMES, f"{path} has a name that holds anything"


@pytest.mark.parametrize("suffix", LONGEST)
def test_files_are_short(suffix: str) -> None:
    for path in PACKAGE.rglob(f"*{suffix}"):
        if "vendor" not in path.parts:
            lines = len(path.read_text("utf-8").splitlines())
            assert lines <= LONGEST[suffix], f"{path} has {lines} lines: which second noun moved in?"
