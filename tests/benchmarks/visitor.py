"""A visitor without a browser: says to a page's server and kernel what the page itself says, and listens."""

import asyncio
import contextlib
import json
import re
import secrets
import uuid
from typing import Any

from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1, serialize_msg_to_ws_v1
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

__all__ = ["Visitor"]

PATIENCE = 120.0  # seconds for one answer
PROTOCOL = "v1.kernel.websocket.jupyter.org"
KERNEL = re.compile(r'"kernelId": "([\w-]+)"')


class Visitor:
    """One visitor of the page "Distil"; what goes wrong is noted in `troubles`, `state` is its run panel's."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._socket: WebSocketClientConnection | None = None
        self._session, self._parts = uuid.uuid4().hex, dict[str, list[str]]()
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._listening: asyncio.Task[None] | None = None
        self.troubles: list[str] = []
        self.state, self.heard = "", 0
        self.ended = asyncio.Event()

    async def come(self) -> None:
        """Ask for the page, connect to its kernel, fetch all widgets, and say who is looking."""
        request = HTTPRequest(self._address, request_timeout=PATIENCE)
        page = (await AsyncHTTPClient(max_clients=1000).fetch(request)).body.decode()
        found = KERNEL.search(page)
        if found is None:
            raise RuntimeError(f"a page without a kernel: {page[:300]}")
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
        self.say("Address", {"type": "address", "text": "", "visitor": secrets.token_hex(16)})

    def say(self, kind: str, content: dict[str, Any]) -> None:
        """Send what the script of a widget of this kind sends."""
        self._tell(kind, {"method": "custom", "content": content})

    def choose(self, **choices: object) -> None:
        """Change choices by the address, as a person may."""
        text = "&".join(f"{key}={value}" for key, value in choices.items())
        self.say("Address", {"type": "address", "text": text, "visitor": secrets.token_hex(16)})

    def turn(self, value: float) -> None:
        """Move the page's first slider."""
        self._tell("Slider", {"method": "update", "state": {"value": value}, "buffer_paths": []})

    async def leave(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
        if self._listening is not None:
            self._listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listening

    def _tell(self, kind: str, data: dict[str, Any]) -> None:
        self._send("comm_msg", {"comm_id": self._parts[kind][0], "data": data})

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
            self.heard += 1
            header, parent, _, content = deserialize_msg_from_ws_v1(packed)[1][:4]
            self._hear(json.loads(header)["msg_type"], json.loads(parent).get("msg_id", ""), json.loads(content))
        self.troubles.append("the websocket was closed")

    def _hear(self, kind: str, asked: str, content: dict[str, Any]) -> None:
        key = content["comm_id"] if kind == "comm_msg" else asked if kind.endswith("_reply") else ""
        if (answer := self._answers.pop(key, None)) and not answer.done():
            answer.set_result(content)
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
