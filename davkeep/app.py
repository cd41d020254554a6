"""Assembly: from a configuration to a server that runs."""

import logging
import os
import resource
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from davkeep.administration import start_control
from davkeep.dav.application import Application
from davkeep.dav.cors import across_origins
from davkeep.dav.delivery import answer_of
from davkeep.dav.request import StartResponse
from davkeep.dav.shares import Provider, Shares
from davkeep.dav.sharing import Sharing
from davkeep.dav.site import Site, staging_prefix
from davkeep.dav.uploads.listed import Listed
from davkeep.dav.uploads.sweeper import Sweeper
from davkeep.dav.uploads.uploads import Uploads
from davkeep.front import front
from davkeep.keepalive import Settings, planner
from davkeep.monitor.health import Health
from davkeep.monitor.resources import Resources
from davkeep.operations import (
    Books,
    Lanes,
    Limits,
    Operation,
    Outcome,
    Registry,
    Reservations,
    Stored,
    most_begun,
    tell_nobody,
)
from davkeep.operations.identities import Identities
from davkeep.operations.looks import Owner, ShareRefused
from davkeep.operations.recovery import Recovery
from davkeep.operations.recovery.sweep import Sweep
from davkeep.operations.upkeep import Steps, Upkeep
from davkeep.server import Server, ServerSettings, TlsAdapter
from davkeep.store.database import Database, StateRefused, StoreError
from davkeep.store.deliveries import Deliveries
from davkeep.store.departed import DepartedFile
from davkeep.store.former import Former, bring_in, take_over
from davkeep.store.instance import instance_of, others_of
from davkeep.store.journal import Journal
from davkeep.store.locks import Locks
from davkeep.store.properties import DeadProperties
from davkeep.store.results import KeptResults
from davkeep.store.shares import NestedShares
from davkeep.store.uploads import Uploads as StoredUploads
from davkeep.terminal import output
from davkeep.terminal.log import LogHandler
from davkeep.terminal.signals import unwinding
from davkeep.trees.names import UPLOAD
from davkeep.trees.roots import Roots
from davkeep.trees.share import Share
from davkeep.words.configuration import Configuration, ConfigurationError
from davkeep.words.threads import ThreadRefusedError

_log = logging.getLogger("davkeep")

#: From WsgiDAV's ``verbose`` to the level of the log: requests and interim responses are told of
#: at 3, the default.
LEVELS = (logging.CRITICAL, logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)

#: Seconds between two looks whether the state is where it was, and roots are what they were.
LOOK_SECONDS = 1.0
#: Seconds that a stop waits for the upkeep's thread, which looks after each step whether to end.
UPKEEP_SECONDS = 5.0


def serve(configuration: Configuration, former: Former | None = None) -> int:
    """Serve until SIGINT or SIGTERM, and return the exit status.

    ``former``: where states may be that move into that of the configuration.

    Raises ConfigurationError for a state that is in use, a share or certificate that cannot be
    opened and an address that cannot be had; ThreadRefusedError if the system does not start every
    thread without which something would hang.
    """
    begin_log(configuration)
    for key in without_effect(configuration):
        _log.warning("%s is set, and has no effect yet", key)
    with ExitStack() as opened:
        # What was opened is closed, also where a signal comes before there is a server to stop.
        with unwinding():
            with state_named():
                site = make_site(configuration, opened, former)
                recovery = recover(site, opened)
            server = make_server(configuration, site)
            _prepare(server, configuration)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: server.ask_to_stop())
        start_control(site, opened)
        _announce(f"Serving {_described(configuration)} at {server.url}")
        recovery.start(site.upkeep)
        server.serve()
    return 0


def _prepare(server: Server, configuration: Configuration) -> None:
    try:
        server.prepare()
    except ThreadRefusedError:
        raise
    except OSError as error:
        where = f"{configuration.host}, port {configuration.port}"
        raise ConfigurationError([f"host: cannot listen on {where}: {error}"]) from None


