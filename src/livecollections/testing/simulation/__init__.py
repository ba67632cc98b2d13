"""A deterministic simulation: real servers and clients over a simulated network and clock, from one seed.

``simulation.py`` tells how it is used, ``network.py`` has the faults, ``node.py`` the servers.
"""

from .host import Host
from .network import Network
from .node import Node
from .process import Killed, Process
from .simulation import Simulation
from .trace import Trace

__all__ = ["Host", "Killed", "Network", "Node", "Process", "Simulation", "Trace"]
