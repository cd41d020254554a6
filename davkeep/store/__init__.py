"""What davkeep remembers: one SQLite database that holds locks and dead properties.

What must change together changes in one transaction.
"""
