"""What is done at the start about operations that a crash ended: nothing is begun again.

``Recovery`` goes through the journal, ``case`` deals with one record of it, ``findings`` puts into
words what became of an operation, ``uploads`` finds what was staged for a PUT.
"""

from davkeep.operations.recovery.recovery import Recovery

__all__ = ["Recovery"]
