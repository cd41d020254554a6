"""What is left of an operation when the server is stopped after it took effect."""

from pathlib import Path
from typing import Any

from harness.server import Serve
from harness.trees import plant
from harness.waiting import until

#: A client that is answered at the effective point.
EARLY = "Microsoft-WebDAV-MiniRedir/10.0.19045"


def test_a_removal_that_was_answered_is_finished_after_a_restart(
    serve: Serve, root: Path, wire: Any
) -> None:
    """SIGTERM in the middle of a purge brings nothing back; the next start removes the rest."""
    plant(root / "a", 500)
    server = serve(
        top={"server_args": {"shutdown_timeout": 0}},
        operations={"max_members_per_second": 20, "grace": 0},
    )
    with wire(server, agent=EARLY) as client:
        assert client.ask("DELETE", "/a").status == 204
    server.stop()
    assert "Traceback" not in server.log
    assert not (root / "a").exists()
    assert server.staging()
    server.start()
    server.wait_for_log("recovery is complete")
    assert not (root / "a").exists()
    until(lambda: not server.staging(), "the rest is purged")
    assert "DELETE /a" in server.log
