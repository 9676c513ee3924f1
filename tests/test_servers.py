"""`kdlab app` and `kdlab lab` as people run them: real servers, kernels and a real browser."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request

import psutil
import pytest
from listening import wait_until_listening
from playwright.sync_api import sync_playwright
from refusals import command_refusal

import kdlab
from kdlab.registry import InputError
from kdlab.runs.connection import ServerConnection
from kdlab.runs.protocol import RunRequest
from kdlab.server import supervisor as beside
from kdlab.server.notebooks import copy_notebooks, notebooks

KDLAB = Path(sys.executable).with_name("kdlab")


def make_home(folder: Path) -> dict[str, str]:
    """Make a home with a "python3" of its own that cannot run anything, and settings for another page."""
    data, home = folder / "data", folder / "home"
    (data / "kernels" / "python3").mkdir(parents=True)
    kernel = {"argv": ["/bin/false", "{connection_file}"], "display_name": "Wrong", "language": "python"}
    (data / "kernels" / "python3" / "kernel.json").write_text(json.dumps(kernel))
    (home / ".jupyter").mkdir(parents=True)
    (home / ".jupyter" / "voila.json").write_text('{"VoilaConfiguration": {"template": "classic"}}')
    return {"JUPYTER_DATA_DIR": str(data), "HOME": str(home)}


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in such a home."""
    for name, value in make_home(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


@contextmanager
def serving(
    *arguments: str, cwd: Path | None = None, variables: Mapping[str, str] | None = None
) -> Iterator[tuple[str, psutil.Process]]:
    """Run a command, give the address that it prints, and end it by SIGTERM: nothing of it may be left."""
    command = [KDLAB, *arguments, "--no-browser"]
    with subprocess.Popen(
        command, cwd=cwd, env=os.environ | (variables or {}),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            seen = ""
            while not (found := re.search(r"http://127\.0\.0\.1:\d+/\S*", seen)):
                line = process.stdout.readline()
                assert line, f"it ended: {seen}"
                seen += line
            reader = threading.Thread(target=process.stdout.read, daemon=True)  # a full pipe would stop the server
            reader.start()
            wait_until_listening(found[0], process)
            server = psutil.Process(process.pid)
            yield found[0], server
            family = server.children(recursive=True)
            process.send_signal(signal.SIGTERM)
            process.wait(30)
            assert psutil.wait_procs(family, 10)[1] == []
        finally:
            process.kill()
            reader.join()


def get(url: str, **headers: str) -> str:
    with urllib.request.urlopen(Request(url, headers=headers), timeout=60) as response:
        assert response.status == 200
        return response.read().decode()


def status(url: str, **headers: str) -> int:
    """The status of an address that is refused."""
    with pytest.raises(HTTPError) as refused:
        get(url, **headers)
    refused.value.close()
    return refused.value.code


def start_refusal(*arguments: str) -> str:
    """Return the sentence with which a command refuses to serve."""
    command = [KDLAB, *arguments, "--no-browser"]
    return command_refusal(subprocess.run(command, capture_output=True, text=True))


WIDGET = "application/vnd.jupyter.widget-view+json"
OTHERS = ("notes.txt", "picture.png", "below/mine.ipynb", ".ipynb_checkpoints/distil.ipynb")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, psutil.Process]]:
    """The address and the server of pages beside which other files lie, with limits named by a relative path."""
    variables = make_home(tmp_path_factory.mktemp("site"))
    place = Path(variables["HOME"])
    (place / "kdlab").symlink_to(Path(kdlab.__file__).parent)
    copy_notebooks(place / "apps")
    for other in OTHERS:
        (place / "apps" / other).parent.mkdir(exist_ok=True)
        shutil.copyfile(notebooks() / "distil.ipynb", place / "apps" / other)
    (place / "limits.toml").write_text('datasets = ["digits"]\nepochs = 7\n')
    variables |= {"PYTHONPATH": str(place), "KDLAB_LIMITS": "limits.toml"}
    with serving("app", cwd=place, variables=variables) as served:
        yield served


def environments(server: psutil.Process) -> list[dict[str, str]]:
    """The environments of the kernels that a server has now."""
    found = []
    for child in server.children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if "ipykernel_launcher" in child.cmdline():
                assert Path(child.cmdline()[0]).parent == Path(sys.executable).parent
                found.append(child.environ())
    return found


