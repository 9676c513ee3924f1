"""A public page: what a stranger with a raw connection or a forged address can do, and what is seen."""

import contextlib
import http.client
import re
import socket as sockets
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import websocket
from public_site import SECRETS, ask, connect, header, kernels, leave, message, open_kernel, public_site

# Kernels begin when a page asks for one, and end when a test says so: they can be counted.
LIMITS = "visitors = 9\npreheated = 0\nidle_seconds = 600\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("site")


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """The first page's address, and the server."""
    with public_site(folder, LIMITS) as served:
        yield served


@pytest.fixture(scope="module")
def kernel(site: tuple[str, psutil.Process]) -> str:
    """A page's kernel, which all that is sent to it leaves as it is."""
    return open_kernel(site[0])


def test_code_does_not_reach_a_kernel(site: tuple[str, psutil.Process], kernel: str, tmp_path: Path) -> None:
    url, _ = site
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
    socket = connect(url, kernel)
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
    site: tuple[str, psutil.Process], kernel: str, nonsense: str | bytes
) -> None:
    url, server = site
    socket = connect(url, kernel)
    socket.send(nonsense) if isinstance(nonsense, str) else socket.send_binary(nonsense)
    with contextlib.suppress(websocket.WebSocketException, ConnectionError):
        while socket.recv():
            pass
    socket.shutdown()  # `close` leaves it open where the server has hung up
    assert ask(url, f"/api/kernels/{kernel}")[0] == 200
    assert server.memory_info().rss < 1e9


def test_the_older_protocol_is_refused(site: tuple[str, psutil.Process], kernel: str) -> None:
    with pytest.raises(websocket.WebSocketBadStatusException, match="400"):
        connect(site[0], kernel, subprotocols=[])


def test_a_page_that_does_not_read_is_hung_up_on(site: tuple[str, psutil.Process]) -> None:
    url, server = site
    kernel = open_kernel(url)  # of its own, as it is left with much to do
    socket = connect(url, kernel)
    asked = message("kernel_info_request")
    with contextlib.suppress(websocket.WebSocketException, OSError):
        socket.settimeout(0.5)
        for _ in range(3000):
            socket.send_binary(asked)
    assert server.memory_info().rss < 1e9
    socket.sock.close()
    leave(url, kernel)


def test_a_flood_is_hung_up_on(site: tuple[str, psutil.Process], kernel: str) -> None:
    url, server = site
    flooded = open_kernel(url)
    for one, times in ((message("comm_info_request"), 10_000), (message("comm_msg", data="a" * 1_500_000), 40)):
        socket = connect(url, flooded)
        with ThreadPoolExecutor() as pool:
            told = pool.submit(last_word, socket)
            with contextlib.suppress(websocket.WebSocketException, OSError):
                for _ in range(times):
                    socket.send_binary(one)
            assert told.result(60) == 1008
        socket.shutdown()
    socket = connect(url, kernel)
    socket.send_binary(message("kernel_info_request"))
    while header(socket.recv())["msg_type"] != "kernel_info_reply":
        pass
    socket.close()
    assert server.memory_info().rss < 1e9
    leave(url, flooded)


def last_word(socket: websocket.WebSocket) -> int:
    """Read until the server hangs up, and return the code that it gives for that."""
    with contextlib.suppress(websocket.WebSocketException, OSError):
        while True:
            kind, content = socket.recv_data()
            if kind == websocket.ABNF.OPCODE_CLOSE:
                return int.from_bytes(content[:2], "big")
    return 0


def test_what_comes_after_the_hanging_up_is_not_read(site: tuple[str, psutil.Process]) -> None:
    """Jupyter would read it by the older protocol, as so many parts that the server would stand still."""
    from kdlab.server.handlers import BURST  # here, as Jupyter's servers take seconds to import

    url, server = site
    flooded = open_kernel(url)
    socket = connect(url, flooded)
    asked = message("comm_info_request")
    for _ in range(BURST[0] + 3000):
        socket.send_binary(asked)
    while socket.recv_frame().opcode != websocket.ABNF.OPCODE_CLOSE:  # which is not answered
        pass
    with contextlib.suppress(OSError):
        for _ in range(50):  # by the end of which there is an allowance again
            socket.send_binary(asked)
            time.sleep(0.01)
    assert ask(url, f"/api/kernels/{flooded}")[0] == 200
    assert server.memory_info().rss < 1e9
    socket.shutdown()
    leave(url, flooded)


def test_a_message_that_is_too_long_is_hung_up_on(site: tuple[str, psutil.Process], kernel: str) -> None:
    socket = connect(site[0], kernel)
    with contextlib.suppress(websocket.WebSocketException, OSError):
        socket.send_binary(message("comm_msg", data="a" * 2_500_000))
    assert last_word(socket) in (0, 1009)
    socket.shutdown()
    assert ask(site[0], f"/api/kernels/{kernel}")[0] == 200


@pytest.mark.process
def test_what_a_page_may_send_grows_with_time(monkeypatch: pytest.MonkeyPatch) -> None:
    from kdlab.server.handlers import TokenBucket  # here, as Jupyter's servers take seconds to import

    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    allowance = TokenBucket()
    assert [allowance.spend(2_000_000) for _ in range(11)] == 10 * [True] + [False]
    monkeypatch.setattr(time, "monotonic", lambda: 60.0)
    assert [allowance.spend(0) for _ in range(2001)] == 2000 * [True] + [False]


def test_a_long_request_is_refused_unread(site: tuple[str, psutil.Process]) -> None:
    address = urlsplit(site[0])
    with sockets.create_connection((address.hostname, address.port), timeout=60) as connection:
        connection.sendall(f"POST / HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: 1000001\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 400")


def test_a_picture_opens_no_page(site: tuple[str, psutil.Process]) -> None:
    url, server = site
    there = len(kernels(server))
    for kind in ("image", "script", "empty", "prefetch"):
        assert ask(url, urlsplit(url).path, **{"Sec-Fetch-Dest": kind})[0] == 403
    assert len(kernels(server)) == there


def test_a_kernel_is_reached_by_its_id_alone(site: tuple[str, psutil.Process]) -> None:
    url, server = site
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
    assert len(kernels(server)) == there
    assert ask(url, f"/api/kernels/{kernel}")[0] == 200
    leave(url, kernel)
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
def test_no_file_but_the_projects_own(site: tuple[str, psutil.Process], folder: Path, root: str) -> None:
    url, server = site
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
    site: tuple[str, psutil.Process], path: str, headers: dict[str, str], expected: int
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


def test_the_first_page_is_the_one_that_was_asked_for(site: tuple[str, psutil.Process]) -> None:
    assert ask(site[0], "/")[1]["Location"] == urlsplit(site[0]).path == "/voila/render/index.ipynb"


def test_giant_requests_are_refused(site: tuple[str, psutil.Process]) -> None:
    url, _ = site
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
