"""The public names of the kit: each is there, is lazy, is in the docs, and says what it is."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import livecollections.testing
from livecollections.testing import plugin

from ..command import ROOT

PAGE = (ROOT / "docs" / "topics" / "testing.md").read_text("utf-8")


def test_all_is_sorted_and_lazy() -> None:
    names = livecollections.testing.__all__
    assert names == sorted(set(names))
    code = "import sys, livecollections.testing as kit; dir(kit); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert not {"sqlalchemy", "starlette", "uvicorn", "httpx", "pytest"} & set(run.stdout.split())
    with pytest.raises(AttributeError, match="no attribute 'Sight'"):
        _ = livecollections.testing.Sight


@pytest.mark.parametrize("name", livecollections.testing.__all__)
def test_each_name_exists_and_says_what_it_is(name: str) -> None:
    value = getattr(livecollections.testing, name)
    assert value.__doc__
    if inspect.isclass(value):
        for attribute, member in vars(value).items():
            if not attribute.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
                assert member.__doc__, f"{name}.{attribute} has no docstring"


def test_every_fixture_fault_and_part_of_a_site_is_documented() -> None:
    for name in plugin.FIXTURES:
        assert f"| `{name}` |" in PAGE
        assert inspect.getdoc(getattr(plugin, name)), name
    for name in ("live_app", "live_scope"):
        assert f"{name} =" in PAGE
    for kind in ("Site", "SiteProxy"):
        for name, member in vars(getattr(livecollections.testing, kind)).items():
            if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
                assert f"`{name}" in PAGE or f".{name}" in PAGE or f"{name}(" in PAGE, f"{kind}.{name}"