@pytest.mark.browser
def test_app(site: tuple[str, psutil.Process]) -> None:
    url, server = site
    assert "Connecting to kdlab" in get(url)
    with pytest.raises(HTTPError, match="403") as refused:
        get(url, Host="elsewhere.example")
    refused.value.close()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        asked, troubles = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("response", lambda response: response.status >= 400 and troubles.append(response.url))
        page.on("console", lambda message: message.type == "error" and troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto(url.split("voila/")[0] + "#T=4")
        page.wait_for_selector(".kd-page")
        assert page.url == f"{url}#T=4"
        page.wait_for_load_state("networkidle")
        assert page.title() == "kdlab – Distil"
        assert page.evaluate("document.documentElement.lang") == "en"
        assert "width=device-width" in page.locator("meta[name=viewport]").get_attribute("content")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(247, 248, 250)"
        assert page.get_by_text("from kdlab.pages").count() == 0
        kernels = environments(server)
        assert kernels
        assert all("KDLAB_LIMITS" not in one and one["KDLAB_LIMIT_EPOCHS"] == "7" for one in kernels)
        page.get_by_role("link", name="Temperature lab", exact=True).click()
        page.wait_for_url("**/voila/render/temperature.ipynb")
        page.wait_for_load_state("networkidle")
        browser.close()
    here = ("http://127.0.0.1", "blob:http://127.0.0.1", "data:")
    assert [address for address in asked if not address.startswith(here)] == []
    assert troubles == []


def test_app_serves_the_pages_and_nothing_else_of_their_folder(site: tuple[str, psutil.Process]) -> None:
    root, opened = site[0].split("voila/render/")
    assert opened == "distil.ipynb"
    for path in notebooks().glob("*.ipynb"):  # which are there, though a picture's address opens none
        assert status(f"{root}voila/render/{path.name}", **{"Sec-Fetch-Dest": "image"}) == 403
    assert WIDGET in get(f"{root}voila/render/experiment.ipynb")
    listings = ("voila/tree", "voila/tree/below", "voila/api/contents", "voila/api/contents/distil.ipynb")
    files = [f"voila/{kind}/{other}" for kind in ("render", "files") for other in ("", *OTHERS)]
    for path in (*listings, *files, "voila/files/distil.ipynb", "distil.ipynb"):
        assert status(root + path) == 404, path


@pytest.mark.process
def test_lab(environment: Path) -> None:
    folder = environment / "kdlab-notebooks"
    folder.mkdir()
    (folder / "distil.ipynb").write_text("mine")
    with serving("lab") as (url, _):
        address, token = url.split("lab/tree/distil.ipynb?token=")
        specs = json.loads(get(f"{address}api/kernelspecs?token={token}"))["kernelspecs"]
        assert list(specs) == ["python3"]
        assert Path(specs["python3"]["spec"]["argv"][0]).parent == Path(sys.executable).parent
        with pytest.raises(HTTPError, match="403") as refused:
            get(f"{address}api/contents")
        refused.value.close()
        contents = json.loads(get(f"{address}api/contents?token={token}"))["content"]
        assert sorted(one["name"] for one in contents) == sorted(path.name for path in notebooks().glob("*.ipynb"))
        page = get(url)
        assert '"@jupyterlab/apputils-extension:announcements"' in page.split('"disabledExtensions"')[1].split("]")[0]
    assert (folder / "distil.ipynb").read_text() == "mine"  # what people changed stays


@pytest.mark.process
def test_refusals(environment: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        for command in ("app", "lab"):
            assert port in start_refusal(command, "--port", port)
    assert "distil, experiment, index" in start_refusal("app", "temprature")
    assert not (environment / "kdlab-notebooks").exists()
    (environment / "file").write_text("mine")
    assert str(environment / "file") in start_refusal("lab", "file")
    assert "below" in start_refusal("lab", "file/below")
    for host in ("0.0.0.0", "::"):
        assert "add --public" in start_refusal("app", "--host", host)
    (environment / "open.toml").write_text("datasets = []")
    assert "datasets" in start_refusal("app", "--public", "--limits", "open.toml")


def test_notebooks_are_short_and_empty() -> None:
    for path in notebooks().glob("*.ipynb"):
        notebook = json.loads(path.read_text())
        (cell,) = notebook["cells"]
        assert (cell["cell_type"], cell["outputs"]) == ("code", [])
        assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
        assert notebook["metadata"]["title"].startswith("kdlab – ")


@pytest.mark.process
def test_a_server_that_cannot_start_is_tried_again(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def begun() -> list[psutil.Process]:
        found = []
        for child in set(psutil.Process().children()) - before:
            with contextlib.suppress(psutil.Error):
                if any("spawn_main" in word for word in child.cmdline()):
                    found.append(child)
        return found

    def max_epochs() -> int:
        """The server's limit on epochs, of 7 or 8, from what it refuses."""
        with contextlib.suppress(StopIteration):
            return next(most for most in (7, 8) if f"for {most} epochs at most" in refused())
        return 0

    def refused() -> str:
        request = RunRequest("distil", "", (), "kdlab.train.history:History", object, "", "", {"epochs": 9})
        try:
            ServerConnection(os.environ["KDLAB_RUN_SERVER"]).submit(request)
        except InputError as error:
            return str(error)
        return ""

    before = set(psutil.Process().children())  # the workers of other tests
    monkeypatch.setattr(beside, "RESTART_PAUSES", (0.05, 0.1))
    limits = environment / "limits.toml"
    limits.write_text("epochs = 7\n")
    tries: set[int] = set()
    deadline = time.monotonic() + 60
    with beside.run_server(False, None, limits):
        assert max_epochs() == 7
        (first,) = begun()
        limits.write_text("epochs = ")
        first.kill()
        while len(tries - {first.pid}) < 2:
            assert time.monotonic() < deadline
            tries |= {one.pid for one in begun()}
            time.sleep(0.01)
        limits.write_text("epochs = 8\n")
        while max_epochs() != 8:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert begun() == []