def _announce(line: str) -> None:
    """Tell on standard output where we serve; nobody who does not read that is to be without it."""
    try:
        output.show(line)
    except output.OutputLost as error:
        _log.warning("%s; %s", line, error)


def recover(site: Site, opened: ExitStack) -> Recovery:
    """Settle what a crash left, before anything is served; purging it is stopped with ``opened``.

    The operations that it ended are shown like those of this process. Raises StoreError if the
    state cannot be read.
    """
    block = site.configuration.davkeep
    instances = [site.instance, *others_of(site.database)]
    recovery = Recovery(site.books, instances, spool=block.put.spool, sweep=_sweep(site, instances))
    found = recovery.settle()
    start_sweeping(site, opened)
    for operation in found:
        site.registry.remember(operation)
    site.books.keep_up(site.upkeep)
    opened.callback(recovery.stop)
    return recovery


def _sweep(site: Site, instances: Sequence[str]) -> Steps | None:
    """What looks for hidden entries that may have lost their records; None if there can be none."""
    if not site.database.has_lost_records:
        return None
    sweep = Sweep(site.journal, site.stored, instances, site.in_use.__contains__)
    spool = site.configuration.davkeep.put.spool
    roots = [provider.share.folder for provider in site.shares.providers]
    return sweep.steps([*roots, *([] if spool is None else [spool])])


@contextmanager
def state_named() -> Iterator[None]:
    """Turn what is wrong with the state into a ConfigurationError that names its key."""
    try:
        yield
    except StateRefused as error:
        raise ConfigurationError([f"davkeep.state: {error}"]) from None
    except StoreError as error:
        raise ConfigurationError([f"davkeep.state: {error.strerror}"]) from None


def without_effect(configuration: Configuration) -> list[str]:
    """The keys that are set and that nothing in this version reads."""
    is_set = {"fs_dav_provider.shadow_map": bool(configuration.fs_dav_provider.shadow_map)}
    return [key for key, given in is_set.items() if given]


def begin_log(configuration: Configuration) -> None:
    """Send the log to standard error; standard output is for the line that says where we serve."""
    root = logging.getLogger()
    root.handlers[:] = [LogHandler()]
    root.setLevel(logging.WARNING)
    level = LEVELS[min(configuration.verbose, len(LEVELS) - 1)]
    for name in ("davkeep", "wsgidav"):
        logging.getLogger(name).setLevel(level)
    logging.getLogger("wsgidav").setLevel(max(level, logging.WARNING))


def make_site(
    configuration: Configuration, opened: ExitStack, former: Former | None = None
) -> Site:
    """Open the state and the shares, and start what works for requests besides the server.

    What was opened is closed with ``opened``. Raises StateRefused and StoreError for a state that
    cannot be used, ConfigurationError and ThreadRefusedError.
    """
    database, instance, departed, shares, identities = open_known(configuration, opened, former)
    upkeep = start_upkeep(database, identities, opened)
    lanes = start_lanes(configuration)
    tell_ended = start_webhooks(configuration, database, opened)
    stored = Stored(
        database,
        DeadProperties(database),
        Locks(database, time.time),
        StoredUploads(database),
        Roots([provider.share for provider in shares.providers]),
        NestedShares(database),
    )
    reservations = Reservations()
    journal = Journal(database)
    books = Books.of(journal, stored, departed, reservations, fsync=database.flushes)
    registry = Registry(
        lanes,
        keep_results=configuration.davkeep.operations.keep_results,
        reservations=reservations,
        debts=books.debts,
        ended=tell_ended,
    )
    resume_results(registry, KeptResults(database), opened)
    return Site(
        configuration=configuration,
        shares=shares,
        database=database,
        identities=identities,
        properties=stored.properties,
        locks=stored.locks,
        stored=stored,
        journal=books.desk.journal,
        books=books,
        registry=registry,
        uploads=make_uploads(configuration, stored, instance, opened),
        sharing=try_sharing(shares),
        upkeep=upkeep,
        plan=planner(Settings.of(configuration.davkeep.keepalive)),
        instance=instance,
        monotonic=time.monotonic,
        now=time.time,
    )


