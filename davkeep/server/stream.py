"""The two directions of a connection's bytes, plain or TLS. Each is used by one thread at a
time.
"""

import os
import select
import socket
import ssl
import time

from davkeep.keepalive.parked import Arrival

#: Bytes taken from the socket for a line; also what a head usually fits into.
LINE_BLOCK = 16 * 1024

#: Seconds by which a deadline may be missed.
HEED = 0.05

#: Least room, in bytes, for which TLS records are gathered: those of an upload.
GATHERED = 64 * 1024

#: Bytes written in one call, so that the timeout counts for a block and not for a whole response.
WRITE_BLOCK = 64 * 1024

#: Bytes of a file that the kernel is given to send at once, and that are read at once where it
#: cannot: under TLS, and from some file systems.
SEND_BLOCK = 4 * 1024 * 1024
READ_BLOCK = 256 * 1024


class Disconnected(ConnectionError):
    """The client has gone, or no longer takes what is written; nothing more may be written."""


class LineTooLong(ValueError):
    """A line is longer than it may be."""


def has_come(sock: socket.socket, event: int) -> bool:
    """Whether what a wait for ``event`` (of `select.poll`) was about is there after all.

    To be asked when its time is up. A process that stood still, stopped or in a machine that was
    asleep, finds its waits over by the clock, and Python ends them without another look.
    """
    look = select.poll()
    look.register(sock, event)
    return bool(look.poll(0))


