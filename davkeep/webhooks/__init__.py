"""Webhooks: the URLs of the configuration that are told when an operation has ended.

What is to be told is written to the database, each event once, with others where many come, and
sent from there by a thread for each receiver. So a dead receiver delays nobody, and a restart loses
nothing. What was sent and not seen to arrive is sent again: receivers tell repeats by `webhook-id`.
"""

from davkeep.webhooks.receiver import Receiver
from davkeep.webhooks.webhooks import Webhooks

__all__ = ["Receiver", "Webhooks"]
