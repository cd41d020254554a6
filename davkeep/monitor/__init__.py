"""The status monitor: what can be asked of the server itself, below ``/.davkeep/``."""