class Inlet:
    """Reads bytes, buffered. TimeoutError when none came in time, `Disconnected` when the
    connection broke.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._is_tls = isinstance(sock, ssl.SSLSocket)
        self._buffer = bytearray()
        #: What broke the connection after something had come that was read first.
        self._broken: OSError | None = None
        #: Reading of `time.monotonic()` at which reading ends with TimeoutError whatever comes;
        #: None: no such moment.
        self.deadline: float | None = None
        #: Bytes that came over the network so far.
        self.received = 0
        #: Reading of `time.monotonic()` since which a read waits for the peer; None: none does.
        self.waits_since: float | None = None

    def has_data(self) -> bool:
        """Whether bytes are here that the kernel, and so a selector, does not know of."""
        return bool(self._buffer) or (
            isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0
        )

    def arrival(self) -> Arrival:
        """See what has come beyond what was read; the socket does not block.

        TLS can be asked only by reading, so bytes that came are here afterwards.
        """
        if self.has_data():
            return Arrival.BYTES
        if self._broken is not None:
            return Arrival.END
        try:
            has_bytes = self._take_in() if self._is_tls else self._has_waiting()
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return Arrival.NOTHING
        except OSError:
            return Arrival.END
        return Arrival.BYTES if has_bytes else Arrival.END

    def _has_waiting(self) -> bool:
        return bool(self._socket.recv(1, socket.MSG_PEEK))

    def _take_in(self) -> bool:
        block = bytearray(LINE_BLOCK)
        count = self._socket.recv_into(block)
        self._buffer += block[:count]
        self.received += count
        return count > 0

    def readline(self, limit: int) -> bytes:
        """The next line with its line feed, or what was there before the end. LineTooLong beyond
        `limit` bytes.
        """
        searched = 0
        while (end := self._buffer.find(b"\n", searched, limit)) < 0:
            if len(self._buffer) >= limit:
                raise LineTooLong
            searched = len(self._buffer)
            if not self._fill():
                return self._take(searched)
        return self._take(end + 1)

    def through(self, end: bytes, limit: int) -> bytes:
        """Everything through `end`, if that is here or comes with the next bytes, within `limit`
        bytes; else nothing is taken.
        """
        if not self._buffer:
            self._fill()
        found = self._buffer.find(end, 0, limit)
        return b"" if found < 0 else self._take(found + len(end))

    def readinto(self, view: memoryview) -> int:
        """Fill `view` with what is there, waiting if nothing is; 0 at the end."""
        if not self._buffer:
            return self._receive_into(view)
        count = min(len(view), len(self._buffer))
        view[:count] = self._take(count)
        return count

    def close(self) -> None:
        """Drop what is buffered."""
        self._buffer.clear()

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    def _fill(self) -> bool:
        block = bytearray(LINE_BLOCK)
        count = self._receive_into(memoryview(block))
        self._buffer += block[:count]
        return count > 0

    def _receive_into(self, view: memoryview) -> int:
        if self.deadline is not None:
            self._heed(self.deadline)
        self.waits_since = time.monotonic()
        try:
            if self._broken is not None:
                raise self._broken
            count = self._received(view)
        except TimeoutError:
            raise
        except OSError as error:
            raise Disconnected(f"reading: {error}") from error
        finally:
            self.waits_since = None
        if self._is_tls and count and len(view) >= GATHERED:
            count += self._gather(view[count:])
        self.received += count
        return count

    def _received(self, view: memoryview) -> int:
        try:
            return self._socket.recv_into(view)
        except TimeoutError:
            if not has_come(self._socket, select.POLLIN):
                raise
            return self._socket.recv_into(view)

    def _gather(self, view: memoryview) -> int:
        """Take the TLS records that are here, of which one read gives only the first."""
        count = 0
        timeout = self._socket.gettimeout()
        self._socket.settimeout(0)
        try:
            while count < len(view) and (more := self._socket.recv_into(view[count:])):
                count += more
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError as error:
            self._broken = error
        finally:
            self._socket.settimeout(timeout)
        return count

    def _heed(self, deadline: float) -> None:
        """Wait no longer than until the deadline; after it only what is here already is read."""
        left = deadline - time.monotonic()
        if left <= 0:
            if not has_come(self._socket, select.POLLIN):
                raise TimeoutError("the request head took too long")
            left = HEED
        timeout = self._socket.gettimeout()
        # A change is a system call, so a little more is let pass.
        if timeout is None or left < timeout - HEED:
            self._socket.settimeout(left)


class Outlet:
    """Writes bytes; `Disconnected` if they cannot be written, within the socket's timeout for
    each block.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._kernel_sends = not isinstance(sock, ssl.SSLSocket)
        #: Reading of `time.monotonic()` since which a write waits for the peer; None: none does.
        self.waits_since: float | None = None

    def write(self, block: bytes, *, more: bool = False) -> None:
        """Write all of it; with ``more``, a part of a file follows at once and may go with it."""
        view = memoryview(block)
        flags = socket.MSG_MORE if more and self._kernel_sends else 0
        try:
            while view:
                self.waits_since = time.monotonic()
                view = view[self._send(view[:WRITE_BLOCK], flags) :]
        except OSError as error:
            raise Disconnected(f"writing: {error}") from error
        finally:
            self.waits_since = None

    def _send(self, view: memoryview, flags: int) -> int:
        try:
            return self._socket.send(view, flags)
        except TimeoutError:
            if not has_come(self._socket, select.POLLOUT):
                raise
            return self._socket.send(view, flags)

    def write_file(self, fd: int, position: int, length: int) -> int:
        """Write `length` bytes of a file; fewer, which are returned, if it ends before.

        OSError if it cannot be read.
        """
        end = position + length
        while position < end:
            count = self._write_some_of(fd, position, end - position)
            if not count:
                break
            position += count
        return length - (end - position)

    def _write_some_of(self, fd: int, position: int, length: int) -> int:
        if self._kernel_sends:
            try:
                return self._send_some_of(fd, position, min(length, SEND_BLOCK))
            except Disconnected:
                raise
            except OSError:
                # If it is the file that cannot be read, reading will say so.
                self._kernel_sends = False
        block = os.pread(fd, min(length, READ_BLOCK), position)
        self.write(block)
        return len(block)

    def _send_some_of(self, fd: int, position: int, length: int) -> int:
        """Have the kernel send a part of a file that fits into the send buffer."""
        self.waits_since = time.monotonic()
        try:
            while True:
                try:
                    return os.sendfile(self._socket.fileno(), fd, position, length)
                except BlockingIOError:
                    self._wait_for_room()
        except (ConnectionError, TimeoutError) as error:
            raise Disconnected(f"writing: {error}") from error
        finally:
            self.waits_since = None

    def _wait_for_room(self) -> None:
        room = select.poll()
        room.register(self._socket, select.POLLOUT)
        timeout = self._socket.gettimeout()
        has_room = room.poll(None if timeout is None else timeout * 1000)
        if not (has_room or has_come(self._socket, select.POLLOUT)):
            raise TimeoutError("timed out")


def open_stream(sock: socket.socket, mode: str, _size: int = -1) -> Inlet | Outlet:
    """The inlet ("rb") or outlet ("wb") of a socket; cheroot's makefile signature."""
    return Inlet(sock) if "r" in mode else Outlet(sock)