class Known(NamedTuple):
    """A state, and shares of which it knows which ones they are."""

    database: Database
    instance: str
    departed: DepartedFile
    shares: Shares
    identities: Identities


def open_known(configuration: Configuration, opened: ExitStack, former: Former | None) -> Known:
    """Open the state and the shares, and find out which ones these are. Raises as ``make_site``."""
    block = configuration.davkeep
    if block.state is None:
        raise ConfigurationError(["davkeep.state: has not been chosen"])
    is_moved = former is not None and move_state(block.state, former, fsync=block.fsync)
    database = opened.enter_context(open_state(block.state, fsync=block.fsync))
    instance = instance_of(database)
    departed = DepartedFile(database.folder, flushes=database.flushes)
    opened.callback(departed.close)
    shares = make_shares(configuration)
    opened.callback(shares.close)
    if former is not None and not is_moved:
        given = {each.share.folder: each.share.root.given for each in shares.providers}
        bring_in(database, departed, former, given)
    return Known(
        database, instance, departed, shares, identify(shares, database, departed, instance)
    )


def start_lanes(configuration: Configuration) -> Lanes:
    """Start the workers. Raises ThreadRefusedError."""
    block = configuration.davkeep.operations
    limits = Limits(block.max_members_per_second, block.max_bytes_per_second)
    _, descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)
    lanes = Lanes(block.workers, limits=limits, most_begun=most_begun(descriptors))
    lanes.start()
    return lanes


def move_state(folder: str, former: Former, *, fsync: bool) -> bool:
    """Let a former state of the same roots be that in the state folder; whether that was done.

    Raises StateRefused.
    """
    try:
        return take_over(Path(folder), former, flushes=fsync)
    except OSError as error:
        raise StateRefused(f"{former.own} cannot be moved to {folder}: {error.strerror}") from error


def open_state(folder: str, *, fsync: bool) -> Database:
    """Open the database in the state folder. Raises StateRefused and StoreError."""
    try:
        return Database(folder, flushes=fsync)
    except StoreError:
        raise
    except OSError as error:
        raise StateRefused(f"{folder}: {error.strerror}") from error


def start_upkeep(database: Database, identities: Identities, opened: ExitStack) -> Upkeep:
    """Begin to look after what has to be looked after; it is stopped with ``opened``."""
    upkeep = Upkeep()
    upkeep.every(LOOK_SECONDS, database.look)
    upkeep.every(LOOK_SECONDS, identities.look)
    upkeep.start()
    opened.callback(upkeep.stop, UPKEEP_SECONDS)
    return upkeep


def resume_results(registry: Registry, kept: KeptResults, opened: ExitStack) -> None:
    """Know what the last orderly stop has left; with ``opened``, leave the same to the next start.

    Without it clients find nothing at their status monitors, so it keeps nobody from serving.
    """
    try:
        registry.resume(kept.all())
    except (ValueError, TypeError, KeyError, StoreError) as error:
        _log.error("the results of operations before this start cannot be read: %s", error)

    def leave() -> None:
        try:
            kept.replace(registry.leave())
        except StoreError as error:
            _log.error("the results of operations are not kept: %s", error)

    opened.callback(leave)


def start_webhooks(
    configuration: Configuration, database: Database, opened: ExitStack
) -> Callable[[Operation], None]:
    """Begin to send what is to be told; it is stopped with ``opened``, before the database.

    Returns what is to be called with each operation that has ended.
    """
    if not configuration.davkeep.webhooks and database.is_empty("owed"):
        return tell_nobody
    # A client's libraries, which a start without webhooks does not wait for.
    from davkeep.webhooks import Receiver, Webhooks

    rows = enumerate(configuration.davkeep.webhooks)
    receivers = [Receiver.of(number, row) for number, row in rows]
    webhooks = Webhooks(receivers, Deliveries(database))
    webhooks.start()
    opened.callback(webhooks.stop)
    return webhooks.ended


