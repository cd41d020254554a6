"""The paths in a configuration file: relative to that file, and all of them there."""

import os
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from davkeep.settings.change import changed, value_of
from davkeep.words.configuration import Configuration, ConfigurationError, SharedFolder, Webhook
from davkeep.words.configuration.problems import in_words, problem


class Expected(NamedTuple):
    """What a path is to lead to."""

    is_there: Callable[[str], bool]
    words: str


FILE = Expected(os.path.isfile, "an existing file")
FOLDER = Expected(os.path.isdir, "an existing folder")
#: A folder that is made when it is needed.
ANYTHING = Expected(lambda _: True, "")

#: The keys that hold a path, besides those of `provider_mapping`, `shadow_map` and
#: `webhooks`.
SINGLE: Mapping[str, Expected] = {
    "ssl_certificate": FILE,
    "ssl_private_key": FILE,
    "ssl_certificate_chain": FILE,
    "htpasswd_dc.htpasswd_file": FILE,
    "htdigest_dc.htdigest_file": FILE,
    "dir_browser.htdocs_path": FOLDER,
    "davkeep.put.spool": FOLDER,
    "davkeep.state": ANYTHING,
}


def resolved(configuration: Configuration, folder: str) -> Configuration:
    """The same with absolute paths; relative ones begin in `folder`.

    Raises ConfigurationError for a path that leads to nothing, or to something of the wrong kind.
    """
    for key in SINGLE:
        if (path := value_of(configuration, key)) is not None:
            configuration = changed(configuration, key, absolute(path, folder))
    configuration = changed(configuration, "provider_mapping", _shares(configuration, folder))
    configuration = changed(
        configuration, "fs_dav_provider.shadow_map", _shadows(configuration, folder)
    )
    configuration = changed(configuration, "davkeep.webhooks", _webhooks(configuration, folder))
    if problems := tuple(_missing(configuration)):
        raise ConfigurationError(problems)
    return configuration


def absolute(path: str, folder: str) -> str:
    """`path` as WsgiDAV reads it: below `folder` unless absolute, `~` and `$NAME` filled in."""
    return os.path.abspath(os.path.join(folder, os.path.expandvars(os.path.expanduser(path))))


def _shares(configuration: Configuration, folder: str) -> dict[str, SharedFolder]:
    return {
        url: changed(share, "root", absolute(share.root, folder))
        for url, share in configuration.provider_mapping.items()
    }


def _shadows(configuration: Configuration, folder: str) -> dict[str, str]:
    shadows = configuration.fs_dav_provider.shadow_map
    return {url: absolute(path, folder) for url, path in shadows.items()}


def _webhooks(configuration: Configuration, folder: str) -> tuple[Webhook, ...]:
    return tuple(
        changed(webhook, "secret_file", absolute(webhook.secret_file, folder))
        if webhook.secret_file is not None
        else webhook
        for webhook in configuration.davkeep.webhooks
    )


def _missing(configuration: Configuration) -> Iterator[str]:
    for key, path, expected in _all_paths(configuration):
        if not expected.is_there(path):
            yield problem(key, in_words(path), expected.words)


def _all_paths(configuration: Configuration) -> Iterator[tuple[str, str, Expected]]:
    for key, expected in SINGLE.items():
        if (path := value_of(configuration, key)) is not None:
            yield key, path, expected
    for url, share in configuration.provider_mapping.items():
        yield f"provider_mapping.{url}", share.root, FOLDER
    for url, path in configuration.fs_dav_provider.shadow_map.items():
        yield f"fs_dav_provider.shadow_map.{url}", path, FILE
    for number, webhook in enumerate(configuration.davkeep.webhooks):
        if webhook.secret_file is not None:
            yield f"davkeep.webhooks.{number}.secret_file", webhook.secret_file, FILE
