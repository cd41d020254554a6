"""What davkeep remembers: one SQLite database that holds locks, dead properties, the journal of
operations and what webhooks are still to be told.

What must change together changes in one transaction.
"""
