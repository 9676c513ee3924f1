"""A public page: what a stranger with a raw connection, a forged address or too many pages can do, and what is seen."""

import contextlib
import http.client
import json
import os
import re
import shutil
import socket as sockets
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
import websocket
from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1, serialize_msg_to_ws_v1
from playwright.sync_api import Browser, FilePayload, sync_playwright
from test_servers import serving

import kdlab
from kdlab.cli.pages import MOST_AT_ONCE, PROTOCOL, Allowance
from kdlab.cli.serve import copy_notebooks, notebooks

HOME = Path(kdlab.__file__).parents[1]
LIMITS = 'visitors = 3\npreheated = 1\nidle_seconds = 10\ndatasets = ["digits"]\n'
SECRETS = ("Traceback", "site-packages", "/tmp/", str(HOME), str(Path.home()), "from kdlab", "HMAC", ".py")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, psutil.Process, Path]]:
    """The first page's address, the server, and the folder of its notebooks, one of which cannot be opened."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "limits.toml").write_text(LIMITS)
    (folder / "kdlab").symlink_to(Path(kdlab.__file__).parent)
    copy_notebooks(folder / "apps")
    (folder / "apps" / "secret.txt").write_text("secret")
    broken = json.loads((notebooks() / "distil.ipynb").read_text())
    broken["cells"][1]["source"] = (
        "import sys, warnings\nprint('printed', sys.path)\nwarnings.warn('hm')\n1 / 0 # source"
    )
    (folder / "apps" / "broken.ipynb").write_text(json.dumps(broken))
    broken["cells"][1]["source"] = "kept = b'1' * 800_000_000"
    (folder / "apps" / "large.ipynb").write_text(json.dumps(broken))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")])))
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.chdir(folder)
        with serving("app", "index", "--limits", "limits.toml", "--name", "kdlab.example.org") as (url, server):
            yield url, server, folder


@pytest.fixture(autouse=True)
def empty(site: tuple[str, psutil.Process, Path]) -> None:
    """Wait until earlier visitors' kernels are gone, and one waits for the next."""
    deadline = time.monotonic() + 60
    while len(kernels(site[1])) != 1:
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


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
    found = re.search(r'"kernelId": "([^"]+)"', text)
    assert found
    return found[1]


def connect(url: str, kernel: str, **options: str) -> websocket.WebSocket:
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


def test_code_does_not_reach_a_kernel(site: tuple[str, psutil.Process, Path], tmp_path: Path) -> None:
    url, _, _ = site
    mark = tmp_path / "mark"
    code = f"open({str(mark)!r}, 'w')"
    forbidden = [
        message("execute_request", channel, code=code, silent=False, store_history=False, user_expressions={"a": code},
                allow_stdin=False, stop_on_error=False)
        for channel in ("shell", "control", "stdin", "iopub", "other")
    ]  # fmt: skip
    forbidden += [
        message("inspect_request", code="open", cursor_pos=2, detail_level=1),
        message("complete_request", code="op", cursor_pos=2),
        message("history_request", hist_access_type="tail", n=9, output=True, raw=True),
        message("is_complete_request", code="1"),
        message("input_reply", "stdin", value=code),
        message("debug_request", "control", type="request", seq=1, command="initialize", arguments={}),
        message("create_subshell_request", "control"),
        message("interrupt_request", "control"),
        message("shutdown_request", "control", restart=False),
    ]
    socket = connect(url, open_kernel(url))
    for one in forbidden:
        socket.send_binary(one)
    asked = message("kernel_info_request")
    socket.send_binary(asked)
    seen = []
    while True:  # the kernel answers in turn, so that what it was to run before this question is done
        answer = socket.recv()
        seen.append(header(answer)["msg_type"])
        if seen[-1] == "kernel_info_reply" and header(answer, 1)["msg_id"] == header(asked)["msg_id"]:
            break
    socket.close()
    assert set(seen) <= {"status", "kernel_info_reply", "iopub_welcome"}
    assert not mark.exists()


SOUND = message("kernel_info_request")


@pytest.mark.parametrize(
    "nonsense",
    [
        "", "{", "text", b"", b"\xff" * 100,
        (1 << 40).to_bytes(8, "little") + SOUND[8:],  # so many parts that counting them would never end
        SOUND[:8] + (1 << 60).to_bytes(8, "little") + SOUND[16:],
        SOUND[:-1], SOUND + b" ",
    ],
)  # fmt: skip
def test_nonsense_ends_a_connection_and_nothing_else(
    site: tuple[str, psutil.Process, Path], nonsense: str | bytes
) -> None:
    url, server, _ = site
    kernel = open_kernel(url)
    socket = connect(url, kernel)
    socket.send(nonsense) if isinstance(nonsense, str) else socket.send_binary(nonsense)
    with contextlib.suppress(websocket.WebSocketException, ConnectionError):
        while socket.recv():
            pass
    socket.shutdown()  # `close` leaves it open where the server has hung up
    assert ask(url, f"/api/kernels/{kernel}")[0] == 200
    assert ask(url, f"/voila/api/shutdown/{kernel}", "POST")[0] == 204
    assert server.memory_info().rss < 1e9


