"""The build: puts the demo's third-party browser files, and their licences, where the package serves them.

They are installed from npm (``npm ci``) and never committed. ``demo/vendor.json`` lists them: ``from`` in the
checkout, ``to`` in the demo's folder. An sdist carries them, so that a wheel can be built from it without Node.
``python hatch_build.py`` copies them for an editable install.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

DEMO = Path("src/livecollections/demo")
VENDOR = DEMO / "static" / "vendor"


def copy_vendor(root: Path) -> None:
    """Copy the listed files from node_modules; what is there already is kept where node_modules is not.

    Raises FileNotFoundError, with a sentence that says what to run, if a file is in neither place.
    """
    for entry in json.loads((root / DEMO / "vendor.json").read_text("utf-8")):
        source = root / entry["from"]
        target = root / DEMO / entry["to"]
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        elif not target.is_file():
            raise FileNotFoundError(
                f"the demo's browser file {entry['from']} is missing: run `npm ci` in {root} first"
            )


class VendorHook(BuildHookInterface[Any]):
    """Runs before hatchling collects the files of a wheel or an sdist."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Copy the files, and have them packed although git ignores them."""
        if version == "editable":
            return
        copy_vendor(Path(self.root))
        build_data["artifacts"].append(f"/{VENDOR.as_posix()}/")


if __name__ == "__main__":
    try:
        copy_vendor(Path(__file__).parent)
    except FileNotFoundError as error:
        sys.exit(str(error))
