"""The end of a command that cannot do what it was asked for."""

#: Exit status where something could not be done.
FAILED = 1
#: Exit status of a command line or a configuration that cannot be used.
REFUSED = 2


class CommandFailed(Exception):
    """Ends a command with `status`, and with `lines` for the person who gave it.

    They never hold a secret; what they repeat of others is escaped where they are written.
    """

    def __init__(self, *lines: str, status: int = FAILED) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines
        self.status = status
