"""The thread pool: it grows while connections wait, and shrinks again."""

import threading
import time

import pytest

from davkeep.server.pool import Pool
from davkeep.words.threads import ThreadRefusedError
from harness.waiting import until


class Errand:
    """A connection whose conversation lasts until the test ends it."""

    def __init__(self, keep=False):
        self.begun, self.end, self.closed = threading.Event(), threading.Event(), threading.Event()
        self.keep = keep
        self.thread = ""

    def communicate(self):
        self.thread = threading.current_thread().name
        self.begun.set()
        self.end.wait(10)
        return self.keep

    def next_comes(self, seconds):
        return False

    def close(self):
        self.closed.set()

    cut = close

    def waits_for_client(self, seconds):
        return self.begun.is_set() and not self.end.is_set()


class Hang(Errand):
    """One that waits for something else than its client."""

    def waits_for_client(self, seconds):
        return False


class Cut(Errand):
    """One that ends only when it is cut."""

    def cut(self):
        self.end.set()


class Chat(Errand):
    """One whose client has more to say at once."""

    def __init__(self, more):
        super().__init__(keep=True)
        self.end.set()
        self.more = more
        self.threads = []

    def communicate(self):
        self.threads.append(threading.current_thread().name)
        return super().communicate()

    def next_comes(self, seconds):
        self.more -= 1
        return self.more >= 0


class Computation(Errand):
    """One that uses 5 ms of processor time."""

    def communicate(self):
        until = time.thread_time() + 0.005
        while time.thread_time() < until:
            pass
        return False


@pytest.fixture
def make_pool():
    """Starts pools and stops them."""
    pools = []

    def make(**more):
        kept = more.pop("keep", lambda conn: None)
        pools.append(Pool(kept, **{"minimum": 2, "maximum": 4, "reserved": 1} | more))
        pools[-1].start()
        return pools[-1]

    yield make
    for pool in pools:
        pool.stop(0.1)


def test_quick_requests_do_not_make_it_grow(make_pool):
    """A burst of quick conversations is served by the threads that are there."""
    pool = make_pool()
    errands = [Errand() for _ in range(500)]
    for errand in errands:
        errand.end.set()
        pool.put(errand)
    assert all(errand.closed.wait(10) for errand in errands)
    assert pool.size == 3


def test_computing_does_not_make_it_grow(make_pool):
    """However long the line is: while its threads compute, more of them would help nobody."""
    pool = make_pool()
    errands = [Computation() for _ in range(200)]
    for errand in errands:
        pool.put(errand)
    assert all(errand.closed.wait(10) for errand in errands)
    assert pool.size == 3


def test_one_slow_client_is_made_up_for_by_one_thread(make_pool, until):
    """Beside those that wait for slow clients there are as many others as the minimum."""
    pool = make_pool(maximum=9)
    slow, others = Errand(), [Hang() for _ in range(4)]
    for errand in (slow, *others):
        pool.put(errand)
    until(lambda: slow.begun.is_set() and sum(other.begun.is_set() for other in others) == 2)
    assert pool.size == 4
    for errand in (slow, *others):
        errand.end.set()
    assert all(other.closed.wait(10) for other in others)


def test_threads_that_hang(make_pool, monkeypatch):
    """When nothing was taken for long, whatever the threads do, it grows all the same."""
    monkeypatch.setattr("davkeep.server.pool.PATIENCE", 0.05)
    pool = make_pool()
    errands = [Hang() for _ in range(3)]
    for errand in errands:
        pool.put(errand)
    assert all(errand.begun.wait(10) for errand in errands)
    for errand in errands:
        errand.end.set()


def test_growth_and_shrinking(make_pool, until):
    """It grows to its maximum while all are stuck, and shrinks to its minimum when they were
    idle.
    """
    pool = make_pool(idle_time=0.05)
    errands = [Errand() for _ in range(6)]
    for errand in errands:
        pool.put(errand)
    assert all(errand.begun.wait(10) for errand in errands[:4])
    until(lambda: pool.qsize == 2)
    assert pool.size == 5
    for errand in errands:
        errand.end.set()
    assert all(errand.closed.wait(10) for errand in errands)
    until(lambda: pool.size == 3)


def test_reserved_threads_only_deliver(make_pool):
    """With all ordinary threads stuck, a delivery is served by a reserved one, and a request
    waits.
    """
    pool = make_pool(maximum=2)
    stuck = [Errand(), Errand()]
    for errand in stuck:
        pool.put(errand)
    assert all(errand.begun.wait(10) for errand in stuck)
    request, result = Errand(), Errand()
    result.end.set()
    pool.put(request)
    pool.deliver(result)
    assert result.closed.wait(10)
    assert "delivery" in result.thread
    assert not request.begun.is_set()
    for errand in [*stuck, request]:
        errand.end.set()


