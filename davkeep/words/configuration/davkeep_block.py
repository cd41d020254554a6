"""The block `davkeep:` of the configuration, with its defaults."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, Strict, model_validator

from davkeep.words.agents import Agent, Versions
from davkeep.words.configuration.bounds import (
    Block,
    Network,
    PositiveSeconds,
    Rate,
    Seconds,
    Text,
    Texts,
    Threads,
    refused,
)
from davkeep.words.configuration.webhooks import Webhook, each_url_once

Proxy = Literal[
    "auto",
    "none",
    "nginx",
    "apache",
    "haproxy",
    "caddy",
    "squid",
    "varnish",
    "lighttpd",
    "traefik",
    "envoy",
]


def _product(text: str) -> str:
    name = text.removesuffix("/")
    try:
        Agent(name)
    except ValueError:
        raise refused("the name of a product in a User-Agent field, without its version") from None
    return name


def _versions(text: str) -> str:
    try:
        Versions.parse(text)
    except ValueError:
        raise refused("a range of versions in quotes, such as '>=0.33, <1'") from None
    return text


class ProfileRow(Block):
    """A client's row, added before the built-in ones."""

    name: Text
    #: The product that its User-Agent field names, without the slash.
    agent: Annotated[str, AfterValidator(_product)]
    #: The versions of that product; "": all.
    versions: Annotated[str, AfterValidator(_versions)] = ""
    #: Interim responses that one request may get; 0: none. None: no limit of its own.
    cap: Annotated[int | None, Field(ge=0, description="a whole number, 0 or more, or null")] = None
    #: Seconds that the client waits for a sign of life. None: unknown.
    patience: Annotated[
        float | None, Field(gt=0, allow_inf_nan=False, description="seconds above 0, or null")
    ] = None
    #: Whether an interim response renews that patience.
    renews: bool = True
    #: Whether it reads the content of a 207 that begins before the operation ends.
    multistatus: bool = False
    #: Whether it is answered at the effective point, and sent nothing before.
    effective_point: bool = False
    note: str = ""

    @model_validator(mode="after")
    def _nothing_before_the_effective_point(self) -> Self:
        if self.effective_point and self.cap:
            raise refused("0 or null together with effective_point", key="cap", given=self.cap)
        return self


class Keepalive(Block):
    """When interim responses are sent."""

    interim: Literal["auto", "always", "never"] = "auto"
    #: The longest silence, in seconds, before the first; a profile may speak earlier.
    first_after: PositiveSeconds = 10.0
    #: The longest silence, in seconds, between them; a profile's cap still holds.
    interval: PositiveSeconds = 10.0
    #: The proxy in front of the server.
    behind_proxy: Proxy = "auto"
    profiles: Annotated[
        tuple[ProfileRow, ...], Strict(False), Field(description="a list of mappings")
    ] = ()


class Operations(Block):
    """How long operations run."""

    #: Long operations that run at the same time.
    workers: Threads = 2
    #: Seconds within which an operation is answered inline.
    grace: Seconds = 0.25
    #: Seconds that a finished operation stays readable.
    keep_results: Seconds = 900.0
    #: What happens to an operation when the last of its waiters has gone.
    on_disconnect: Literal["continue", "cancel"] = "continue"
    #: Throttle of one operation.
    max_members_per_second: Rate = None
    max_bytes_per_second: Rate = None
    #: Seconds that a conflicting request waits before its 423.
    conflict_wait: Seconds = 2.0


class Put(Block):
    """How uploads are staged."""

    #: A folder on fast storage; None stages beside the target.
    spool: Text | None = None


class Davkeep(Block):
    """Everything that davkeep adds to WsgiDAV's own keys."""

    keepalive: Keepalive = Keepalive()
    operations: Operations = Operations()
    put: Put = Put()
    #: Flush to the disk before a change takes effect (see the promises, Durability).
    fsync: bool = True
    #: Names of users who may probe.
    administrators: Texts = ()
    #: Peers whose forwarding fields are believed.
    trusted_proxies: Annotated[
        tuple[Network, ...], Strict(False), Field(description="a list of addresses")
    ] = ()
    webhooks: Annotated[
        tuple[Webhook, ...],
        Strict(False),
        AfterValidator(each_url_once),
        Field(description="a list of mappings"),
    ] = ()
    #: Folder of the database. None until the settings are loaded, which then choose one below
    #: the XDG state folder for the set of roots.
    state: Text | None = None
