"""Locks that an operation relies on."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from harness.server import Serve
from harness.trees import contents, plant

LOCKINFO = (
    b'<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>'
    b"<D:locktype><D:write/></D:locktype></D:lockinfo>"
)


def test_a_lock_outlives_its_operation(
    serve: Serve, root: Path, wire: Any, together: ThreadPoolExecutor
) -> None:
    """A lock of one second lasts as long as a COPY of three that submits it, and a second more.

    Nobody else gets in between, although the lock's own time is long over, and UNLOCK works.
    """
    server = serve(
        keepalive={"first_after": 0.5, "interval": 0.5},
        operations={"max_members_per_second": 50},
    )

    def copied(name: str, while_it_runs: bool) -> None:
        source, target = f"/{name}-a", f"/{name}-b"
        whole = plant(root / source[1:], 150)
        plant(root / target[1:], 1)
        with wire(server) as client, wire(server) as other:
            locked = client.ask("LOCK", target, {"Timeout": "Second-1"}, LOCKINFO)
            token = locked.fields["Lock-Token"]
            submitted = {"If": f"<{server.url}{target[1:]}> ({token})"}
            client.send("COPY", source, {"Destination": server.url + target[1:], **submitted})
            # By the fourth one, after two seconds, the lock would have expired.
            assert [client.interim() for _ in range(4)] == [102] * 4
            assert other.ask("PUT", f"{target}/00000", body=b"other").statuses == [423]
            assert token[1:-1] in other.ask("PROPFIND", target, {"Depth": "0"}).body.decode()
            if while_it_runs:
                assert other.ask("UNLOCK", target, {"Lock-Token": token}).statuses == [204]
            assert client.response().status == 204
            if not while_it_runs:
                assert client.ask("UNLOCK", target, {"Lock-Token": token}).statuses == [204]
            assert other.ask("PUT", f"{target}/00000", body=b"mine").statuses == [204]
        assert contents(root / target[1:]) == whole | {"00000": b"mine"}

    list(together.map(copied, ["one", "two"], [True, False]))
