"""Webhooks: the URLs of the configuration that are told when an operation has ended.

What is to be told is written to the database before the operation's own client is answered, and
sent by a thread for each receiver. So a dead receiver delays nobody else, and a restart loses
nothing. What was sent and not seen to arrive is sent again: receivers tell repeats by `webhook-id`.
"""

from davkeep.webhooks.receiver import Receiver
from davkeep.webhooks.webhooks import Webhooks

__all__ = ["Receiver", "Webhooks"]
