"""The way in for who administers a server on its own machine: a socket in the state folder.

Each request is one line of JSON, ``{"command": NAME, ...}``, and so is its answer: an object, with
``error`` (a line) where it was not done. Knows nothing of what the commands do.
"""

from davkeep.control.asking import ask
from davkeep.control.control import Command, Control, Refused

__all__ = ["Command", "Control", "Refused", "ask"]
