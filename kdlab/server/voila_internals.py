"""What kdlab uses of Voilà 0.5.13, Jupyter Server 2.21 and Tornado 6.6 that their documentation does not promise.

The other modules of the server get all of it from here; `tests/test_voila_internals.py` lists it for a new version.
"""

import asyncio
import warnings
from collections.abc import Mapping
from typing import Any

from jupyter_server.base.handlers import FileFindHandler
from jupyter_server.services.kernels.handlers import KernelHandler
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.websocket import WebSocketHandler
from traitlets.config import Config
from voila.app import Voila
from voila.request_info_handler import RequestInfoSocketHandler
from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler
from voila.static_file_handler import MultiStaticFileHandler, TemplateStaticFileHandler
from voila.tornado.handler import TornadoVoilaHandler
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler, read_header_from_binary_message
from voila.utils import ENV_VARIABLE

__all__ = [
    "AsyncMappingKernelManager",
    "FileFindHandler",
    "KernelHandler",
    "MultiStaticFileHandler",
    "PreheatedKernel",
    "TemplateStaticFileHandler",
    "TornadoVoilaHandler",
    "Voila",
    "VoilaKernelWebsocketHandler",
    "VoilaShutdownKernelHandler",
    "configure_preheating",
    "disconnect",
    "fill_pool",
    "forget_request",
    "has_page",
    "hide_token_warning",
    "is_preheating",
    "limit_unread",
    "pools",
    "read_header_from_binary_message",
    "set_template_resources",
]

# A kernel that waits for a visitor; its result has the "kernel_id".
PreheatedKernel = asyncio.Task[dict[str, Any]]


def forget_request(kernel_id: str) -> None:
    """Delete the request of a kernel's visitor: Voilà keeps the requests of all kernels for ever."""
    RequestInfoSocketHandler._cache.pop(kernel_id, None)


def pools(manager: AsyncMappingKernelManager) -> Mapping[str, list[PreheatedKernel]]:
    """Return the preheated kernels by notebook, the next to be used first; {} where none are preheated."""
    return getattr(manager, "_pools", {})


def fill_pool(manager: AsyncMappingKernelManager, notebook: str) -> None:
    """Start kernels at once until a notebook has as many preheated ones as it is to have."""
    manager.fill_if_needed(delay=0, notebook_name=notebook)


def has_page(manager: AsyncMappingKernelManager, kernel_id: str) -> bool:
    """Return whether a page is connected to a kernel."""
    return bool(manager._kernel_connections.get(kernel_id))


def is_preheating(environment: Mapping[str, str]) -> bool:
    """Return whether a kernel with this environment is started before its visitor comes."""
    return environment[ENV_VARIABLE.VOILA_PREHEAT] == "True"


def configure_preheating(config: Config, notebook: str, count: int, delay: float) -> None:
    """Let `count` kernels of a notebook wait for visitors; one that is used is replaced after `delay` seconds."""
    config.VoilaConfiguration.preheat_kernel = count > 0
    config.VoilaKernelManager.kernel_pools_config = {"default": {"pool_size": 0}, notebook: {"pool_size": count}}
    config.VoilaKernelManager.fill_delay = delay


def set_template_resources(server: Voila, resources: Mapping[str, str]) -> None:
    """Give values to the variables `resources` of the pages' template."""
    server.voila_configuration.config.VoilaConfiguration.resources = dict(resources)


def limit_unread(socket: WebSocketHandler, size: int) -> None:
    """Let at most `size` bytes wait until a page reads them; writing beyond raises tornado's StreamBufferFullError."""
    socket.ws_connection.stream.max_write_buffer_size = size


def disconnect(socket: WebSocketHandler) -> None:
    """Close a connection without the messages that wait."""
    socket.ws_connection.stream.close()


def hide_token_warning() -> None:
    """Hide a warning that Jupyter causes on every start, and that the import of Voilà enables."""
    warnings.filterwarnings("ignore", "ServerApp.token config is deprecated")
