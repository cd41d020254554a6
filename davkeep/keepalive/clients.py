"""The table of clients, second part: those that are sent interim responses; and all of it.

What is measured was measured over loopback, with Debian 12's versions unless the note names others.
"""

from davkeep.keepalive.breakers import HASTY, SILENT
from davkeep.keepalive.profiles import Profile, Source
from davkeep.words.agents import Agent

MEASURED, READ = Source.MEASURED, Source.READ

#: What neon's programs can set.
_NEON_SETTING = "davfs2: read_timeout (davfs2.conf); WinSCP: server response timeout"
_NEON_033 = "neon >= 0.33: all interim responses have to arrive within one read timeout, which"

#: They skip interim responses, which renew their patience, or do so within bounds.
KEPT: tuple[Profile, ...] = (
    Profile(
        "davfs2 on neon 0.32",
        (Agent.of("neon", "==0.32", "davfs2"),),
        cap=100,
        patience=30,
        renews=True,
        multistatus=True,
        source=MEASURED,
        note="127 pass, the 128th fails",
        setting=_NEON_SETTING,
    ),
    Profile(
        "davfs2 on neon >= 0.33",
        (Agent.of("neon", ">=0.33", "davfs2"),),
        cap=1,
        patience=30,
        renews=False,
        within=30,
        multistatus=True,
        source=MEASURED,
        note=f"{_NEON_033} counts from the request's start; on PUT from before its body",
        setting=_NEON_SETTING,
    ),
    Profile(
        "WinSCP on neon >= 0.33",
        (Agent.of("neon", ">=0.33", "WinSCP"),),
        cap=1,
        patience=15,
        renews=False,
        within=15,
        multistatus=True,
        source=READ,
        note=f"{_NEON_033} counts from the request's start; on PUT from before its body",
        setting=_NEON_SETTING,
    ),
    Profile(
        "davfs2 on neon <= 0.31",
        (Agent.of("neon", "<=0.31", "davfs2"),),
        cap=None,
        patience=30,
        renews=True,
        multistatus=True,
        source=READ,
        note="skips them",
        setting=_NEON_SETTING,
    ),
    Profile(
        "WinSCP on neon <= 0.32",
        (Agent.of("neon", "<=0.32", "WinSCP"),),
        cap=100,
        patience=15,
        renews=True,
        multistatus=True,
        source=READ,
        note="as neon 0.32",
        setting=_NEON_SETTING,
    ),
    Profile(
        "neon <= 0.31",
        (Agent.of("neon", "<=0.31"),),
        cap=None,
        patience=120,
        renews=True,
        multistatus=True,
        source=READ,
        note="skips them",
    ),
    Profile(
        "neon 0.32 (cadaver, litmus)",
        (Agent.of("neon", "==0.32"),),
        cap=100,
        patience=120,
        renews=True,
        multistatus=True,
        source=MEASURED,
        note="127 pass, the 128th fails",
    ),
    Profile(
        "neon >= 0.33 (cadaver, litmus)",
        (Agent.of("neon", ">=0.33"),),
        cap=100,
        patience=120,
        renews=True,
        multistatus=True,
        source=READ,
        note="sets no read timeout of its own, so it is as 0.32",
    ),
    Profile(
        "curl",
        (Agent("curl"),),
        cap=100,
        renews=False,
        source=MEASURED,
        note="skips them, up to 300 KiB of header fields; waits for ever, or --max-time in all",
        setting="--max-time",
    ),
    Profile(
        "Ruby net/http",
        (Agent("Ruby"),),
        cap=90,
        patience=60,
        renews=True,
        source=MEASURED,
        note="130 pass; newer versions fail after 100",
        setting="read_timeout",
    ),
    Profile(
        "httpx",
        (Agent("python-httpx"),),
        cap=100,
        patience=5,
        renews=True,
        source=MEASURED,
        note="200 pass",
        setting="timeout=",
    ),
    Profile(
        "aiohttp",
        (Agent("aiohttp"),),
        cap=100,
        patience=60,
        renews=True,
        source=MEASURED,
        note="200 pass; they renew sock_read, not total",
        setting="ClientTimeout(total=, sock_read=)",
    ),
    Profile(
        "Apache HttpClient 4 and 5 (Cyberduck)",
        (Agent("Apache-HttpClient"), Agent("Cyberduck")),
        cap=100,
        patience=60,
        renews=True,
        source=MEASURED,
        note="200 pass; before the body is in, a 102 would be an error",
        setting="setSocketTimeout, setResponseTimeout",
    ),
    Profile(
        "wget",
        (Agent("Wget"),),
        cap=100,
        renews=True,
        source=MEASURED,
        note="200 pass",
        setting="--read-timeout",
    ),
)

#: Every row, in the order in which they are tried: the first that matches applies. A field that
#: names two clients gets the more careful one's row, for those that bear nothing come first.
CLIENTS: tuple[Profile, ...] = HASTY + SILENT + KEPT
