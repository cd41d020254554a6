"""The settings of one run: a configuration file, what the command line adds, and real folders.

Only here is the configuration read from a disk. What comes out has absolute paths that exist, at
least one share, somebody who may come in, and the folder of the state.
"""

from davkeep.settings.load import Overrides, load, read, served_roots, state_folder

__all__ = ["Overrides", "load", "read", "served_roots", "state_folder"]
