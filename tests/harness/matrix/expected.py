"""What is expected of every pair: of the profiles, and of a fixed beat for everybody.

It follows from what was measured of each client and proxy by itself.
"""

from harness.clients import CLIENTS
from harness.matrix.outcome import Outcome
from harness.matrix.stage import DIRECT, WAYS

#: Clients and ways; a client's name, then a way's.
Table = dict[tuple[str, str], Outcome]

#: They read the content of a 207 that begins before the operation has ended.
NEON = {"cadaver", "litmus", "davfs2"}
#: They skip interim responses, and tell davkeep by their User-Agent who they are.
SKIP = NEON | {"curl", "httpx", "aiohttp", "wget"}
#: It skips them too, but its User-Agent is too weak to tell.
ANONYMOUS = {"fetch"}
#: It takes the first interim response for the answer.
MISLED = {"requests"}
#: Its library fails at the sixth.
COUNTING = {"rclone"}

#: They let interim responses through and are renewed by them.
RENEWED = {"Apache", "HAProxy", "lighttpd"}
#: They wait no longer for an interim response, and break on one or at the sixth.
NOT_RENEWED = {"Squid", "Varnish", "Caddy"}
NGINX = {"nginx-http1.0", "nginx-http1.1"}

#: Through these nobody outlives ten interim responses: nginx hangs on the first, Varnish answers
#: 503 to it; Caddy answers 502 to the sixth and Apache to the tenth.
BREAKING = {"nginx-http1.1", "Varnish", "Caddy", "Apache"}
#: It asks with HTTP/1.0, so that there are none.
SPARED = {"nginx-http1.0"}


def _by_profiles(client: str, way: str) -> Outcome:
    """Whom davkeep keeps while patience is a third of the time that the operation takes."""
    kept = NEON if way in NGINX else SKIP if way in {DIRECT, *RENEWED} else set()
    return Outcome.KEPT if client in kept else Outcome.GIVES_UP


def _by_fixed_beat(client: str, way: str) -> Outcome:
    """Whom a 102 each second breaks, though nobody's patience is shorter than the operation."""
    spared = set(CLIENTS) if way in SPARED else set() if way in BREAKING else SKIP | ANONYMOUS
    return Outcome.KEPT if client in spared else Outcome.BROKEN


PROFILES: Table = {(client, way): _by_profiles(client, way) for client in CLIENTS for way in WAYS}
FIXED_BEAT: Table = {
    (client, way): _by_fixed_beat(client, way) for client in CLIENTS for way in WAYS
}
