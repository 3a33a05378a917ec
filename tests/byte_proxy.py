"""A proxy before a real server that spoils the bytes between it and a client: what networks and crashes do, at a chosen byte.

    with ByteProxy(port) as proxy:                                        # clients connect to proxy.port
        proxy.do(Fault(cut_at=b"COMMIT", way=TO_SERVER))                  # the server never hears of the commit
        proxy.do(Fault(cut_at=b"COMMIT", way=TO_CLIENT))                  # it commits, the client never hears of that

It runs in a thread of its own; a fault may be set at any time and holds for open and new connections alike.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

Way = Literal["to server", "to client"]
TO_SERVER: Way = "to server"
TO_CLIENT: Way = "to client"
READ_BYTES = 65_536
# linger on, for no time: closing sends a reset instead of an orderly end
RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Fault:
    """What happens to the bytes that go one way, or both.

    Attributes:
        way: the direction that is spoilt; None means both, and both count for ``cut_after``.
        delay_seconds: wait before each piece.
        piece_bytes: pass on pieces of at most this size; with a delay, bytes drip.
        cut_after: end the connection when this many bytes have passed since the fault was set.
        cut_at: end the connection when these bytes pass, also where two reads split them.
        is_last_word_passed: whether the bytes of ``cut_at`` themselves still arrive.
        is_reset: end with a reset, as a dead machine does, and not in order.
        is_black_hole: take everything and pass nothing on.
        times: how many connections are cut before the fault is over; None means all.
    """

    way: Way | None = None
    delay_seconds: float = 0.0
    piece_bytes: int | None = None
    cut_after: int | None = None
    cut_at: bytes | None = None
    is_last_word_passed: bool = False
    is_reset: bool = False
    is_black_hole: bool = False
    times: int | None = None


class _Spoiler:
    """A fault at work: counts what has passed since it was set."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.n_passed = 0
        self.n_cuts = 0

    def concerns(self, way: Way) -> bool:
        is_over = self.fault.times is not None and self.n_cuts >= self.fault.times
        return not is_over and self.fault.way in {None, way}

    def let_through(self, data: bytes, before: bytes) -> tuple[bytes, bool]:
        """The part of ``data`` that still arrives, and whether the connection ends behind it.

        Args:
            data: what was read.
            before: the bytes that passed just before, in which a pattern may have begun.
        """
        fault, length, is_cut = self.fault, len(data), False
        if fault.is_black_hole:
            return b"", False
        if fault.cut_at is not None and (at := (before + data).find(fault.cut_at)) >= 0:
            end = at + (len(fault.cut_at) if fault.is_last_word_passed else 0) - len(before)
            length, is_cut = max(0, end), True
        if fault.cut_after is not None and self.n_passed + length >= fault.cut_after:
            length, is_cut = max(0, fault.cut_after - self.n_passed), True
        self.n_passed += length
        self.n_cuts += is_cut
        return data[:length], is_cut


class ByteProxy:
    """Passes bytes between clients of ``port`` and the server at ``server_port`` of this machine, and spoils them on demand."""

    def __init__(self, server_port: int, fault: Fault | None = None) -> None:
        self.server_port = server_port
        self.port = 0
        self.n_connections = 0
        self._spoiler = _Spoiler(fault or Fault())
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="byte-proxy", daemon=True)
        self._open: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def do(self, fault: Fault) -> None:
        """Spoil bytes in this way from now on."""
        self._spoiler = _Spoiler(fault)

    def pass_on(self) -> None:
        """Spoil nothing any more."""
        self.do(Fault())

    @property
    def n_cuts(self) -> int:
        """Connections cut by the present fault."""
        return self._spoiler.n_cuts

    @property
    def n_passed(self) -> int:
        """Bytes passed on under the present fault, of the direction that it spoils."""
        return self._spoiler.n_passed

    async def _listen(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _close(self) -> None:
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it or a fault does."""
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self.n_connections += 1
        writers = [to_client]
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self.server_port)
            writers.append(to_server)
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(from_client, to_server, TO_SERVER, writers))
                pumps.create_task(self._pump(from_server, to_client, TO_CLIENT, writers))
        except* (OSError, asyncio.CancelledError):
            pass  # a side that is gone is what this program is about
        finally:
            for writer in writers:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
            self._open.discard(task)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, way: Way, both: list[asyncio.StreamWriter]
    ) -> None:
        before = b""
        spoiler = self._spoiler
        while data := await source.read(READ_BYTES):
            if spoiler is not self._spoiler:
                spoiler, before = self._spoiler, b""
            passed, is_cut = spoiler.let_through(data, before) if spoiler.concerns(way) else (data, False)
            await self._send(sink, passed, spoiler.fault if spoiler.concerns(way) else Fault())
            if is_cut:
                if spoiler.fault.is_reset:
                    for writer in both:
                        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                break
            n_kept = len(spoiler.fault.cut_at or b"") - 1
            before = (before + data)[-n_kept:] if n_kept > 0 else b""
        for writer in both:
            writer.close()

    async def _send(self, sink: asyncio.StreamWriter, data: bytes, fault: Fault) -> None:
        for piece in _pieces(data, fault.piece_bytes or READ_BYTES):
            await asyncio.sleep(fault.delay_seconds)
            sink.write(piece)
            await sink.drain()


def _pieces(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]
