"""The files that users copy are those of the page, and are what the programs that read them expect."""

from __future__ import annotations

import inspect
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from docs.pages import parse
from livecollections.bayeux import Server

from ..command import ROOT, command, finished
from ..conformance.hosts import wait_served
from ..ports import free_port
from .proxies import FILES
from .shop import HOME, exec_start, unit

PAGE = ROOT / "docs" / "deploy.md"
INSTRUCTIONS = {"FROM", "RUN", "WORKDIR", "COPY", "USER", "ENV", "EXPOSE", "HEALTHCHECK", "CMD"}
DEFAULTS = {name: option.default for name, option in inspect.signature(Server).parameters.items()}


def test_each_file_is_shown_whole_or_in_part() -> None:
    shown: dict[str, list[str]] = {}
    for token in parse(PAGE):
        _, _, file = token.info.partition(" ")
        if token.type == "fence" and file:
            shown.setdefault(file, []).append(token.content)
    assert set(shown) == {str(path.relative_to(ROOT)) for path in FILES.iterdir() if path.is_file()}
    for file, parts in shown.items():
        text = (ROOT / file).read_text("utf-8")
        assert all(part.strip() in text for part in parts), file
        assert parts == [text] or file.endswith("shop.py"), f"{file} is shown in part"


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """Its programs are those of this environment, and its user one that is there."""
    program, *_ = exec_start(8000)
    text = (FILES / "shop@.service").read_text("utf-8")
    file = tmp_path / "shop@8000.service"
    file.write_text(text.replace(f"{HOME}/.venv/bin/livecollections", program), "utf-8")
    run = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(file)],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (run.returncode, [line for line in run.stderr.splitlines() if "shop@" in line]) == (0, [])
    file.write_text(file.read_text("utf-8").replace("Restart=always", "Restart=seldom"), "utf-8")
    run = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(file)],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert "seldom" in run.stderr, "it would take anything"


def test_the_unit_waits_for_a_stop_and_has_files_for_many_clients() -> None:
    service = unit()["Service"]
    assert int(service["TimeoutStopSec"]) > 6, "longer than `livecollections run` takes"
    assert int(service["LimitNOFILE"]) > 10_000
    assert HOME in service["ReadWritePaths"].split()


# Docker: read, not run.


def dockerfile() -> list[tuple[str, str]]:
    text = (FILES / "Dockerfile").read_text("utf-8")
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in text.splitlines())]


def test_the_dockerfile_has_instructions_that_there_are() -> None:
    instructions = dockerfile()
    assert instructions[0][0] == "FROM"
    assert {name for name, _ in instructions} <= INSTRUCTIONS
    for name, rest in instructions:
        if name == "COPY":
            *files, _ = shlex.split(rest)
            assert all((FILES / file).exists() for file in files)
        if name == "RUN":
            subprocess.run(["bash", "-n", "-c", rest], timeout=10, check=True)
    names = [name for name, _ in instructions]
    assert names.index("USER") < names.index("CMD"), "it is not root who serves"
    assert [name for name in names if name == "CMD"] == ["CMD"]


def test_the_image_serves_and_says_that_it_is_well(tmp_path: Path) -> None:
    """Its command, and its check of health, on a port that is free here."""
    told = dict(dockerfile())
    port = free_port()
    start = json.loads(told["CMD"].replace("8000", str(port)).replace("0.0.0.0", "127.0.0.1"))
    health = json.loads(told["HEALTHCHECK"].partition(" CMD ")[2].replace("8000", str(port)))
    assert told["EXPOSE"] == "8000"
    assert f":{port}/" in health[2]
    (tmp_path / "shop.py").write_text((FILES / "shop.py").read_text("utf-8"), "utf-8")
    python = Path(sys.executable)
    assert finished(*health[1:], cwd=tmp_path, program=python).returncode != 0, "nobody serves yet"
    with command(*start[1:], cwd=tmp_path, env={"DATABASE_URL": "sqlite:///shop.db"}) as process:
        wait_served(process, port)
        assert httpx.get(f"http://127.0.0.1:{port}/api/orders", timeout=30).json() == []
        assert finished(*health[1:], cwd=tmp_path, program=python).returncode == 0
        assert process.stop() < 6


def compose() -> Any:
    return yaml.safe_load((FILES / "compose.yaml").read_text("utf-8"))


def test_compose_has_an_application_behind_a_proxy_and_before_a_database() -> None:
    whole = compose()
    services = whole["services"]
    assert set(services) == {"app", "proxy", "database"}
    app, proxy, database = services["app"], services["proxy"], services["database"]
    assert "ports" not in app, "only the proxy is met from outside"
    assert "ports" not in database
    assert proxy["ports"] == ["80:80", "443:443"]
    assert proxy["environment"]["APPS"] == "app:8000"
    assert app["init"] is True
    assert app["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert re.fullmatch(r"\d+s", app["stop_grace_period"])
    assert int(app["stop_grace_period"][:-1]) > 6
    assert database["environment"]["POSTGRES_USER"] == "shop"


def test_compose_names_volumes_files_and_secrets_that_there_are() -> None:
    whole = compose()
    for service in whole["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert (FILES / source).exists() if source.startswith(".") else source in whole["volumes"]
    text = (FILES / "compose.yaml").read_text("utf-8")
    variables = re.findall(r"\$\{(\w+)([^}]*)\}", text)
    assert variables
    assert all(rest.startswith(":?") for _, rest in variables), "without it nothing starts"
    # Those that the Caddyfile reads are what the proxy is given.
    read = set(re.findall(r"\{\$(\w+)", (FILES / "Caddyfile").read_text("utf-8")))
    assert set(whole["services"]["proxy"]["environment"]) <= read


# Timeouts.


def tables() -> list[list[list[str]]]:
    """The cells of the two tables of the section on timeouts, without their heads."""
    section = PAGE.read_text("utf-8").partition("## Timeouts\n")[2].partition("\n## ")[0]
    found = re.findall(r"(?:^\|.*\n)+", section, re.M)
    return [[line.strip("| ").split(" | ") for line in table.splitlines()[2:]] for table in found]


def seconds(text: str) -> float:
    return float("inf") if text == "never" else float(text.split()[0])


def test_a_poll_as_shipped_is_answered_before_the_usual_cuts() -> None:
    usual, _ = tables()
    assert len(usual) >= 7
    for proxy, cut, _, source in usual:
        assert DEFAULTS["timeout"] + 5 <= seconds(cut), proxy
        assert 2 * DEFAULTS["ping"] < seconds(cut), f"{proxy}: sockets and streams"
        assert source.startswith(("[", "`/etc/")), proxy


def test_where_a_poll_as_shipped_is_too_long_the_page_says_what_is_not() -> None:
    _, shorter = tables()
    for proxy, cut, timeout, source in shorter:
        assert seconds(timeout) + 5 <= seconds(cut) < DEFAULTS["timeout"], proxy
        assert source.startswith("["), proxy


@pytest.mark.parametrize("file", ["nginx.conf", "haproxy.cfg", "Caddyfile"])
def test_proxies_are_patient_for_longer_than_a_poll_is_held(file: str) -> None:
    text = (FILES / file).read_text("utf-8")
    found = re.findall(r"(?:proxy_read_timeout |PROXY_PATIENCE[-:])(\d+)", text)
    assert found
    assert all(float(each) > DEFAULTS["timeout"] for each in found)
