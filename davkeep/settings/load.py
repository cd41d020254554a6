"""From a configuration file and a command line to a Configuration that can be served."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from davkeep.settings import paths, sample, secrets, state, users
from davkeep.settings.change import changed
from davkeep.words.configuration import Configuration, ConfigurationError, SharedFolder, parse


@dataclass(frozen=True)
class Overrides:
    """What the command line says; None: nothing."""

    #: A folder to serve at `/`, relative to the current one.
    root: str | None = None
    host: str | None = None
    port: int | None = None
    #: `anonymous`, `htpasswd:FILE`, `htdigest:FILE` or `pam`.
    auth: str | None = None


def _nobody(_: str) -> None:
    """Whom a sentence is told if nobody asked."""


def load(
    path: str | None = None,
    overrides: Overrides | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    tell: Callable[[str], None] = _nobody,
) -> Configuration:
    """The configuration of the file `path` (None: an empty one), changed by what `overrides` says.

    Without a share it gets the user's own copy of the sample share, and `tell` a sentence about it;
    nothing else is written to a disk. `environ` says where the user's folders are.

    Raises ConfigurationError, with a line for each problem, before anything is written.
    """
    said = overrides or Overrides()
    configuration = _with_address(_from_file(path), said)
    if said.root is not None:
        configuration = _with_root(configuration, said.root)
    configuration = users.let_in(configuration, said.auth)
    if configuration.provider_mapping:
        return state.placed(configuration, environ)
    own_copy = sample.place(configuration.davkeep.state, environ)
    configuration = state.placed(_sharing(configuration, own_copy), environ)
    sample.make(own_copy, tell)
    return configuration


def state_folder(path: str | None = None, *, environ: Mapping[str, str] = os.environ) -> str:
    """The state folder of what is served by the configuration file `path`, or without one.

    Nothing is looked for or made. Raises ConfigurationError.
    """
    return state.folder_of(_from_file(path), environ)


def served_roots(path: str | None = None, *, environ: Mapping[str, str] = os.environ) -> list[str]:
    """The real paths of what is served by the configuration file `path`, or without one.

    Nothing is made. Raises ConfigurationError.
    """
    configuration = _from_file(path)
    if not configuration.provider_mapping:
        own_copy = sample.place(configuration.davkeep.state, environ)
        configuration = _sharing(configuration, own_copy)
    return state.roots_of(configuration)


def read(path: str | None) -> Configuration:
    """The configuration of the file `path` (None: an empty one), its paths as they are written.

    Raises ConfigurationError, with a line for each problem.
    """
    if path is None:
        return parse(None)
    try:
        # What there is no file for does not wait for YAML.
        from davkeep.settings import yaml_file

        return parse(yaml_file.read(path))
    except ConfigurationError as error:
        raise error.prefixed(path) from None


def _from_file(path: str | None) -> Configuration:
    configuration = read(path)
    if path is None:
        return configuration
    try:
        folder = os.path.dirname(os.path.abspath(path))
        return secrets.read(paths.resolved(configuration, folder))
    except ConfigurationError as error:
        raise error.prefixed(path) from None


def _with_address(configuration: Configuration, said: Overrides) -> Configuration:
    given = {"host": said.host, "port": said.port}
    words = {key: value for key, value in given.items() if value is not None}
    checked = parse(words)
    for key in words:
        configuration = changed(configuration, key, getattr(checked, key))
    return configuration


def _with_root(configuration: Configuration, root: str) -> Configuration:
    if configuration.provider_mapping:
        raise ConfigurationError(
            [f"ROOT: {root} is not allowed together with provider_mapping; give one of them"]
        )
    # Asked before it is made absolute, for "" (of a variable that is not set) is no current folder.
    if not os.path.isdir(root):
        raise ConfigurationError([f"ROOT: {root} is no folder"])
    return _sharing(configuration, os.path.abspath(root))


def _sharing(configuration: Configuration, folder: str) -> Configuration:
    return changed(configuration, "provider_mapping", {"/": SharedFolder(root=folder)})
