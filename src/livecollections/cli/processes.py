"""How the processes that uvicorn starts are configured: each tells as the one that starts it, also why it ends.

Two rules. What an application raises when it is loaded is in the log, for multiprocessing would write it to stderr. A
process that can't load it ends by the status at which uvicorn starts no other in its place, again and again.
"""

from __future__ import annotations

import sys
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from .keyboard import ending
from .logs import Level, configure


class ProcessConfig(uvicorn.Config):
    """uvicorn's configuration, which goes to the process that it starts."""

    def __init__(self, app: Any, told_level: Level, as_json: bool, **settings: Any) -> None:
        self.told_level = told_level
        self.as_json = as_json
        super().__init__(app, log_config=None, **settings)

    def configure_logging(self) -> None:
        """Have this process tell so."""
        configure(self.told_level, self.as_json)
        super().configure_logging()

    def load(self) -> None:
        """Load the application; SystemExit where that fails."""
        try:
            with ending():
                super().load()
        except SystemExit as error:
            if isinstance(error.code, str):
                print(error.code, file=sys.stderr)
            raise SystemExit(STARTUP_FAILURE) from None
