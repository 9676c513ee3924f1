"""Handlers of the web server: pages and their files, and one sentence for all other requests."""

import html
import ipaddress
import operator
import re
import struct
import time
from asyncio import Future
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from tornado.iostream import StreamBufferFullError
from tornado.web import HTTPError, RequestHandler

from kdlab.server.voila_internals import (
    FileFindHandler,
    KernelHandler,
    MultiStaticFileHandler,
    TemplateStaticFileHandler,
    TornadoVoilaHandler,
    VoilaKernelWebsocketHandler,
    VoilaShutdownKernelHandler,
    disconnect,
    limit_unread,
    read_header_from_binary_message,
)

__all__ = ["HANDLERS", "NotFoundHandler", "guarded", "restrict_pattern"]

HEADERS = {
    # Voilà's templates have inline scripts, its settings compile schemas, and anywidget loads a widget's module as a
    # blob.
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' ws: wss: data: blob:; "
        "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
SENTENCES = {
    HTTPStatus.NOT_FOUND: "There is no such page.",
    HTTPStatus.FORBIDDEN: "This address is not for you.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address cannot be used like that.",
    HTTPStatus.SERVICE_UNAVAILABLE: "All places are taken just now. This page tries again by itself.",
}
# Output, code and errors of a kernel: pages show none of it, and it may contain paths and sources.
PRIVATE_MESSAGES = {"debug_event", "error", "execute_input", "stream"}
PROTOCOL = "v1.kernel.websocket.jupyter.org"
# Parts of one message (channel, four parts of JSON, and buffers); bytes that wait to be sent to a page.
MAX_PARTS, MAX_UNREAD_BYTES = 200, 100_000_000
# Limits on a page's messages: messages and bytes per second, and in one burst.
RATE, BURST = (300, 5_000_000), (2_000, 20_000_000)
# Values of Sec-Fetch-Dest for a displayed page: the address of an image or a script must not start a kernel.
PAGE_DESTINATIONS = {"document", "iframe"}
RETRY_AFTER = 8  # seconds until a rejected page tries again
SENTENCE_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>kdlab</title>{head}
<style>
body {{ background: #f7f8fa; color: #1d2733; font: 18px/1.5 system-ui, sans-serif; margin: 20vh auto; max-width: 30em;
  padding: 0 16px; }}
a {{ color: #0b5cad; }}
</style>
</head>
<body>
<p>{sentence}</p>
<p><a href="{start}">{link}</a></p>
</body>
</html>
"""


def guarded(handler: type[RequestHandler], hosts: Iterable[str] | None, start: str) -> type[RequestHandler]:
    """Return a handler that hides the reasons of failures, sets security headers, and serves only these hosts.

    `hosts`: names besides addresses; None: loopback addresses and "localhost" only. `start`: the first page's path.
    """
    names = {"localhost", *(hosts or ())}

    class Guarded(handler):  # type: ignore[misc,valid-type]
        def set_default_headers(self) -> None:
            super().set_default_headers()
            self.clear_header("Server")
            for name, value in HEADERS.items():
                self.set_header(name, value)

        def prepare(self) -> Any:
            if not is_allowed_host(self.request.host_name, names, hosts is not None):
                raise HTTPError(HTTPStatus.FORBIDDEN)
            if ".." in re.split(r"[/\\]", unquote(self.request.path)):  # Voilà's own check fails loudly on some
                raise HTTPError(HTTPStatus.NOT_FOUND)
            return super().prepare()

        def write_error(self, status_code: int, **_: Any) -> None:
            retry = status_code == HTTPStatus.SERVICE_UNAVAILABLE
            self.set_header("Content-Type", "text/html; charset=utf-8")
            self.set_header("Cache-Control", "no-store")
            if retry:
                self.set_header("Retry-After", RETRY_AFTER)
            self.finish(
                SENTENCE_PAGE.format(
                    head=f'\n<meta http-equiv="refresh" content="{RETRY_AFTER}">' if retry else "",
                    sentence=SENTENCES.get(HTTPStatus(status_code), "Something went wrong here."),
                    start=html.escape(self.request.path if retry else start),
                    link="Try again now" if retry else "To the first page",
                )
            )

    Guarded.__name__ = handler.__name__
    return Guarded


def is_allowed_host(host: str, names: set[str], everywhere: bool) -> bool:
    """Return whether a request may name this host: another site can point its name here, but not an address."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host.lower() in names
    return everywhere or address.is_loopback


class PageHandler(TornadoVoilaHandler):
    """Opens a page with its own kernel, while there is a free place."""

    async def get(self, path: str | None = None) -> None:
        """Answer with the page, or with status 503 for the waiting page."""
        if self.request.headers.get("Sec-Fetch-Dest", "document") not in PAGE_DESTINATIONS:
            raise HTTPError(HTTPStatus.FORBIDDEN)
        if not await self.kernel_manager.admit(path):
            raise HTTPError(HTTPStatus.SERVICE_UNAVAILABLE)
        self._notebook = path
        try:
            await super().get(path)
        finally:
            self.kernel_manager.arrived()

    def should_use_rendered_notebook(self, *arguments: Any) -> bool:
        """Return whether to use a preheated kernel and its rendered page."""
        return self.kernel_manager.is_ready(self._notebook) and super().should_use_rendered_notebook(*arguments)


class ShutdownHandler(VoilaShutdownKernelHandler):
    """Ends a kernel when its page closes: a closing page can send no XSRF token, but it knows the kernel's id."""

    def check_xsrf_cookie(self) -> None:
        """Refuse requests of other sites."""
        if not self.check_origin():
            raise HTTPError(HTTPStatus.FORBIDDEN)

    async def post(self, kernel_id: str) -> None:
        """End the kernel; ignore one that has ended already."""
        if kernel_id in self.kernel_manager:
            await super().post(kernel_id)
        else:
            self.set_status(HTTPStatus.NO_CONTENT)


class KernelStatusHandler(KernelHandler):
    """Reports whether a page's kernel exists; only `ShutdownHandler` ends it."""

    SUPPORTED_METHODS = ("GET",)


class ChannelsHandler(VoilaKernelWebsocketHandler):
    """Carries messages between a page and its kernel, but no code and no errors of the kernel."""

    def get(self, kernel_id: str) -> Any:
        """Open the socket if the kernel exists and the client speaks the one protocol that can be checked."""
        if kernel_id not in self.kernel_manager:
            raise HTTPError(HTTPStatus.NOT_FOUND)
        if PROTOCOL not in self.request.headers.get("Sec-WebSocket-Protocol", ""):
            raise HTTPError(HTTPStatus.BAD_REQUEST)
        return super().get(kernel_id=kernel_id)

    async def open(self, kernel_id: str) -> None:
        """Begin; a page that does not read its messages must not fill the server's memory."""
        limit_unread(self, MAX_UNREAD_BYTES)
        self._bucket = TokenBucket()
        await super().open(kernel_id)

    def on_message(self, message: str | bytes) -> None:
        """Pass on a valid message; an invalid message, or one over the rate limit, ends the connection."""
        if self.ws_connection is None:
            return  # closed: late messages would be parsed as the older protocol
        if not self._bucket.spend(len(message)):
            self.close(1008)
            return
        try:
            if not isinstance(message, bytes) or not is_well_formed(message):
                raise ValueError
            super().on_message(message)
        except Exception:
            self.close(1003)

    def write_message(self, message: bytes | dict[str, Any], binary: bool = False) -> Any:
        """Pass on a message, unless it is private."""
        header = read_header_from_binary_message(message) if isinstance(message, bytes) else None
        if (header or {}).get("msg_type") in PRIVATE_MESSAGES:
            return None
        try:
            sent = super().write_message(message, binary)
        except StreamBufferFullError:
            disconnect(self)
            return None
        sent.add_done_callback(Future.exception)  # ignore a page that has disconnected
        return sent

    def set_default_headers(self) -> None:
        """Set none, because a socket has no headers."""


class TokenBucket:
    """A rate limit for messages and bytes of one page: a token bucket with `RATE` and `BURST`."""

    def __init__(self) -> None:
        self._tokens, self._updated = list(BURST), time.monotonic()

    def spend(self, size: int) -> bool:
        """Spend tokens for a message of `size` bytes; return whether there were enough."""
        timestamp = time.monotonic()
        elapsed, self._updated = timestamp - self._updated, timestamp
        self._tokens = [
            min(tokens + rate * elapsed, burst) - cost
            for tokens, rate, burst, cost in zip(self._tokens, RATE, BURST, (1, size), strict=True)
        ]
        return min(self._tokens) >= 0


def is_well_formed(message: bytes) -> bool:
    """Return whether a message has the number of parts that it states, without gaps.

    Jupyter's reader trusts the stated number, and would loop up to it.
    """
    count = int.from_bytes(message[:8], "little")
    if not 6 <= count <= MAX_PARTS or len(message) < 8 * (count + 1):
        return False
    ends = struct.unpack(f"<{count}Q", message[8 : 8 * (count + 1)])
    return ends[0] == 8 * (count + 1) and ends[-1] == len(message) and all(map(operator.le, ends, ends[1:]))


class NotFoundHandler(RequestHandler):
    """Answers unknown addresses."""

    def prepare(self) -> None:
        """Raise 404 for every method."""
        raise HTTPError(HTTPStatus.NOT_FOUND)


# Voilà's handlers that a page needs, and our replacements; the others are not served.
HANDLERS: dict[type[RequestHandler], type[RequestHandler]] = {
    TornadoVoilaHandler: PageHandler,
    VoilaShutdownKernelHandler: ShutdownHandler,
    KernelHandler: KernelStatusHandler,
    VoilaKernelWebsocketHandler: ChannelsHandler,
    TemplateStaticFileHandler: TemplateStaticFileHandler,
    MultiStaticFileHandler: MultiStaticFileHandler,
    FileFindHandler: FileFindHandler,
}


def restrict_pattern(path: str, pages: Iterable[str], template: str, extensions: Iterable[str]) -> str:
    """Return a URL pattern of Voilà restricted to this project's pages, template and extensions."""

    def either(names: Iterable[str]) -> str:
        return "|".join(map(re.escape, names))

    path = path.replace("/render/(.*)", f"/render/({either(pages)})")
    path = path.replace("/templates/(.*)", f"/templates/({re.escape(template)}/static/.*)")
    return path.replace("/labextensions/(.*)", f"/labextensions/((?:{either(extensions)})/static/.*)")
