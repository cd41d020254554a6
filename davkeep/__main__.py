"""`python -m davkeep` is the command `davkeep`."""

import sys

from davkeep.cli import main

if __name__ == "__main__":
    sys.exit(main())
