"""The configuration: every key, its default and what it may be.

Pure: files are read by `davkeep.settings`.
"""

from davkeep.words.configuration.davkeep_block import (
    Davkeep,
    Keepalive,
    Operations,
    ProfileRow,
    Put,
)
from davkeep.words.configuration.file import Configuration, parse
from davkeep.words.configuration.problems import ConfigurationError
from davkeep.words.configuration.shares import SharedFolder, share_path
from davkeep.words.configuration.stock import wsgidav_settings
from davkeep.words.configuration.webhooks import Webhook

__all__ = [
    "Configuration",
    "ConfigurationError",
    "Davkeep",
    "Keepalive",
    "Operations",
    "ProfileRow",
    "Put",
    "SharedFolder",
    "Webhook",
    "parse",
    "share_path",
    "wsgidav_settings",
]
