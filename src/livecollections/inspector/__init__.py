"""Inspector: the page at ``/live`` that shows a Live at work, and its tables.

Three rules. It is closed unless a developer looks at a process of his own, or ``Live(inspector=...)`` says who may. Of
documents, channels and changes it shows what the user who looks may ``GET`` and hear, and counts the rest. While nobody
looks it does nothing.

It changes nothing: what is edited there goes through the same REST as from anywhere else.
"""

from .access import Access
from .key import Key
from .routes import routes
from .sample import Sampler
from .watching import Scene

__all__ = ["Access", "Key", "Sampler", "Scene", "routes"]
