"""The installed Voilà, Jupyter Server and Tornado have what kdlab uses of them without a promise in a document."""

import importlib.metadata
from types import CodeType

import pytest
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.websocket import WebSocketHandler
from voila.app import Voila
from voila.configuration import VoilaConfiguration
from voila.request_info_handler import RequestInfoSocketHandler
from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler
from voila.tornado.handler import TornadoVoilaHandler
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler
from voila.voila_kernel_manager import voila_kernel_manager_factory

# What is called, read, overridden or configured: as attributes of a class, or by the code of one of its methods.
USED_NAMES: dict[type, tuple[str, ...]] = {
    Voila: (
        "connection_url",
        "init_handlers",
        "init_settings",
        "labextensions_path",
        "launch_browser",
        "listen",
        "setup_template_dirs.voila_configuration",
        "static_paths",
    ),
    VoilaConfiguration: (
        "extension_allowlist",
        "kernel_spec_manager_class",
        "multi_kernel_manager_class",
        "preheat_kernel",
        "resources",
        "template",
    ),
    TornadoVoilaHandler: ("get", "should_use_rendered_notebook"),
    VoilaShutdownKernelHandler: ("check_xsrf_cookie", "post"),
    VoilaKernelWebsocketHandler: ("get", "on_message", "open", "write_message"),
    RequestInfoSocketHandler: ("_cache",),
    AsyncMappingKernelManager: (
        "_kernel_connections",
        "allowed_message_types",
        "notify_connect",
        "notify_disconnect",
        "shutdown_kernel",
        "start_kernel",
    ),
    voila_kernel_manager_factory(AsyncMappingKernelManager, True, 0): (
        "__init__._pools",
        "fill_delay",
        "fill_if_needed",
        "kernel_pools_config",
    ),
    WebSocketHandler: ("__init__.ws_connection",),
}
PAIRS = [(owner, name) for owner, names in USED_NAMES.items() for name in names]


def names_in(code: CodeType) -> set[str]:
    inner = [names_in(constant) for constant in code.co_consts if isinstance(constant, CodeType)]
    return set(code.co_names).union(*inner)


def has(owner: type, name: str) -> bool:
    """Whether a class has an attribute, or one of its methods uses one: "method.attribute"."""
    method, _, attribute = name.rpartition(".")
    if not method:
        return hasattr(owner, name)
    return hasattr(owner, method) and attribute in names_in(getattr(owner, method).__code__)


def explain(owner: type, name: str) -> str:
    package = owner.__module__.partition(".")[0]
    version = importlib.metadata.version(package)
    return f"{package} {version} has no {owner.__qualname__}.{name}, which kdlab/server/voila_internals.py uses"


@pytest.mark.parametrize(("owner", "name"), PAIRS, ids=[f"{owner.__name__}.{name}" for owner, name in PAIRS])
def test_a_used_name_is_there(owner: type, name: str) -> None:
    assert has(owner, name), explain(owner, name)


def test_a_name_that_is_not_there_is_named() -> None:
    owner = next(iter(USED_NAMES))
    for name in ("_nothing", "init_settings._nothing", "_nothing.init_settings"):
        assert not has(owner, name)
    assert explain(owner, "_nothing").startswith("voila ")
    assert explain(owner, "_nothing").endswith("has no Voila._nothing, which kdlab/server/voila_internals.py uses")
