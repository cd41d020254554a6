"""The rows of `davkeep.webhooks`: who is told of an operation's end."""

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, Strict, model_validator

from davkeep.words.configuration.bounds import Block, PositiveSeconds, Text, refused
from davkeep.words.signature import signing_key
from davkeep.words.urls import can_be_host

#: Seconds between two attempts at most: six hours.
LONGEST_PAUSE = 21_600.0

SECRET = "text that is not blank; after whsec_, base64"

#: What a URL may hold: visible characters of ASCII.
_URL = re.compile(r"[!-~]+")


def _web_address(url: str) -> str:
    if not _is_web_address(url):
        raise refused(
            "a URL that begins with http:// or https:// and names a host, percent-encoded, without"
            " user name, password and fragment"
        )
    return url


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        names_host = can_be_host(parts.hostname or "") and parts.port != 0
    except ValueError:
        return False
    is_bare = "@" not in parts.netloc and "#" not in url
    return (
        parts.scheme in ("http", "https")
        and names_host
        and is_bare
        and _URL.fullmatch(url) is not None
    )


def checked_secret(secret: SecretStr) -> SecretStr:
    """The same secret, if it can sign; else an error that does not show it."""
    text = secret.get_secret_value()
    try:
        signing_key(text)
    except ValueError:
        raise refused(SECRET) from None
    if not text.strip():
        raise refused(SECRET)
    return secret


class Webhook(Block):
    """Who is told of an operation's end."""

    url: Annotated[str, AfterValidator(_web_address)]
    #: Signs what is sent. Never shown. It is given here or in a file; the settings read that.
    secret: Annotated[SecretStr, AfterValidator(checked_secret)] | None = None
    secret_file: Text | None = None
    #: Seconds that one attempt may take altogether.
    timeout: PositiveSeconds = 10.0
    #: How often it is tried. With the default pause, twelve attempts take about a day.
    attempts: Annotated[int, Field(ge=1, le=100, description="a whole number from 1 to 100")] = 12
    #: Seconds before the second attempt; later pauses are longer.
    pause: Annotated[
        float,
        Field(
            gt=0,
            le=LONGEST_PAUSE,
            allow_inf_nan=False,
            description="a number of seconds above 0, up to 21600 (six hours)",
        ),
    ] = 1.0
    methods: Annotated[
        tuple[Literal["COPY", "MOVE", "DELETE", "PUT", "PATCH"], ...],
        Strict(False),
        Field(min_length=1, description="a list of COPY, MOVE, DELETE, PUT and PATCH, not empty"),
    ] = ("COPY", "MOVE", "DELETE", "PUT", "PATCH")
    states: Annotated[
        tuple[Literal["succeeded", "failed", "cancelled", "interrupted"], ...],
        Strict(False),
        Field(
            min_length=1,
            description="a list of succeeded, failed, cancelled and interrupted, not empty",
        ),
    ] = ("succeeded", "failed", "cancelled", "interrupted")

    @model_validator(mode="after")
    def _one_secret(self) -> "Webhook":
        if self.secret is None and self.secret_file is None:
            raise refused("text (or name a file in secret_file)", key="secret", given=None)
        if self.secret is not None and self.secret_file is not None:
            raise refused("a secret or a secret_file, not both", key="secret_file")
        return self


def each_url_once(webhooks: tuple[Webhook, ...]) -> tuple[Webhook, ...]:
    """The same, if no two have one URL: by it they are told apart in the database."""
    first: dict[str, int] = {}
    for number, webhook in enumerate(webhooks):
        before = first.setdefault(webhook.url, number)
        if before != number:
            raise refused(f"each URL once; numbers {before} and {number} have the same")
    return webhooks