def test_the_older_protocol_is_refused(site: tuple[str, psutil.Process, Path]) -> None:
    url, _, _ = site
    kernel = open_kernel(url)
    with pytest.raises(websocket.WebSocketBadStatusException, match="400"):
        connect(url, kernel, subprotocols=[])
    assert ask(url, f"/voila/api/shutdown/{kernel}", "POST")[0] == 204


def test_a_page_that_does_not_read_is_hung_up_on(site: tuple[str, psutil.Process, Path]) -> None:
    url, server, _ = site
    kernel = open_kernel(url)
    socket = connect(url, kernel)
    asked = message("kernel_info_request")
    with contextlib.suppress(websocket.WebSocketException, OSError):
        socket.settimeout(0.5)
        for _ in range(3000):
            socket.send_binary(asked)
    assert server.memory_info().rss < 1e9
    socket.sock.close()
    assert ask(url, f"/voila/api/shutdown/{kernel}", "POST")[0] == 204


def test_a_flood_is_hung_up_on(site: tuple[str, psutil.Process, Path]) -> None:
    url, server, _ = site
    kernel, other = open_kernel(url), open_kernel(url)
    for one, times in ((message("comm_info_request"), 10_000), (message("comm_msg", data="a" * 1_500_000), 40)):
        socket = connect(url, kernel)
        with ThreadPoolExecutor() as pool:
            told = pool.submit(last_word, socket)
            with contextlib.suppress(websocket.WebSocketException, OSError):
                for _ in range(times):
                    socket.send_binary(one)
            assert told.result(60) == 1008
        socket.shutdown()
    socket = connect(url, other)
    socket.send_binary(message("kernel_info_request"))
    while header(socket.recv())["msg_type"] != "kernel_info_reply":
        pass
    socket.close()
    assert server.memory_info().rss < 1e9
    for one in (kernel, other):
        assert ask(url, f"/voila/api/shutdown/{one}", "POST")[0] == 204


def last_word(socket: websocket.WebSocket) -> int:
    """Read until the server hangs up, and return the code that it gives for that."""
    with contextlib.suppress(websocket.WebSocketException, OSError):
        while True:
            kind, content = socket.recv_data()
            if kind == websocket.ABNF.OPCODE_CLOSE:
                return int.from_bytes(content[:2], "big")
    return 0


def test_a_message_that_is_too_long_is_hung_up_on(site: tuple[str, psutil.Process, Path]) -> None:
    url, _, _ = site
    kernel = open_kernel(url)
    socket = connect(url, kernel)
    with contextlib.suppress(websocket.WebSocketException, OSError):
        socket.send_binary(message("comm_msg", data="a" * 2_500_000))
    assert last_word(socket) in (0, 1009)
    socket.shutdown()
    assert ask(url, f"/voila/api/shutdown/{kernel}", "POST")[0] == 204


def test_what_a_page_may_send_grows_with_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    allowance = Allowance()
    assert [allowance.spend(2_000_000) for _ in range(11)] == 10 * [True] + [False]
    monkeypatch.setattr(time, "monotonic", lambda: 60.0)
    assert [allowance.spend(0) for _ in range(2001)] == 2000 * [True] + [False]


@pytest.mark.browser
def test_a_page_and_a_file_stay_well_below_what_a_page_may_send(
    site: tuple[str, psutil.Process, Path], browser: Browser
) -> None:
    page = browser.new_page()
    sent: list[int] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda content: sent.append(len(content))))
    page.goto(site[0].replace("index", "distil"))
    page.wait_for_selector(".kd-page .kd-tile")
    page.wait_for_load_state("networkidle")
    large = bytes(5_000_000)
    field = page.locator("input[type=file][accept*=safetensors]")
    field.set_input_files(FilePayload(name="mine.safetensors", mimeType="", buffer=large))
    page.get_by_text("mine.safetensors", exact=False).first.wait_for()
    assert len(sent) < MOST_AT_ONCE[0] / 2
    assert len(large) < sum(sent) < MOST_AT_ONCE[1] / 2
    page.close()


def test_a_long_request_is_refused_unread(site: tuple[str, psutil.Process, Path]) -> None:
    address = urlsplit(site[0])
    with sockets.create_connection((address.hostname, address.port), timeout=60) as connection:
        connection.sendall(f"POST / HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: 1000001\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 400")