def test_keeping(make_pool):
    """What is to be kept is handed on and not closed."""
    kept = threading.Event()
    pool = make_pool(keep=lambda conn: kept.set())
    errand = Errand(keep=True)
    errand.end.set()
    pool.put(errand)
    assert kept.wait(10)
    assert not errand.closed.is_set()


def test_failing_conversation(make_pool):
    """A conversation that raises is closed and costs no thread."""
    pool = make_pool()
    errand = Errand()
    errand.communicate = lambda: 1 / 0
    pool.put(errand)
    assert errand.closed.wait(10)
    assert pool.size == 3


def test_stop_cuts_what_does_not_end(make_pool):
    """stop() returns although a conversation would go on, and closes what waited."""
    pool = make_pool(maximum=2)
    busy = [Cut(), Cut()]
    for errand in busy:
        pool.put(errand)
    assert all(errand.begun.wait(10) for errand in busy)
    waiting = Errand()
    pool.put(waiting)
    pool.stop(0.05)
    assert waiting.closed.is_set()
    assert all(errand.end.is_set() for errand in busy)
    assert pool.size == 0
    late = Errand()
    pool.put(late)
    assert late.closed.is_set()


def test_shrink_on_request(make_pool, until):
    """shrink(n) ends idle threads, never below the minimum."""
    pool = make_pool()
    pool.grow(9)
    assert pool.size == 5
    until(lambda: pool.idle == 4)
    pool.shrink(1)
    until(lambda: pool.size == 4)
    pool.shrink(9)
    until(lambda: pool.size == 3)


def test_slow_uploads_and_downloads(open_house, until):
    """With 40 slow uploads and downloads in progress a quick GET is served."""
    house = open_house(numthreads=4)

    def upload(environ, start_response):
        environ["wsgi.input"].read()
        start_response("204 No Content", [])
        return []

    def download(environ, start_response):
        start_response("200 OK", [])
        return [b"x" * 20_000_000]

    house.route("/up", upload)
    house.route("/down", download)
    for _ in range(20):
        house.connect().send("PUT /up HTTP/1.1", "Host: x", "Content-Length: 9", body=b"x")
        house.connect().send("GET /down HTTP/1.1", "Host: x")
    until(lambda: house.server.requests.size >= 40)
    assert house.connect().is_open()
    assert house.server.requests.size <= 250 + house.server.settings.reserved


def test_a_thread_stays_with_its_connection(make_pool):
    """While others are free, what comes next on it is served by the thread that it has."""
    kept = threading.Event()
    pool = make_pool(keep=lambda conn: kept.set())
    until(lambda: pool.idle == 2, "both wait")
    chat = Chat(more=3)
    pool.put(chat)
    assert kept.wait(10)
    assert len(chat.threads) == 4
    assert len(set(chat.threads)) == 1


def test_no_thread_stays_where_none_is_free(make_pool):
    """The last free thread does not stay, and no thread of a result."""
    kept = threading.Event()
    pool = make_pool(keep=lambda conn: kept.set(), maximum=2)
    busy = Errand()
    pool.put(busy)
    assert busy.begun.wait(10)
    first, second = Chat(more=3), Chat(more=3)
    pool.put(first)
    assert kept.wait(10)
    kept.clear()
    pool.deliver(second)
    assert kept.wait(10)
    assert (len(first.threads), len(second.threads)) == (1, 1)
    busy.end.set()


@pytest.mark.parametrize("allowed", [0, 1, 2])
def test_no_pool_without_its_first_threads(refusing, allowed):
    """It does not begin unless something can be served, delivered, and made to grow."""
    refusing.begin(allowed=allowed)
    pool = Pool(lambda conn: None, minimum=2, maximum=4, reserved=1)
    with pytest.raises(ThreadRefusedError):
        pool.start()
    pool.stop(0.1)


def test_a_pool_with_fewer_threads_than_its_minimum(make_pool, refusing, until, caplog):
    """It says so once, serves with those that it has, and starts the others when it needs them and
    the system allows it.
    """
    refusing.begin(allowed=3)
    pool = make_pool(minimum=3, reserved=2)
    assert pool.size == 2
    busy, waits, result = Errand(), Hang(), Errand()
    result.end.set()
    pool.put(busy)
    assert busy.begun.wait(10)
    pool.put(waits)
    pool.deliver(result)
    assert result.closed.wait(10)
    until(lambda: refusing.refused > 5)
    assert pool.size == 2
    assert sum("starts no thread" in record.getMessage() for record in caplog.records) == 1
    refusing.end()
    assert waits.begun.wait(10)
    until(lambda: pool.size >= 4)
    assert sum(worker.reserved for worker in pool._threads) == 2
    for errand in (busy, waits):
        errand.end.set()
