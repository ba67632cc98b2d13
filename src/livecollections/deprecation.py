"""What will go: it warns for a whole minor version before it does.

One rule. Each call stands where the old thing is used, and names the version that is without it, as a literal; the
suite fails once that version has come. This module knows nothing that is deprecated.
"""

from __future__ import annotations

import warnings


def deprecated(what: str, *, removal: str, instead: str, stacklevel: int = 3) -> None:
    """Warn whoever uses something that will go.

    Args:
        what: as its user writes it, ``Live(faye=…)``.  removal: the version that is without it, ``"0.3.0"``.
        instead: what to write.  stacklevel: as of ``warnings.warn``; 3 is the caller of what calls this.
    """
    message = f"{what} is deprecated, and goes in livecollections {removal}: use {instead}"
    warnings.warn(message, DeprecationWarning, stacklevel=stacklevel)