def test_a_picture_opens_no_page(site: tuple[str, psutil.Process, Path]) -> None:
    url, server, _ = site
    there = len(kernels(server))
    for kind in ("image", "script", "empty", "prefetch"):
        assert ask(url, urlsplit(url).path, **{"Sec-Fetch-Dest": kind})[0] == 403
    assert len(kernels(server)) == there


def test_a_kernel_is_reached_by_its_id_alone(site: tuple[str, psutil.Process, Path]) -> None:
    url, server, _ = site
    kernel = open_kernel(url)
    there = len(kernels(server))
    for path in ("/api/kernels", "/api/kernels/", "/api/sessions", "/api/kernelspecs", "/api/contents", "/api/status",
                 "/api/me", "/api/terminals", "/voila/tree", "/voila/api/contents", "/voila/files/distil.ipynb",
                 "/tree", "/login", "/logout", "/lab", "/metrics", "/nbextensions/", "/static/", "/files/distil.ipynb",
                 "/voila/query/" + kernel, "/voila/execution/" + kernel):  # fmt: skip
        for method in ("GET", "POST"):
            assert ask(url, path, method)[0] == 404, (path, method)
    for action in ("interrupt", "restart"):
        assert ask(url, f"/api/kernels/{kernel}/{action}", "POST")[0] == 404
    for method in ("DELETE", "POST", "PUT", "PATCH"):
        assert ask(url, f"/api/kernels/{kernel}", method)[0] in (403, 405)
    assert ask(url, f"/voila/api/shutdown/{uuid.uuid4()}", "POST")[0] == 204
    assert ask(url, f"/voila/api/shutdown/{kernel}", "POST", Origin="http://elsewhere.example")[0] == 403
    with pytest.raises(websocket.WebSocketBadStatusException, match="404"):
        connect(url, str(uuid.uuid4()))
    with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
        connect(url, kernel, origin="http://elsewhere.example")
    assert len(kernels(server)) >= there
    assert ask(url, f"/api/kernels/{kernel}")[0] == 200
    assert ask(url, f"/voila/api/shutdown/{kernel}", "POST")[0] == 204
    assert ask(url, f"/api/kernels/{kernel}")[0] == 404


UP = ("../", "..%2f", "%2e%2e%2f", "%252e%252e%252f", "....//", "..%5c", "/")


@pytest.mark.parametrize(
    "root",
    [
        "/static/", "/voila/static/", "/voila/templates/", "/voila/templates/kdlab/static/", "/voila/templates/../",
        "/voila/labextensions/", "/voila/labextensions/anywidget/", "/voila/labextensions/anywidget/static/",
        "/nbextensions/", "/voila/render/", "/voila/files/", "/kdlab/", "/",
    ],
)  # fmt: skip
def test_no_file_but_the_projects_own(site: tuple[str, psutil.Process, Path], root: str) -> None:
    url, server, folder = site
    targets = ("etc/passwd", "secret.txt", "distil.ipynb", str(folder / "apps" / "secret.txt").lstrip("/"), "")
    there = len(kernels(server))
    for up in UP:
        for depth in (0, 1, 12):
            for target in targets:
                path = root + up * depth + target
                if path == "/" or (root, up * depth, target) == ("/voila/render/", "", "distil.ipynb"):
                    continue
                status, _, text = ask(url, path)
                assert status in (302, 400, 403, 404, 405, 500), path
                assert "root:" not in text
                assert "secret" not in text
                assert "nbformat" not in text
                assert not any(secret in text for secret in SECRETS), text
    assert len(kernels(server)) == there


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        ("/nothing", {}, 404),
        ("/voila/render/nothing.ipynb", {}, 404),
        ("/voila/render/%ff%fe", {}, 404),
        ("/%ff", {}, 404),
        ("/voila/static/%ff", {}, 400),
        ("/voila/static/%00", {}, 403),
        ("/voila/static/", {}, 404),
        ("/voila/templates/kdlab/static/x", {}, 404),
        ("/voila/templates/kdlab/static/../../x", {}, 404),
        ("/api/kernels/%ff", {}, 404),
        ("/api/kernels/9941abec-20c0-4a18-b1a8-689f259f71e9", {}, 404),
        ("/<script>alert(1)</script>?<script>", {}, 404),
        ("/", {"Host": "elsewhere.example"}, 403),
        ("/", {"Host": "127.0.0.1.elsewhere.example"}, 403),
        ("/voila/static/voila.js", {"Host": "elsewhere.example"}, 403),
        ("/", {"Host": "kdlab.example.org"}, 302),
        ("/", {"Host": "KDLAB.example.org:8443"}, 302),
    ],
)
def test_answers_are_one_sentence(
    site: tuple[str, psutil.Process, Path], path: str, headers: dict[str, str], expected: int
) -> None:
    status, answered, text = ask(site[0], path, **headers)
    assert status == expected
    if expected >= 400:
        assert len(re.findall(r"<p>[^<]+\.</p>", text)) == 1
        assert not any(secret in text for secret in (*SECRETS, "alert", "elsewhere", "<script"))
    assert answered["X-Content-Type-Options"] == "nosniff"
    assert answered["Referrer-Policy"] == "same-origin"
    assert "frame-ancestors 'self'" in answered["Content-Security-Policy"]
    assert "Server" not in answered
    assert answered.get("Location", "/").startswith("/")


