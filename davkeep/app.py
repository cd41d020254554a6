"""Assembly: from a configuration to a server that runs."""

import logging
import resource
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace

from davkeep.dav.application import Application
from davkeep.dav.delivery import answer_of
from davkeep.dav.request import StartResponse
from davkeep.dav.shares import Provider, Shares
from davkeep.dav.site import Site, instance_of, staging_prefix
from davkeep.dav.uploads.sweeper import Sweeper
from davkeep.dav.uploads.uploads import Uploads
from davkeep.front import front
from davkeep.keepalive import Settings, planner
from davkeep.monitor.resources import Resources
from davkeep.operations import Books, Lanes, Limits, Outcome, Registry, Stored, most_begun
from davkeep.operations.recovery import Recovery
from davkeep.operations.upkeep import Upkeep
from davkeep.server import Server, ServerSettings, TlsAdapter
from davkeep.store.database import Database, StateInUse, StateTooNew, StoreError
from davkeep.store.deliveries import Deliveries
from davkeep.store.departed import DepartedFile
from davkeep.store.journal import Journal
from davkeep.store.locks import Locks
from davkeep.store.properties import DeadProperties
from davkeep.store.uploads import Uploads as StoredUploads
from davkeep.trees.names import UPLOAD
from davkeep.trees.share import Share
from davkeep.webhooks import Receiver, Webhooks
from davkeep.words.configuration import Configuration, ConfigurationError
from davkeep.words.threads import ThreadRefusedError

_log = logging.getLogger("davkeep")

#: From WsgiDAV's ``verbose`` to the level of the log: requests and interim responses are told of
#: at 3, the default.
LEVELS = (logging.CRITICAL, logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)

#: Seconds that a stop waits for the upkeep's thread, which looks after each step whether to end.
UPKEEP_SECONDS = 5.0


def serve(configuration: Configuration) -> int:
    """Serve until SIGINT or SIGTERM, and return the exit status.

    Raises ConfigurationError for a state that is in use, a share or certificate that cannot be
    opened and an address that cannot be had; ThreadRefusedError if the system does not start every
    thread without which something would hang.
    """
    begin_log(configuration)
    for key in without_effect(configuration):
        _log.warning("%s is set, and has no effect yet", key)
    with ExitStack() as opened:
        site = make_site(configuration, opened)
        recovery = recover(site, opened)
        server = make_server(configuration, site)
        try:
            server.prepare()
        except ThreadRefusedError:
            raise
        except OSError as error:
            where = f"{configuration.host}, port {configuration.port}"
            raise ConfigurationError([f"host: cannot listen on {where}: {error}"]) from None
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: server.ask_to_stop())
        print(f"Serving {_described(configuration)} at {server.url}", flush=True)
        recovery.start(site.upkeep)
        server.serve()
    return 0


def recover(site: Site, opened: ExitStack) -> Recovery:
    """Settle what a crash left, before anything is served; purging it is stopped with ``opened``.

    The operations that it ended are shown like those of this process. Raises ConfigurationError if
    the state cannot be read.
    """
    block = site.configuration.davkeep
    recovery = Recovery(site.books, site.instance, spool=block.put.spool)
    try:
        found = recovery.settle()
    except StoreError as error:
        raise ConfigurationError([f"davkeep.state: {error}"]) from None
    site.uploads.sweep()
    for operation in found:
        site.registry.remember(operation)
    site.books.keep_up(site.upkeep)
    opened.callback(recovery.stop)
    return recovery


def without_effect(configuration: Configuration) -> list[str]:
    """The keys that are set and that nothing in this version reads."""
    is_set = {"fs_dav_provider.shadow_map": bool(configuration.fs_dav_provider.shadow_map)}
    return [key for key, given in is_set.items() if given]


def begin_log(configuration: Configuration) -> None:
    """Send the log to standard error; standard output is for the line that says where we serve."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    level = LEVELS[min(configuration.verbose, len(LEVELS) - 1)]
    for name in ("davkeep", "wsgidav"):
        logging.getLogger(name).setLevel(level)
    logging.getLogger("wsgidav").setLevel(max(level, logging.WARNING))


def make_site(configuration: Configuration, opened: ExitStack) -> Site:
    """Open the state and the shares, and start what works for requests besides the server.

    What was opened is closed with ``opened``. Raises ConfigurationError and ThreadRefusedError.
    """
    block = configuration.davkeep
    if block.state is None:
        raise ConfigurationError(["davkeep.state: has not been chosen"])
    try:
        database = opened.enter_context(Database(block.state, flushes=block.fsync))
    except (StateInUse, StateTooNew, OSError) as error:
        raise ConfigurationError([f"davkeep.state: {error}"]) from None
    upkeep = Upkeep()
    upkeep.start()
    opened.callback(upkeep.stop, UPKEEP_SECONDS)
    shares = make_shares(configuration)
    opened.callback(shares.close)
    limits = Limits(block.operations.max_members_per_second, block.operations.max_bytes_per_second)
    _, descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)
    lanes = Lanes(block.operations.workers, limits=limits, most_begun=most_begun(descriptors))
    lanes.start()
    webhooks = start_webhooks(configuration, database, opened)
    instance = instance_of(block.state)
    stored = Stored(
        database, DeadProperties(database), Locks(database, time.time), StoredUploads(database)
    )
    journal = Journal(database)
    departed = DepartedFile(database.folder, flushes=block.fsync)
    opened.callback(departed.close)
    books = Books.of(journal, stored, departed, fsync=block.fsync)
    return Site(
        configuration=configuration,
        shares=shares,
        database=database,
        properties=stored.properties,
        locks=stored.locks,
        stored=stored,
        journal=journal,
        books=books,
        registry=Registry(
            lanes,
            keep_results=block.operations.keep_results,
            debts=books.debts,
            ended=webhooks.ended,
        ),
        upkeep=upkeep,
        uploads=start_uploads(configuration, stored.uploads, instance, opened),
        plan=planner(Settings.of(block.keepalive)),
        instance=instance,
        monotonic=time.monotonic,
        now=time.time,
    )


def start_webhooks(configuration: Configuration, database: Database, opened: ExitStack) -> Webhooks:
    """Begin to send what is to be told; it is stopped with ``opened``, before the database."""
    rows = enumerate(configuration.davkeep.webhooks)
    receivers = [Receiver.of(number, row) for number, row in rows]
    webhooks = Webhooks(receivers, Deliveries(database))
    webhooks.start()
    opened.callback(webhooks.stop)
    return webhooks


def start_uploads(
    configuration: Configuration, stored: StoredUploads, instance: str, opened: ExitStack
) -> Uploads:
    """Go on with the uploads that there were; the rest of them is dropped now and in time."""
    uploads = Uploads(
        stored,
        staging_prefix(instance) + UPLOAD,
        spool=configuration.davkeep.put.spool,
        now=time.time,
    )
    sweeper = Sweeper(uploads)
    sweeper.start()
    opened.callback(uploads.close)
    opened.callback(sweeper.stop)
    return uploads


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


def make_server(configuration: Configuration, site: Site) -> Server:
    """The server for ``site``, before it listens."""
    arguments = configuration.server_args.model_dump()
    settings = ServerSettings.from_server_args(arguments)
    if configuration.suppress_version_info:
        settings = replace(settings, server_name="davkeep")
    resources = Resources(configuration, site.registry, replay)
    application = Application(site, resources.find)

    def drain(seconds: float) -> None:
        site.registry.stop(seconds)
        resources.stop()

    return Server(
        (configuration.host, configuration.port),
        front(application, configuration.davkeep.trusted_proxies),
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
