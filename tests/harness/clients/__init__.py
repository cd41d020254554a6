"""The clients that people use, each run for one long operation and the next request."""

from harness.clients.davfs2 import davfs2
from harness.clients.libraries import call_aiohttp, call_httpx, call_requests
from harness.clients.programs import cadaver, curl, fetch, litmus, wget
from harness.clients.rclone import rclone
from harness.clients.words import Client, Errand, Told, Work

__all__ = ["CLIENTS", "Client", "Errand", "Told", "Work"]

#: By name, in the order of the documentation.
CLIENTS = {
    client.name: client
    for client in (
        Client("curl", Work.COPY, curl, "for ever", programs=("curl",)),
        Client("cadaver", Work.COPY, cadaver, "120 s", programs=("cadaver",)),
        Client("litmus", Work.DELETE, litmus, "120 s", programs=("litmus",), tree="litmus"),
        Client(
            "davfs2",
            Work.MOVE,
            davfs2,
            waits="30 s",
            setting="read_timeout in davfs2.conf",
            programs=("mount.davfs", "umount"),
            needs_fuse=True,
        ),
        Client("rclone", Work.MOVE, rclone, "300 s", setting="--timeout", programs=("rclone",)),
        Client("requests", Work.COPY, call_requests, "for ever", setting="timeout="),
        Client("httpx", Work.COPY, call_httpx, "5 s", setting="timeout="),
        Client(
            "aiohttp",
            Work.DELETE,
            call_aiohttp,
            waits="300 s in all",
            setting="ClientTimeout(total=, sock_read=)",
        ),
        Client("fetch", Work.COPY, fetch, "300 s", setting="headersTimeout", programs=("node",)),
        Client("wget", Work.DELETE, wget, "900 s", setting="--read-timeout", programs=("wget",)),
    )
}
