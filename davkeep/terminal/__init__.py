"""Where a command meets who gave it: its output, the log, the prompt and signals.

Nothing else in davkeep writes to a standard stream.
"""
