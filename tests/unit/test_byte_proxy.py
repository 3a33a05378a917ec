"""The byte proxy does what its faults say, byte for byte; tests of real servers rest on it."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.byte_proxy import TO_CLIENT, TO_SERVER, ByteProxy, Fault

ALL = b"0123456789" * 10


class Echo:
    """A server that sends back what it gets."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.received = b""
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                try:
                    while data := connection.recv(4096):
                        self.received += data
                        connection.sendall(data)
                except OSError:
                    pass
            self.ended.set()

    def all_received(self) -> bytes:
        """What the first connection brought until its end, which reaches this thread later than the client's."""
        assert self.ended.wait(10)
        return self.received

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(10)


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


def say(port: int, data: bytes, *, n_expected: int | None = None, patience: float = 5.0) -> bytes:
    """What comes back until the connection ends, all is there, or nothing comes any more."""
    got = b""
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as connection:
        connection.sendall(data)
        while len(got) < (len(data) if n_expected is None else n_expected):
            piece = connection.recv(4096)
            if not piece:
                break
            got += piece
    return got


def test_without_a_fault_everything_passes(echo: Echo) -> None:
    with ByteProxy(echo.port) as proxy:
        assert [say(proxy.port, ALL) for _ in range(3)] == [ALL] * 3
        assert (proxy.n_connections, proxy.n_passed, proxy.n_cuts) == (3, 600, 0)


@pytest.mark.parametrize("n_bytes", [0, 1, 37, 99])
def test_cut_after_some_bytes(echo: Echo, n_bytes: int) -> None:
    with ByteProxy(echo.port, Fault(cut_after=n_bytes, way=TO_CLIENT)) as proxy:
        assert say(proxy.port, ALL, n_expected=1000) == ALL[:n_bytes]
        assert (proxy.n_cuts, proxy.n_passed) == (1, n_bytes)
    assert echo.all_received() == ALL


@pytest.mark.parametrize(("is_passed", "arrived"), [(False, b"012345"), (True, b"0123456789")])
@pytest.mark.parametrize("pause", [0.0, 0.1], ids=["in one piece", "in two reads"])
def test_cut_at_a_pattern(echo: Echo, is_passed: bool, arrived: bytes, pause: float) -> None:
    fault = Fault(cut_at=b"6789", way=TO_SERVER, is_last_word_passed=is_passed)
    with ByteProxy(echo.port, fault) as proxy, socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as client:
        for piece in (ALL[:8], ALL[8:]) if pause else (ALL,):
            client.sendall(piece)
            time.sleep(pause)
        while client.recv(4096):
            pass
        assert proxy.n_cuts == 1
    # what had passed before the pattern was known to be one cannot be called back
    assert echo.all_received() == (arrived if is_passed or not pause else ALL[:8])


def test_a_reset_is_an_error_and_not_an_end(echo: Echo) -> None:
    with ByteProxy(echo.port, Fault(cut_after=0, is_reset=True)) as proxy, pytest.raises(ConnectionResetError):
        say(proxy.port, ALL)


def test_a_fault_ends_after_its_times_and_others_may_follow(echo: Echo) -> None:
    with ByteProxy(echo.port, Fault(cut_after=0, times=2)) as proxy:
        assert [say(proxy.port, ALL) for _ in range(4)] == [b"", b"", ALL, ALL]
        proxy.do(Fault(cut_after=50, way=TO_CLIENT, times=1))
        assert [say(proxy.port, ALL) for _ in range(2)] == [ALL[:50], ALL]


def test_a_black_hole_takes_everything_and_answers_nothing(echo: Echo) -> None:
    with ByteProxy(echo.port, Fault(is_black_hole=True)) as proxy, pytest.raises(TimeoutError):
        say(proxy.port, ALL, patience=0.3)
    assert echo.received == b""


def test_bytes_drip(echo: Echo) -> None:
    with ByteProxy(echo.port, Fault(delay_seconds=0.02, piece_bytes=10, way=TO_CLIENT)) as proxy:
        begun = time.monotonic()
        assert say(proxy.port, ALL) == ALL
        assert time.monotonic() - begun >= 0.2


def test_an_open_connection_meets_a_fault_set_later(echo: Echo) -> None:
    with ByteProxy(echo.port) as proxy, socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as client:
        client.sendall(b"before")
        assert client.recv(100) == b"before"
        proxy.do(Fault(cut_after=3, way=TO_CLIENT))
        client.sendall(b"afterwards")
        assert client.recv(100) == b"aft"
        assert client.recv(100) == b""


def test_a_server_that_is_away_ends_the_connection(echo: Echo) -> None:
    with ByteProxy(echo.port) as proxy:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            proxy.server_port = closed.getsockname()[1]
        assert say(proxy.port, ALL) == b""
