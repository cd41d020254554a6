"""A YAML file as Python values. A key that a mapping holds twice is an error."""

from collections.abc import Hashable
from typing import Any

import yaml

from davkeep.words.configuration import ConfigurationError


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which would let the second of two equal keys win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key.value} is there twice", problem_mark=key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def read(path: str) -> Any:
    """What the file holds; None if it is empty. Raises ConfigurationError if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return yaml.load(file, _Loader)
    except OSError as error:
        raise ConfigurationError([f"cannot be read: {error.strerror}"]) from None
    except yaml.MarkedYAMLError as error:
        raise ConfigurationError([_at_line(error)]) from None
    except RecursionError:
        raise ConfigurationError(["is nested too deeply"]) from None
    except (ValueError, OverflowError) as error:
        raise ConfigurationError([f"not valid YAML: {error}"]) from None
    except yaml.YAMLError:
        raise ConfigurationError(["holds bytes or characters that YAML does not allow"]) from None


def _at_line(error: yaml.MarkedYAMLError) -> str:
    line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
    return f"{line}not valid YAML: {error.problem or error.context}"