def test_giant_requests_are_refused(site: tuple[str, psutil.Process, Path]) -> None:
    url, _, _ = site
    for path, headers in (
        ("/" + "a" * 100_000, {}),
        ("/", {"X-Much": "a" * 1_000_000}),
        ("/", {"Cookie": "a" * 100_000}),
    ):
        try:
            status, _, text = ask(url, path, **headers)
        except (http.client.HTTPException, ConnectionError):
            continue  # it hung up
        assert status >= 400
        assert not any(secret in text for secret in SECRETS)


def test_a_page_that_fails_says_one_sentence(site: tuple[str, psutil.Process, Path]) -> None:
    status, _, text = ask(site[0], "/voila/render/broken.ipynb")
    assert status == 200
    assert "This page could not be opened" in text
    body = text.split("<body")[1]
    assert not any(secret in body for secret in (*SECRETS, "ZeroDivision", "printed", "1 / 0", "# source"))


def test_pages_hold_no_sources(site: tuple[str, psutil.Process, Path]) -> None:
    for page in ("index", "distil"):
        status, headers, text = ask(site[0], f"/voila/render/{page}.ipynb?x=<script>alert(1)</script>&QUERY=%00%ff")
        assert status == 200
        assert headers["Cache-Control"].startswith("no-cache")
        assert not any(secret in text for secret in (*SECRETS, "alert(1)", "token"))


@pytest.mark.browser
def test_text_in_the_address_is_no_markup(site: tuple[str, psutil.Process, Path], browser: Browser) -> None:
    url, _, _ = site
    page = browser.new_page()
    troubles: list[str] = []
    page.on("console", lambda message: message.type == "error" and troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("dialog", lambda dialog: troubles.append(dialog.message))
    evil = "<img src=x onerror=alert(1)>"
    page.goto(
        f"{url.replace('index', 'distil')}?q={evil}#dataset={evil}&teacher={evil}&T={evil}&run={evil}&{evil}={evil}"
    )
    page.wait_for_selector(".kd-page .kd-tile")
    assert page.locator("img[src=x]").count() == 0
    assert troubles == []
    page.close()


@pytest.mark.browser
def test_a_full_house_opens_by_itself(site: tuple[str, psutil.Process, Path], browser: Browser) -> None:
    url, server, _ = site
    socket = [connect(url, kernel) for kernel in [open_kernel(url) for _ in range(3)]]
    status, headers, text = ask(url, urlsplit(url).path)
    assert (status, headers["Retry-After"]) == (503, "8")
    assert "All places are taken" in text
    page = browser.new_page()
    page.goto(url)
    assert "All places are taken" in page.content()
    assert len(kernels(server)) <= 4
    socket.pop().close()
    page.wait_for_selector(".kd-page", timeout=60_000)
    page.close()
    for one in socket:
        one.close()


@pytest.mark.browser
def test_a_kernel_that_dies_is_told_and_loaded_again(site: tuple[str, psutil.Process, Path], browser: Browser) -> None:
    url, server, _ = site
    page = browser.new_page()
    page.goto(url)
    page.wait_for_selector(".kd-page")
    page.wait_for_load_state("networkidle")
    for kernel in kernels(server):  # the one that waits for the next visitor as well: it is not given to anybody
        kernel.kill()
    page.wait_for_selector("#lost[open]")
    assert "are kept" in page.locator("#lost").inner_text()
    page.get_by_role("button", name="Load the page again").click()
    page.wait_for_selector("#lost:not([open])", state="attached")
    page.wait_for_selector(".kd-page")
    page.close()


def test_a_kernel_that_takes_too_much_memory_is_ended(site: tuple[str, psutil.Process, Path]) -> None:
    url, _, _ = site
    kernel = open_kernel(url.replace("index", "large"))
    socket = connect(url, kernel)  # so that it is not ended for want of a page
    deadline = time.monotonic() + 30
    while ask(url, f"/api/kernels/{kernel}")[0] != 404:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    socket.shutdown()


def test_a_page_that_left_without_a_word(site: tuple[str, psutil.Process, Path]) -> None:
    url, server, _ = site
    kernel = open_kernel(url)
    socket = connect(url, kernel)
    socket.sock.close()  # no closing handshake
    deadline = time.monotonic() + 30
    while ask(url, f"/api/kernels/{kernel}")[0] != 404:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert len(kernels(server)) <= 2
