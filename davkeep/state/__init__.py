"""`davkeep state`: what can be done with a state folder as a whole."""

from davkeep.state.command import SUBCOMMANDS, add_options, run

__all__ = ["SUBCOMMANDS", "add_options", "run"]
