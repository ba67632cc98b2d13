"""The documentation: it builds, its links lead somewhere, its code compiles or is an example's, its commands parse."""

from __future__ import annotations

import ast
import inspect
import json
import re
import shlex
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer

import livecollections
from docs import diagrams
from docs.pages import DOCS, Snippet, anchors, broken_links, found_pages, parse
from docs.pages import snippets as snippets_of
from livecollections.bayeux import Limits, Server
from livecollections.cli import cli
from livecollections.metrics import FIGURES
from livecollections.openapi.problems import SAYS
from livecollections.options import OPTIONS
from livecollections.rest.routes import BODY_LIMIT
from livecollections.statistics import Problem
from livecollections.status import FILES

from .command import ROOT

PAGES_AND_MORE = [
    *found_pages().values(),
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
]
COMMANDS: Any = typer.main.get_command(cli)


def snippets(*languages: str) -> list[Snippet]:
    return [each for page in PAGES_AND_MORE for each in snippets_of(page) if each.language in languages]


def text_of(name: str) -> str:
    return (DOCS / f"{name}.md").read_text("utf-8")


@pytest.mark.parametrize("page", PAGES_AND_MORE, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    assert broken_links(page) == []


@pytest.mark.parametrize("name", diagrams.DIAGRAMS)
def test_pictures_of_states_are_those_of_the_code(name: str) -> None:
    title, table = diagrams.DIAGRAMS[name]
    drawn = diagrams.draw(title, table)
    assert (diagrams.IMAGES / f"{name}.svg").read_text("utf-8") == drawn, "run python -m docs.diagrams"
    for state, ways in table.items():
        assert f">{diagrams.word(state)}<" in drawn
        assert {diagrams.word(end) for end in ways.values()} <= {diagrams.word(other) for other in table}


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One\n[a](other.md) [b](#two) [c](#one) [d](page.md#two)\n")
    assert len(broken_links(page)) == 3


def test_every_page_has_one_title() -> None:
    for name, page in found_pages().items():
        levels = [token.tag for token in parse(page) if token.type == "heading_open"]
        assert levels.count("h1") == 1
        assert len(anchors(parse(page))) == len(levels), f"{name} has two headings of one name"


def test_the_metrics_in_the_table_are_those_that_there_are() -> None:
    _, _, page = text_of("howto/monitoring").partition("| Metric | Kind |")
    told = [
        (name, kind)
        for names, kind in re.findall(r"^\| (`.+`) \| (gauge|counter) \|", page, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", names)
    ]
    assert told == [
        (f"{one.name}_total", "counter") if one.is_counter else (one.name, "gauge") for one in FIGURES
    ]
    assert set(re.findall(r"livecollections_(\w+)", page)) <= {name for name, _ in told}
    problems, _, _ = text_of("howto/monitoring").partition("Before the start")
    assert re.findall(r"^\| `(\w+)` \|", problems, re.MULTILINE) == [each.value for each in Problem]


@pytest.mark.parametrize("snippet", snippets("python"), ids=str)
def test_python_compiles_and_is_its_example(snippet: Snippet) -> None:
    compile(snippet.text, str(snippet), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if snippet.file:
        example = (ROOT / snippet.file).read_text("utf-8")
        assert snippet.text.strip() in example, f"it is not in {snippet.file}"


@pytest.mark.parametrize("snippet", [each for each in snippets("python") if not each.file], ids=str)
def test_python_imports_names_that_exist(snippet: Snippet) -> None:
    for node in ast.walk(ast.parse(snippet.text)):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("livecollections"):
            module = __import__(str(node.module), fromlist=["_"])
            for alias in node.names:
                assert hasattr(module, alias.name), f"{node.module} has no {alias.name}"


@pytest.mark.parametrize("snippet", snippets("js"), ids=str)
def test_javascript_parses(snippet: Snippet, tmp_path: Path) -> None:
    file = tmp_path / "snippet.js"
    file.write_text(snippet.text)
    run = subprocess.run(["node", "--check", file], capture_output=True, text=True, timeout=30, check=False)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("snippet", snippets("json"), ids=str)
def test_json_parses(snippet: Snippet) -> None:
    json.loads(snippet.text)


@pytest.mark.parametrize("snippet", snippets("sh", "bash", "shell"), ids=str)
def test_commands_parse(snippet: Snippet) -> None:
    subprocess.run(["bash", "-n", "-c", snippet.text], timeout=10, check=True)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    for line in snippet.text.replace("\\\n", " ").splitlines():
        words = shlex.split(line.partition(" > ")[0], comments=True)
        if words[:1] == ["make"]:
            assert {word for word in words[1:] if "=" not in word} <= targets, line
        if words and words[0].endswith("livecollections"):
            parse_command(words[1:])


def parse_command(words: list[str]) -> None:
    """Fails if the command line knows no such command or option."""
    if words[0].startswith("--"):
        assert any(words[0] in each.opts for each in COMMANDS.params)
        return
    assert words[0] in COMMANDS.commands, f"there is no command {words[0]}"
    COMMANDS.commands[words[0]].make_context(words[0], words[1:])


def test_every_command_and_option_is_documented() -> None:
    text = text_of("cli")
    for name, command in COMMANDS.commands.items():
        assert f"## `livecollections {name}`" in text
        for parameter in command.params:
            for option in parameter.opts:
                assert not option.startswith("--") or f"`{option}`" in text or f" {option} " in text, option


def test_every_option_of_live_is_documented() -> None:
    text = text_of("fastapi")
    for name in inspect.signature(livecollections.Live).parameters:
        assert f"`{name}`" in text, f"{name} is not in the table of options"


def test_every_option_of_a_resource_is_documented() -> None:
    for name in OPTIONS:
        assert f"`{name}`" in text_of("rest"), f"{name} is not in the table of options"


def test_every_option_of_the_bayeux_server_is_documented_as_it_is() -> None:
    shown = {"limits": "`Limits()`", "transports": "all"}
    for name, option in inspect.signature(Server).parameters.items():
        assert f"| `{name}` | {shown.get(name, f'`{option.default!r}`')} |" in text_of("bayeux"), name


def test_every_limit_is_documented_as_it_is() -> None:
    for each in fields(Limits):
        assert f"| `{each.name}` | {each.default:,.10g} |".replace(".0 ", " ") in text_of("bayeux"), each.name


def test_the_statuses_of_rest_are_documented_and_how_large_a_body_may_be() -> None:
    _, _, table = text_of("rest").partition("| Status | When |")
    told = [
        int(each)
        for each in re.findall(r"\b[45]\d\d\b", " ".join(re.findall(r"^\| ([\d, ]+) \|", table, re.M)))
    ]
    assert told == sorted(SAYS)
    assert f"over {BODY_LIMIT:,} bytes" in table


async def test_each_path_that_a_live_has_by_itself_is_among_what_is_open_or_closed() -> None:
    _, _, page = text_of("topics/security").partition("## What is open as shipped")
    table, _, _ = page.partition("\n#")
    live = livecollections.Live("sqlite://", metrics=True)
    async with live:
        client = httpx.AsyncClient(transport=httpx.ASGITransport(live.app), base_url="http://127.0.0.1")
        for path in ("/faye", "/live", "/live/health", "/live/metrics", "/docs", "/openapi.json"):
            assert f"`{path}`" in table
            assert (await client.get(path)).status_code == {"/live": 404, "/faye": 400}.get(path, 200), path
        for name in FILES:
            assert f"`/live/{name}`" in table


def test_every_public_name_but_errors_is_documented() -> None:
    text = " ".join(text_of(name) for name in found_pages())
    for name in livecollections.__all__:
        if not inspect.isclass(getattr(livecollections, name)) or issubclass(
            getattr(livecollections, name), Exception
        ):
            continue
        assert re.search(rf"\b{name}\b", text), f"{name} is in no page"


def test_prose_has_no_tabs_and_short_lines() -> None:
    for page in PAGES_AND_MORE:
        for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
            where = f"{page.name}:{number}"
            assert "\t" not in line, where
            assert len(line) <= 150 or line.startswith("|"), where