def make_uploads(
    configuration: Configuration, stored: Stored, instance: str, opened: ExitStack
) -> Uploads:
    """The uploads that there were, and those to come; they change no more after ``opened``."""
    uploads = Uploads(
        stored.uploads,
        staging_prefix(instance) + UPLOAD,
        stored.roots,
        spool=configuration.davkeep.put.spool,
        now=time.time,
    )
    opened.callback(uploads.close)
    return uploads


def start_sweeping(site: Site, opened: ExitStack) -> None:
    """Drop uploads with which nobody goes on, now and in time; it is stopped with ``opened``."""
    roots = [provider.share.prefix for provider in site.shares.visible]
    sweeper = Sweeper(site.uploads, roots)
    sweeper.start()
    opened.callback(sweeper.stop)


def make_shares(configuration: Configuration) -> Shares:
    """Open every folder of ``provider_mapping``."""
    shares = Shares()
    follow = configuration.fs_dav_provider.follow_symlinks
    for url, folder in configuration.provider_mapping.items():
        try:
            share = Share(folder.root, follow_symlinks=follow, readonly=folder.readonly)
        except OSError as error:
            message = f"provider_mapping.{url}: {folder.root}: {error.strerror}"
            raise ConfigurationError([message]) from None
        # As WsgiDAV has them, these paths are written as they are, not percent-encoded.
        segments = tuple(segment for segment in url.split("/") if segment)
        shares.add(Provider(segments, share))
    return shares


def identify(
    shares: Shares, database: Database, departed: DepartedFile, instance: str
) -> Identities:
    """Find out which shares these are. Raises ConfigurationError and StoreError."""
    owner = Owner(instance, os.path.realpath(database.folder))
    identities = Identities(database, departed, owner, time.time)
    try:
        identities.settle([provider.share for provider in shares.providers])
    except ShareRefused as error:
        url = next(each.realm for each in shares.providers if each.share.folder == error.folder)
        raise ConfigurationError([f"provider_mapping.{url}: {error}"]) from None
    return identities


def try_sharing(shares: Shares) -> Sharing:
    """Find out where files share blocks, as far as that can be said at once."""
    sharing = Sharing()
    sharing.begin(shares.providers)
    return sharing


def make_server(configuration: Configuration, site: Site) -> Server:
    """The server for ``site``, before it listens."""
    arguments = configuration.server_args.model_dump()
    settings = ServerSettings.from_server_args(arguments)
    if configuration.suppress_version_info:
        settings = replace(settings, server_name="davkeep")
    listed = Listed(site.uploads, site.shares)
    resources = Resources(configuration, site.registry, replay, listed)
    application = Application(site, resources.find)

    def drain(seconds: float) -> None:
        site.registry.stop(seconds)
        resources.stop()

    def can_serve() -> bool:
        return (
            not site.registry.is_stopping
            and site.database.look()
            and any(provider.share.root.is_there() for provider in site.shares.visible)
        )

    health = across_origins(configuration, Health(can_serve))
    return Server(
        (configuration.host, configuration.port),
        front(application, health, configuration.davkeep.trusted_proxies),
        settings=settings,
        tls=_tls(configuration),
        drain=drain,
    )


def replay(outcome: Outcome, method: str, start_response: StartResponse) -> Iterable[bytes]:
    """Send the final response of an operation to a request of ``method`` that asks for it."""
    return answer_of(outcome).send_as(method, start_response)


def _tls(configuration: Configuration) -> TlsAdapter | None:
    certificate, key = configuration.ssl_certificate, configuration.ssl_private_key
    if certificate is None:
        return None
    try:
        return TlsAdapter(certificate, key, configuration.ssl_certificate_chain)
    except OSError as error:
        raise ConfigurationError([f"ssl_certificate: {certificate}: {error}"]) from None


def _described(configuration: Configuration) -> str:
    count = len(configuration.provider_mapping)
    return "1 share" if count == 1 else f"{count} shares"
