"""Builds the documentation into ``docs/_site``: Sphinx makes it, a warning is an error; then its links are looked at.

``index.md`` has the menu, which finds the pages of ``howto``, ``topics`` and the other folders by itself.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from docs import links
from docs.pages import DOCS, ROOT, found_pages

SITE = DOCS / "_site"
STRICT = ("-q", "-W", "--keep-going", "-b", "html")


def build(site: Path = SITE, source: Path = DOCS) -> list[str]:
    """Build all pages; the answer is what is wrong, in sentences."""
    shutil.rmtree(site, ignore_errors=True)
    with tempfile.TemporaryDirectory() as trees:
        made = subprocess.run(
            [sys.executable, "-m", "sphinx", *STRICT, "-d", trees, "-c", DOCS, source, site],
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
    if made.returncode:
        return made.stderr.strip().splitlines() or [f"Sphinx ended with {made.returncode}"]
    return links.faults(site)


if __name__ == "__main__":
    wrong = build()
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"{len(found_pages())} pages in {SITE.relative_to(ROOT)}")
