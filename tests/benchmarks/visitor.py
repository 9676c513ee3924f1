"""A visitor without a browser: says to a page's server and kernel what the page itself says, and listens."""

import asyncio
import contextlib
import json
import random
import re
import secrets
import time
import uuid
from typing import Any
from urllib.parse import urljoin

from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1, serialize_msg_to_ws_v1
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

__all__ = ["ENDINGS", "Visitor", "stay"]

PATIENCE = 120.0  # seconds for one answer
PROMPT = 10.0  # seconds for the answer to a turned knob
ENDINGS = 600.0  # seconds that runs may take beyond the visitors' time
PROTOCOL = "v1.kernel.websocket.jupyter.org"
KERNEL = re.compile(r'"kernelId": "([\w-]+)"')
FILES = re.compile(r"""<(?:script\b[^>]*?\ssrc|link\b[^>]*?\shref)=["']((?!data:)[^"']+)""")


class Visitor:
    """One visitor of the page "Distil"; what goes wrong is noted in `troubles`, `state` is its run panel's.

    `came`: seconds from the request until page, files and the states of all widgets were there; `echoes`: seconds from
    each turn of a knob to the kernel's echo of it, and `unheard` the turns without one.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._socket: WebSocketClientConnection | None = None
        self._session, self._parts = uuid.uuid4().hex, dict[str, list[str]]()
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._listening: asyncio.Task[None] | None = None
        self.troubles: list[str] = []
        self.state, self.came = "", float("nan")
        self.echoes, self.unheard = list[float](), 0
        self.ended = asyncio.Event()

    async def come(self) -> None:
        """Ask for the page and its files, connect to its kernel, fetch all widgets, and say who is looking."""
        began = time.perf_counter()
        page = (await self._fetch(self._address)).decode()
        found = KERNEL.search(page)
        if found is None:
            raise RuntimeError(f"a page without a kernel: {page[:300]}")
        await asyncio.gather(*(self._fetch(urljoin(self._address, one)) for one in set(FILES.findall(page))))
        root = self._address.replace("http:", "ws:").split("voila/render/")[0]
        url = f"{root}api/kernels/{found[1]}/channels?session_id={self._session}"
        self._socket = await websocket_connect(url, subprotocols=[PROTOCOL], max_message_size=1 << 28)
        self._listening = asyncio.create_task(self._listen())
        await self._ask("kernel_info_request", {})
        await self._ask("comm_info_request", {"target_name": "jupyter.widget"})
        control = uuid.uuid4().hex
        self._send("comm_open", {"comm_id": control, "target_name": "jupyter.widget.control", "data": {}}, widgets=True)
        states = self._expect(control)
        self._send("comm_msg", {"comm_id": control, "data": {"method": "request_states"}})
        for model, one in (await asyncio.wait_for(states, PATIENCE))["data"]["states"].items():
            kind = one["state"].get("_anywidget_id", "").rpartition(".")[2]
            self._parts.setdefault(kind, []).append(model)
        self.came = time.perf_counter() - began
        self.say("Header", {"type": "address", "text": "", "source": "memory", "visitor": secrets.token_hex(16)})

    def say(self, kind: str, content: dict[str, Any]) -> None:
        """Send what the script of a widget of this kind sends."""
        self._tell(kind, {"method": "custom", "content": content})

    def choose(self, **choices: object) -> None:
        """Change choices by the address, as a person may."""
        text = "&".join(f"{key}={value}" for key, value in choices.items())
        self.say("Header", {"type": "address", "text": text, "source": "edit", "visitor": secrets.token_hex(16)})

    async def turn(self, value: float) -> None:
        """Move the page's first slider, and wait for the kernel's echo."""
        began = time.perf_counter()
        update = {"method": "update", "state": {"value": value}, "buffer_paths": []}
        echo = self._expect(self._tell("Slider", update))
        try:
            await asyncio.wait_for(echo, PROMPT)
            self.echoes.append(time.perf_counter() - began)
        except TimeoutError:
            self.unheard += 1
            self.troubles.append(f"no echo within {PROMPT:.0f} s")

    async def leave(self) -> None:
        """Hang up."""
        if self._listening is not None:
            self._listening.cancel()  # first, as a socket that closes by itself is a trouble
            with contextlib.suppress(asyncio.CancelledError):
                await self._listening
        if self._socket is not None:
            self._socket.close()

    async def _fetch(self, address: str) -> bytes:
        """Return what is there, which may come compressed; whatever else the server answers is an error."""
        request = HTTPRequest(address, request_timeout=PATIENCE)
        return (await AsyncHTTPClient(max_clients=1000).fetch(request)).body

    def _tell(self, kind: str, data: dict[str, Any]) -> str:
        return self._send("comm_msg", {"comm_id": self._parts[kind][0], "data": data})

    def _expect(self, key: str) -> asyncio.Future[dict[str, Any]]:
        self._answers[key] = asyncio.get_running_loop().create_future()
        return self._answers[key]

    async def _ask(self, kind: str, content: dict[str, Any]) -> dict[str, Any]:
        """Ask the kernel until it answers: what comes while it connects may be lost, and a page asks again as well."""
        for _ in range(int(PATIENCE / 5)):
            answer = self._expect(self._send(kind, content))
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(answer, 5)
        raise RuntimeError(f"no answer to {kind}")

    def _send(self, kind: str, content: dict[str, Any], widgets: bool = False) -> str:
        assert self._socket is not None
        header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "session": self._session, "username": ""}
        metadata = {"version": "1.0.0"} if widgets else {}
        parts = [json.dumps(part).encode() for part in (header, {}, metadata, content)]
        self._socket.write_message(serialize_msg_to_ws_v1(parts, "shell"), binary=True)
        return header["msg_id"]

    async def _listen(self) -> None:
        assert self._socket is not None
        while (packed := await self._socket.read_message()) is not None:
            header, parent, _, content = deserialize_msg_from_ws_v1(packed)[1][:4]
            self._hear(json.loads(header)["msg_type"], json.loads(parent).get("msg_id", ""), json.loads(content))
        self.troubles.append("the websocket was closed")

    def _hear(self, kind: str, asked: str, content: dict[str, Any]) -> None:
        echo = kind == "comm_msg" and content["data"].get("method") == "echo_update"
        key = asked if echo or kind.endswith("_reply") else content["comm_id"] if kind == "comm_msg" else ""
        if (answer := self._answers.pop(key, None)) and not answer.done():
            answer.set_result(content)
        if kind == "status" and (now := content["execution_state"]) in ("dead", "restarting", "autorestarting"):
            self.troubles.append(f"the kernel is {now}")
        if kind == "error" or content.get("status") == "error":
            self.troubles.append(f"{content.get('ename')}: {content.get('evalue')}")
        if kind == "stream":
            self.troubles.append(f"the kernel says: {content['text']}")
        if kind == "comm_msg" and content["comm_id"] in self._parts.get("RunPanel", []):
            changed = content["data"].get("state", {})
            if error := changed.get("error"):
                self.troubles.append(f"the page says: {error}")
            self.state = changed.get("state", self.state)
            if self.state in ("done", "stopped", "failed", "interrupted"):
                self.ended.set()


async def stay(visitor: Visitor, come: float, begin: float | None, until: float, run: dict[str, object]) -> str:
    """Come, turn a knob now and then, perhaps begin `run`, and leave; return how the run ended.

    `come`, `begin` and `until`: times of the monotonic clock.
    """
    await asyncio.sleep(max(0.0, come - time.monotonic()))
    trains = begin is not None
    try:
        await visitor.come()
        if trains:
            visitor.choose(**run)
        while time.monotonic() < until:
            pause = random.uniform(5, 15)
            await asyncio.sleep(pause if begin is None else max(0.0, min(pause, begin - time.monotonic())))
            await visitor.turn(random.uniform(1, 20))
            if begin is not None and time.monotonic() >= begin:
                visitor.say("RunPanel", {"type": "start"})
                begin = None
        if trains:
            await asyncio.wait_for(visitor.ended.wait(), until + ENDINGS - time.monotonic())
    except Exception as error:
        visitor.troubles.append(f"{type(error).__name__}: {error}")
    finally:
        await visitor.leave()
    return visitor.state
