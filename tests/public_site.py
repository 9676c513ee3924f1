"""A public page's server with a limit or two, and what a program may send to it."""

import contextlib
import http.client
import json
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import websocket
from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1, serialize_msg_to_ws_v1
from test_servers import serving

import kdlab
from kdlab.server.notebooks import copy_notebooks, notebooks

__all__ = [
    "SECRETS", "ask", "connect", "header", "kernel_of", "kernels", "leave", "message", "open_kernel", "public_site",
    "until",
]  # fmt: skip

HOME = Path(kdlab.__file__).parents[1]
SECRETS = ("Traceback", "site-packages", "/tmp/", str(HOME), str(Path.home()), "from kdlab", "HMAC", ".py")


@contextmanager
def public_site(folder: Path, limits: str, **others: str) -> Iterator[tuple[str, psutil.Process]]:
    """Give the first page's address and the server, for `folder`; `others`: notebooks whose cell is another one."""
    (folder / "limits.toml").write_text(f'datasets = ["digits"]\n{limits}')
    (folder / "kdlab").symlink_to(Path(kdlab.__file__).parent)
    copy_notebooks(folder / "apps")
    (folder / "apps" / "secret.txt").write_text("secret")
    for name, code in others.items():
        notebook = json.loads((notebooks() / "distil.ipynb").read_text())
        notebook["cells"][0]["source"] = code
        (folder / "apps" / f"{name}.ipynb").write_text(json.dumps(notebook))
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    command = ("app", "index", "--limits", "limits.toml", "--name", "kdlab.example.org")
    variables = {"PYTHONPATH": path, "XDG_CACHE_HOME": str(folder / "cache")}
    with serving(*command, cwd=folder, variables=variables) as served:
        yield served


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def kernels(server: psutil.Process) -> list[psutil.Process]:
    found = []
    for child in server.children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if "ipykernel_launcher" in child.cmdline():
                found.append(child)
    return found


def ask(url: str, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], str]:
    """Send a path as it is, which urllib would tidy up, and return status, headers and text."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode(errors="replace")
    finally:
        connection.close()


def open_kernel(url: str) -> str:
    """Open a page as a program does and return its kernel's id."""
    status, _, text = ask(url, urlsplit(url).path)
    assert status == 200
    return kernel_of(text)


def kernel_of(text: str) -> str:
    """The id of the kernel that a page's text names."""
    found = re.search(r'"kernelId": "([^"]+)"', text)
    assert found
    return found[1]


def connect(url: str, kernel: str, **options: str) -> websocket.WebSocket:
    from kdlab.server.handlers import PROTOCOL  # here, as Jupyter's servers take seconds to import

    address = f"ws://{urlsplit(url).netloc}/api/kernels/{kernel}/channels?session_id={uuid.uuid4().hex}"
    return websocket.create_connection(address, timeout=60, **{"subprotocols": [PROTOCOL], **options})


def pack(value: object) -> bytes:
    return json.dumps(value).encode()


def message(kind: str, channel: str = "shell", **content: object) -> bytes:
    header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "username": "", "session": "", "version": "5.3", "date": ""}
    whole = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
    return serialize_msg_to_ws_v1(whole, channel, pack)


def header(received: bytes, part: int = 0) -> dict[str, Any]:
    """The header of a message, or (1) of that which it answers."""
    return json.loads(deserialize_msg_from_ws_v1(received)[1][part])


def leave(url: str, kernel: str) -> None:
    """End a page's kernel, as the page does when it closes."""
    assert ask(url, f"/voila/api/shutdown/{kernel}", "POST")[0] == 204
