"""What the experiments mean: what becomes of 102, and which `behind_proxy` to configure. Pure."""

from dataclasses import dataclass, field
from typing import Any

from davkeep.client.signs import guess, signs
from davkeep.client.trials import BEYOND, Findings, Trial
from davkeep.client.wire import End
from davkeep.keepalive import DECLARABLE, DEFAULT_CAP

#: In plain words, what one interim response led to where its final response did not arrive.
_ENDS = {
    End.SILENT: "nothing more came",
    End.CLOSED: "the connection was closed",
    End.MALFORMED: "what came is no HTTP",
    End.ENDLESS: "what came had no end",
}


@dataclass
class Verdict:
    """What `davkeep probe` reports."""

    #: A value of `keepalive.behind_proxy`: the proxy that it seems to be. None: not known.
    proxy: str | None
    #: Whether there is anything between at all.
    between: bool
    #: By what that was told.
    signs: list[str]
    #: forwarded | swallowed | broken | not sent
    interim: str
    #: The most that passed, and the fewest that did not (None: none failed).
    passed: int
    failed: int | None
    #: Whether a 102 renews the proxy's timeout; None: not found out.
    renewed: bool | None
    #: What to configure.
    behind_proxy: str
    #: All of it in words.
    sentences: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "proxy": self.proxy,
            "between": self.between,
            "signs": self.signs,
            "interim": self.interim,
            "passed": self.passed,
            "failed": self.failed,
            "renewed": self.renewed,
            "behindProxy": self.behind_proxy,
            "sentences": self.sentences,
        }


def judge(findings: Findings, authority: str) -> Verdict:
    """The verdict on a server that was asked by `authority`."""
    found = signs(findings)
    interim = _interim(findings)
    verdict = Verdict(
        proxy=guess(found),
        between=bool(found),
        signs=[sign.text for sign in found],
        interim=interim,
        passed=findings.passed if interim == "forwarded" else 0,
        failed=findings.failed,
        renewed=findings.renewed,
        behind_proxy="none",
    )
    if verdict.between:
        verdict.behind_proxy = _recommended(verdict)
    verdict.sentences = [
        _who(verdict),
        _what(verdict, findings.one),
        *_how_long(findings),
        *_names(findings, verdict, authority),
        *_advice(verdict, findings),
    ]
    return verdict


def _interim(findings: Findings) -> str:
    one = findings.one
    if one.report is None:
        return "broken"
    if not one.report.get("sent"):
        return "not sent"
    return "forwarded" if one.arrived else "swallowed"


def _recommended(verdict: Verdict) -> str:
    """The proxy that it seems to be, if what davkeep does for that one is safe here; else one for
    which davkeep does what is.
    """
    bears = verdict.passed
    limited = verdict.failed is not None or not bears
    if verdict.proxy is not None and _is_safe(
        DECLARABLE[verdict.proxy].cap, bears if limited else None
    ):
        return verdict.proxy
    if bears >= DEFAULT_CAP:
        return "squid" if verdict.renewed is False else "haproxy"
    if verdict.interim == "swallowed":
        return "envoy"
    return "apache" if bears >= 9 else "caddy" if bears >= 5 else "varnish"


def _is_safe(cap: int | None, bears: int | None) -> bool:
    """Whether as many as a proxy's `cap` are borne; None: no limit was found."""
    return bears is None or (cap is not None and cap <= bears)


def _who(verdict: Verdict) -> str:
    if not verdict.between:
        return "Nothing seems to be between: the connection is direct."
    by = "; ".join(verdict.signs[:3])
    name = verdict.proxy or "a proxy of an unknown kind"
    return f"There seems to be {name} between ({by})."


def _what(verdict: Verdict, one: Trial) -> str:
    if verdict.interim == "broken":
        status = one.heard.status
        end = f"the answer was {status}" if status is not None else _ENDS[one.heard.end]
        taken = ", which it passes on as if it were its own" if one.arrived else ""
        return f"It breaks at the first 102{taken}: {end}."
    if verdict.interim == "not sent":
        return "It speaks HTTP/1.0 to the server, so no 102 is sent through it."
    if verdict.interim == "swallowed":
        return "It bears a 102, and passes none on."
    if verdict.failed is not None:
        return f"102 arrives; {verdict.passed} for one request do, {verdict.failed} break it."
    return f"102 arrives, and {verdict.passed} for one request do."


def _how_long(findings: Findings) -> list[str]:
    if findings.patience is None:
        return []
    lasted = f"{findings.patience * BEYOND:g} s"
    if findings.silence_passed:
        return [f"A silence of {lasted} passes: its timeout is longer."]
    if findings.renewed is None:
        return [f"A silence of {lasted} does not pass, and there is no 102 to renew its timeout."]
    does = "renews" if findings.renewed else "does not renew"
    return [f"A silence of {lasted} does not pass; a 102 {does} its timeout."]


def _names(findings: Findings, verdict: Verdict, authority: str) -> list[str]:
    """Whether the server knows by what name it is asked, and by whom."""
    report = findings.control.report or {}
    host, peer = report.get("host"), report.get("peer")
    address = peer.get("address") if isinstance(peer, dict) else None
    trusted = bool(peer.get("trusted")) if isinstance(peer, dict) else False
    said = []
    if str(host).lower() != authority.lower():
        said.append(
            f"The server takes itself for {host} and not for {authority}: it refuses the"
            " Destination of a COPY or MOVE (502) unless the proxy passes the Host field on, or"
            f" sends X-Forwarded-Host and davkeep.trusted_proxies holds {address}."
        )
    elif verdict.between and not trusted and report.get("fields"):
        said.append(
            "The server does not believe what the proxy says of the client's address and scheme;"
            f" davkeep.trusted_proxies: [{address}] makes it."
        )
    return said


def _advice(verdict: Verdict, findings: Findings) -> list[str]:
    configured = (findings.control.report or {}).get("behindProxy")
    if not verdict.between and configured == "auto":
        return ["davkeep.keepalive.behind_proxy: auto, which is configured, is right; so is none."]
    advice = f"davkeep.keepalive.behind_proxy: {verdict.behind_proxy}"
    if verdict.proxy is not None and verdict.behind_proxy != verdict.proxy:
        advice += f" (which is safe here; what is known of {verdict.proxy} is not)"
    if configured == verdict.behind_proxy:
        return [f"{advice} is right, and configured."]
    return [f"Configure {advice} (now: {configured})."]
