"""Problems of a configuration in words: the key's full name, what was given, what is allowed."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from inspect import isclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from davkeep.words.command_failed import REFUSED, CommandFailed
from davkeep.words.configuration.bounds import quoted

#: What pydantic adds to the place of an error although it stands in no file.
REALM_TAGS = frozenset({"<users>", "<anonymous>", "[key]"})

#: Keys below which nothing that was given is repeated, for it may be a password.
_SECRET_BELOW = frozenset({"simple_dc", "webhooks"})

#: What is allowed where a key has no bounds of its own, by pydantic's name of the error.
_ALLOWED = {
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "tuple_type": "a list",
    "invalid_key": "keys that are text",
}

#: Characters of a given text that are repeated; the rest is left out.
_REPEATED = 60

Place = tuple[int | str, ...]


class ConfigurationError(CommandFailed, ValueError):
    """A configuration that cannot be used. `problems` are its lines; the message is all of them."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(*self.problems, status=REFUSED)

    def prefixed(self, origin: str) -> "ConfigurationError":
        """The same with `origin`, such as a file's name, before each line."""
        return ConfigurationError(f"{origin}: {problem}" for problem in self.problems)


def problems_of(error: ValidationError, model: type[BaseModel]) -> Iterator[str]:
    """A line for each problem that pydantic found in a document for `model`."""
    for found in error.errors(include_url=False):
        yield _line(found, model)


def problem(key: str, given: str, allowed: str) -> str:
    """The line of one problem; `given` is a word for it, or the value as it stands in the file."""
    return f"{key}: {given} is not allowed; allowed: {allowed}"


def _line(found: Mapping[str, Any], model: type[BaseModel]) -> str:
    context = found.get("ctx", {})
    place = _place(found["loc"], context)
    key = dotted(place) or "the file"
    match found["type"]:
        case "extra_forbidden":
            return f"{key}: unknown key; {_keys_allowed(place, model)}"
        case "missing":
            return f"{key}: missing, and needed"
    given = in_words(context.get("given", found["input"]), secret=_is_secret(place))
    return problem(key, given, _allowed(found, place, model))


def _place(loc: Place, context: Mapping[str, Any]) -> Place:
    """Where in the file it is; the context names the key if a whole block was looked at."""
    below = context["key"].split(".") if "key" in context else ()
    return (*(part for part in loc if part not in REALM_TAGS), *below)


def dotted(place: Place) -> str:
    """The full name of a key; parts that could break a line are quoted."""
    return ".".join(
        part if isinstance(part, str) and part.isprintable() else json.dumps(part) for part in place
    )


def _is_secret(place: Place) -> bool:
    words = [part.lower() for part in place if isinstance(part, str)]
    return not _SECRET_BELOW.isdisjoint(words) or any(
        "password" in word or "secret" in word for word in words
    )


def in_words(given: Any, *, secret: bool = False) -> str:
    """A value as it stands in the file; of lists and mappings the kind, and of secrets nothing."""
    if isinstance(given, Mapping):
        return "a mapping"
    if isinstance(given, Sequence) and not isinstance(given, str):
        return "a list"
    if given is not None and secret:
        return "what is given"
    if isinstance(given, str):
        return _shortened(quoted(given))
    if isinstance(given, float):
        return str(given)
    return json.dumps(given, default=str)


def _shortened(text: str) -> str:
    return text if len(text) <= _REPEATED else f"{text[:_REPEATED]}..."


def _allowed(found: Mapping[str, Any], place: Place, model: type[BaseModel]) -> str:
    context = found.get("ctx", {})
    if "allowed" in context:
        return str(context["allowed"])
    _, field = _at(place, model)
    if field is not None and field.description:
        return field.description
    if found["type"] == "literal_error":
        return "one of " + str(context["expected"]).replace("'", "").replace(" or ", ", ")
    allowed = _ALLOWED.get(found["type"], found["msg"])
    if allowed == "text" and isinstance(found["input"], bool | int | float):
        return "text, so put it in quotes"
    return str(allowed)


def _keys_allowed(place: Place, model: type[BaseModel]) -> str:
    block, _ = _at(place[:-1], model)
    keys = sorted(block.model_fields)
    close = get_close_matches(str(place[-1]), keys, n=1)
    meant = f" (did you mean {close[0]}?)" if close else ""
    return f"allowed here: {', '.join(keys)}{meant}"


def _at(place: Place, model: type[BaseModel]) -> tuple[type[BaseModel], FieldInfo | None]:
    """The innermost block around `place`, and the field if `place` names one."""
    field = None
    for part in place:
        field = model.model_fields.get(part) if isinstance(part, str) else None
        if field is not None:
            model = next(_blocks_in(field.annotation), model)
    return model, field


def _blocks_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _blocks_in(part)
