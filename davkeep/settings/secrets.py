"""The secrets of webhooks that are in files of their own, such as systemd's credentials."""

from pydantic import SecretStr
from pydantic_core import PydanticCustomError

from davkeep.settings.change import changed
from davkeep.words.configuration import Configuration, ConfigurationError, Webhook
from davkeep.words.configuration.problems import problem
from davkeep.words.configuration.webhooks import SECRET, checked_secret

#: Characters of such a file that are read; no key needs as many.
LONGEST = 65_536


def read(configuration: Configuration) -> Configuration:
    """The configuration in which every webhook has its secret.

    Raises ConfigurationError, without a word of what a file holds, if one cannot be used.
    """
    webhooks = tuple(
        _with_secret(webhook, f"davkeep.webhooks.{number}.secret_file")
        for number, webhook in enumerate(configuration.davkeep.webhooks)
    )
    return changed(configuration, "davkeep.webhooks", webhooks)


def _with_secret(webhook: Webhook, key: str) -> Webhook:
    if webhook.secret_file is None:
        return webhook
    try:
        with open(webhook.secret_file, encoding="utf-8") as file:
            secret = checked_secret(SecretStr(file.read(LONGEST).strip()))
    except OSError as error:
        raise ConfigurationError([f"{key}: cannot be read: {error.strerror}"]) from None
    except (PydanticCustomError, UnicodeDecodeError):
        raise ConfigurationError([problem(key, "what the file holds", SECRET)]) from None
    return changed(webhook, "secret", secret)
