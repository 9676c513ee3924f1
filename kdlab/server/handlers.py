"""What the web server answers: pages and their files, and for all else one sentence."""

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

from jupyter_server.base.handlers import FileFindHandler
from jupyter_server.services.kernels.handlers import KernelHandler
from tornado.iostream import StreamBufferFullError
from tornado.web import HTTPError, RequestHandler
from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler
from voila.static_file_handler import MultiStaticFileHandler, TemplateStaticFileHandler
from voila.tornado.handler import TornadoVoilaHandler
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler, read_header_from_binary_message

__all__ = ["ANSWERS", "Nothing", "guarded", "narrow"]

HEADERS = {
    # Voilà's templates have scripts of their own in the page, its settings compile schemas, and anywidget loads what a
    # widget brings as a blob.
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
# What a kernel prints, runs or fails by: a page shows none of it, and it may hold paths and sources.
PRIVATE = {"debug_event", "error", "execute_input", "stream"}
PROTOCOL = "v1.kernel.websocket.jupyter.org"
# Parts of one message: its place, four for what it is, and buffers; and bytes on their way to a page.
MOST_PARTS, MOST_UNREAD = 200, 100_000_000
# What a page may send: messages and bytes a second, and how many at once after a silence.
PACE, MOST_AT_ONCE = (300, 5_000_000), (2_000, 20_000_000)
# What a browser asks for where a page is to be shown; a picture's or a script's address must not cost a kernel.
SHOWN = {"document", "iframe"}
RETRY = 8  # seconds until a page that found no place tries again
ANSWER = """\
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
    """Return a handler that keeps to itself why it failed, says how pages may be used, and answers to these hosts only.

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
            if not is_ours(self.request.host_name, names, hosts is not None):
                raise HTTPError(HTTPStatus.FORBIDDEN)
            if ".." in re.split(r"[/\\]", unquote(self.request.path)):  # Voilà's own check fails loudly on some
                raise HTTPError(HTTPStatus.NOT_FOUND)
            return super().prepare()

        def write_error(self, status_code: int, **_: Any) -> None:
            again = status_code == HTTPStatus.SERVICE_UNAVAILABLE
            self.set_header("Content-Type", "text/html; charset=utf-8")
            self.set_header("Cache-Control", "no-store")
            if again:
                self.set_header("Retry-After", RETRY)
            self.finish(
                ANSWER.format(
                    head=f'\n<meta http-equiv="refresh" content="{RETRY}">' if again else "",
                    sentence=SENTENCES.get(HTTPStatus(status_code), "Something went wrong here."),
                    start=html.escape(self.request.path if again else start),
                    link="Try again now" if again else "To the first page",
                )
            )

    Guarded.__name__ = handler.__name__
    return Guarded


def is_ours(host: str, names: set[str], everywhere: bool) -> bool:
    """Return whether a request may name this host: a page elsewhere can forge a name, but no address."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host.lower() in names
    return everywhere or address.is_loopback


class Page(TornadoVoilaHandler):
    """Opens a page with a kernel of its own, as long as there is a place."""

    async def get(self, path: str | None = None) -> None:
        """Answer with the page, or with the one that waits for a place."""
        if self.request.headers.get("Sec-Fetch-Dest", "document") not in SHOWN:
            raise HTTPError(HTTPStatus.FORBIDDEN)
        if not await self.kernel_manager.admit(path):
            raise HTTPError(HTTPStatus.SERVICE_UNAVAILABLE)
        self._notebook = path
        try:
            await super().get(path)
        finally:
            self.kernel_manager.arrived()

    def should_use_rendered_notebook(self, *asked: Any) -> bool:
        """Return whether the page is to be one that was made before."""
        return self.kernel_manager.is_ready(self._notebook) and super().should_use_rendered_notebook(*asked)


class Shutdown(VoilaShutdownKernelHandler):
    """Ends a kernel when its page closes: a closing page can send no XSRF token, but it knows the kernel's id."""

    def check_xsrf_cookie(self) -> None:
        """Refuse what another site sends."""
        if not self.check_origin():
            raise HTTPError(HTTPStatus.FORBIDDEN)

    async def post(self, kernel_id: str) -> None:
        """End it; one that has gone already is no trouble."""
        if kernel_id in self.kernel_manager:
            await super().post(kernel_id)
        else:
            self.set_status(HTTPStatus.NO_CONTENT)


class Kernel(KernelHandler):
    """Says whether a page's kernel is there; it ends by `Shutdown` alone."""

    SUPPORTED_METHODS = ("GET",)


class Channels(VoilaKernelWebsocketHandler):
    """Carries messages between a page and its kernel, but no code, and nothing of how the kernel failed."""

    def get(self, kernel_id: str) -> Any:
        """Open the socket, if the kernel is there, to those who speak the one protocol that can be checked."""
        if kernel_id not in self.kernel_manager:
            raise HTTPError(HTTPStatus.NOT_FOUND)
        if PROTOCOL not in self.request.headers.get("Sec-WebSocket-Protocol", ""):
            raise HTTPError(HTTPStatus.BAD_REQUEST)
        return super().get(kernel_id=kernel_id)

    async def open(self, kernel_id: str) -> None:
        """Begin; a page that does not read what it is sent must not fill the server's memory."""
        self.ws_connection.stream.max_write_buffer_size = MOST_UNREAD
        self._allowance = Allowance()
        await super().open(kernel_id)

    def on_message(self, message: str | bytes) -> None:
        """Pass on what a page may say; what is no message, or one too many, ends the connection."""
        if self.ws_connection is None:
            return  # hung up on: what still comes would be read as if it were of the older protocol
        if not self._allowance.spend(len(message)):
            self.close(1008)
            return
        try:
            if not isinstance(message, bytes) or not is_sound(message):
                raise ValueError
            super().on_message(message)
        except Exception:
            self.close(1003)

    def write_message(self, message: bytes | dict[str, Any], binary: bool = False) -> Any:
        """Pass on what a page draws from."""
        header = read_header_from_binary_message(message) if isinstance(message, bytes) else None
        if (header or {}).get("msg_type") in PRIVATE:
            return None
        try:
            sent = super().write_message(message, binary)
        except StreamBufferFullError:
            self.ws_connection.stream.close()
            return None
        sent.add_done_callback(Future.exception)  # a page that went away meanwhile is no trouble
        return sent

    def set_default_headers(self) -> None:
        """Leave it out: a socket has none."""


class Allowance:
    """What one page may still send: it grows with time, up to what may come at once."""

    def __init__(self) -> None:
        self._left, self._when = list(MOST_AT_ONCE), time.monotonic()

    def spend(self, size: int) -> bool:
        """Take a message of `size` bytes off it, and return whether it was enough."""
        now = time.monotonic()
        passed, self._when = now - self._when, now
        self._left = [
            min(left + pace * passed, most) - cost
            for left, pace, most, cost in zip(self._left, PACE, MOST_AT_ONCE, (1, size), strict=True)
        ]
        return min(self._left) >= 0


def is_sound(message: bytes) -> bool:
    """Return whether a message has as many parts as it says, one behind the other.

    Jupyter's reader believes whatever number is there, and would count up to it.
    """
    count = int.from_bytes(message[:8], "little")
    if not 6 <= count <= MOST_PARTS or len(message) < 8 * (count + 1):
        return False
    ends = struct.unpack(f"<{count}Q", message[8 : 8 * (count + 1)])
    return ends[0] == 8 * (count + 1) and ends[-1] == len(message) and all(map(operator.le, ends, ends[1:]))


class Nothing(RequestHandler):
    """Answers where there is nothing."""

    def prepare(self) -> None:
        """Say so, whatever was asked."""
        raise HTTPError(HTTPStatus.NOT_FOUND)


# Of all that Voilà serves, what a page needs, and who answers in its place.
ANSWERS: dict[type[RequestHandler], type[RequestHandler]] = {
    TornadoVoilaHandler: Page,
    VoilaShutdownKernelHandler: Shutdown,
    KernelHandler: Kernel,
    VoilaKernelWebsocketHandler: Channels,
    TemplateStaticFileHandler: TemplateStaticFileHandler,
    MultiStaticFileHandler: MultiStaticFileHandler,
    FileFindHandler: FileFindHandler,
}


def narrow(path: str, pages: Iterable[str], template: str, extensions: Iterable[str]) -> str:
    """Return a pattern of Voilà's for this project's pages, template and extensions alone."""

    def either(names: Iterable[str]) -> str:
        return "|".join(map(re.escape, names))

    path = path.replace("/render/(.*)", f"/render/({either(pages)})")
    path = path.replace("/templates/(.*)", f"/templates/({re.escape(template)}/static/.*)")
    return path.replace("/labextensions/(.*)", f"/labextensions/((?:{either(extensions)})/static/.*)")
