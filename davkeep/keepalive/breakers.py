"""The table of clients, first part: those that are not sent interim responses, and why.

What is measured was measured over loopback, with Debian 12's versions unless the note names others.
"""

from davkeep.keepalive.profiles import Profile, Source
from davkeep.words.agents import Agent

MEASURED, READ = Source.MEASURED, Source.READ

#: Why a client is sent none: it believes that the 102 is the final response.
_FINAL = "takes an unasked 102 for the final response"

#: They give up by a clock that nothing renews, so they are answered as early as possible.
HASTY: tuple[Profile, ...] = (
    Profile(
        "macOS Finder",
        (Agent("WebDAVFS"),),
        cap=0,
        patience=90,
        renews=False,
        effective_point=True,
        source=READ,
        note="the kernel gives up after 90 s, except for reads and writes; a 102 is swallowed",
    ),
    Profile(
        "Windows WebClient",
        (Agent("Microsoft-WebDAV-MiniRedir"),),
        cap=0,
        patience=30,
        effective_point=True,
        note="by its documentation it waits 60 s for an answer, 30 s on the Internet",
        setting="SendReceiveTimeoutInSec, InternetServerTimeoutInSec (registry, WebClient)",
    ),
    Profile(
        "Microsoft Office",
        (Agent("Microsoft Office"),),
        cap=0,
        patience=30,
        effective_point=True,
        note="as Windows WebClient; nothing was established",
    ),
)

#: They take a 102 for the answer, give up after a few, or need none.
SILENT: tuple[Profile, ...] = (
    Profile(
        "Go <= 1.23, rclone <= 1.69",
        (Agent.of("rclone", "<=1.69"), Agent("Go-http-client")),
        cap=0,
        patience=300,
        renews=False,
        source=MEASURED,
        note="5 pass and the 6th fails, every 100 Continue counts; then rclone repeats a MOVE"
        " up to 10 times; Go-http-client does not tell Go's version",
        setting="rclone: --timeout; Go: Transport.ResponseHeaderTimeout",
    ),
    Profile(
        "Go >= 1.24, rclone >= 1.70",
        (Agent.of("rclone", ">=1.70"),),
        cap=0,
        patience=300,
        renews=False,
        source=READ,
        note="skips them, and its patience is not renewed by any",
        setting="rclone: --timeout; Go: Transport.ResponseHeaderTimeout",
    ),
    Profile(
        "CPython http.client, urllib3, requests",
        (Agent("python-requests"), Agent("python-urllib3"), Agent("Python-urllib")),
        cap=0,
        source=MEASURED,
        note=f"{_FINAL}; every later answer of the connection is the previous one's",
        setting="timeout=",
    ),
    Profile(
        "libserf 1.3 (Subversion)",
        (Agent("serf"),),
        cap=0,
        source=READ,
        note=_FINAL,
        setting="http-timeout (servers)",
    ),
    Profile(
        "Perl HTTP::DAV",
        (Agent("DAV.pm"),),
        cap=0,
        source=MEASURED,
        note=_FINAL,
        setting="LWP::UserAgent timeout",
    ),
    Profile(
        "Java HttpURLConnection",
        (Agent("Java"),),
        cap=0,
        source=MEASURED,
        note=_FINAL,
        setting="setReadTimeout",
    ),
    Profile(
        "java.net.http",
        (Agent("Java-http-client"),),
        cap=0,
        renews=False,
        source=MEASURED,
        note="8 pass, the 9th fails",
        setting="HttpRequest.Builder.timeout",
    ),
    Profile(
        "OkHttp <= 4.10",
        (Agent.of("okhttp", "<=4.10"),),
        cap=0,
        source=MEASURED,
        note=_FINAL,
        setting="readTimeout",
    ),
    Profile(
        "OkHttp >= 4.11",
        (Agent.of("okhttp", ">=4.11"),),
        cap=0,
        source=READ,
        note="up to 5.0-alpha.14 one passes; later ones are unknown",
        setting="readTimeout",
    ),
    Profile(
        "gvfs (libsoup 2.4 and 3)",
        (Agent("gvfs"),),
        cap=0,
        renews=True,
        source=MEASURED,
        note="130 pass, and it needs none: it waits for ever",
    ),
    Profile(
        "KIO 5",
        (Agent("KIO"), Agent("KHTML")),
        cap=0,
        patience=600,
        source=READ,
        note="skips them; silence, for it waits 600 s",
        setting="ResponseTimeout (kioslaverc)",
    ),
    Profile(
        "Qt <= 6.7 (Nextcloud and ownCloud desktop), browsers",
        (Agent("mirall"), Agent("Mozilla")),
        cap=0,
        renews=False,
        source=MEASURED,
        note=f"6.7.3 {_FINAL}; from 6.8 on it skips them, with the same agent",
        setting="timeout (nextcloud.cfg, owncloud.cfg)",
    ),
    Profile(
        "PHP curl",
        (),
        cap=0,
        renews=False,
        source=MEASURED,
        note="as curl; it sends no agent, so it is an unknown client",
        setting="CURLOPT_TIMEOUT",
    ),
    Profile(
        "Node http, fetch",
        (),
        cap=0,
        renews=True,
        source=MEASURED,
        note="200 pass; its agent, `node` or none, is too weak: give it one, and a row",
        setting="headersTimeout",
    ),
    Profile(
        ".NET SocketsHttpHandler",
        (),
        cap=0,
        patience=100,
        renews=False,
        source=READ,
        note="skips them; the patience is for the whole request; it sends no agent",
        setting="HttpClient.Timeout",
    ),
)
