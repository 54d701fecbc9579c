"""The web server of the page: where it listens, and who may see it.

On the loopback address everybody who is on this machine may; on any other address a browser has to
show a token first.
"""

import contextlib
import hmac
import io
import ipaddress
import secrets
import socket
import threading
import time
from collections.abc import Sequence

import numpy as np
import viser

from ros2_rl.console.geometry import RobotGeometry
from ros2_rl.console.page import Ask, Knob, Page
from ros2_rl.console.view import View
from ros2_rl.errors import ConfigError

_PAUSE_S = 1.0
"""Time between two tokens that are looked at, whoever they come from."""


class ConsoleServer:
    """Serves a :class:`Page` to every browser that may see it.

    Attributes:
        token: what a browser must show; empty on the loopback address.
        url: where the page is.
    """

    def __init__(
        self,
        geometry: RobotGeometry,
        feet: Sequence[str],
        ask: Ask,
        host: str = "127.0.0.1",
        port: int = 8080,
        token: str = "",
    ):
        """Begin to listen.

        Raises:
            ConfigError: the address cannot be used.
        """
        _check(host, port)
        self._geometry, self._feet, self._ask = geometry, feet, ask
        self.token = "" if _is_loopback(host) else token or secrets.token_urlsafe(9)
        self.knobs: list[Knob] = []
        self._pages: dict[int, Page] = {}
        self._lock, self._looked_at = threading.Lock(), 0.0
        with contextlib.redirect_stdout(io.StringIO()):  # the address is printed by whoever started us
            self._server = viser.ViserServer(host=host, port=port, label="ros2_rl", verbose=False)
        self.url = f"http://{'localhost' if host == '127.0.0.1' else host}:{self._server.get_port()}"
        self._server.gui.configure_theme(show_logo=False, show_share_button=False)
        self._server.on_client_connect(self._connected)
        self._server.on_client_disconnect(self._disconnected)

    def show(self, view: View, now_s: float) -> None:
        """Bring all pages up to date."""
        with self._lock:
            pages = list(self._pages.values())
        if pages:
            poses = self._geometry.poses(np.asarray(view.q))
            for page in pages:
                page.show(view, poses, now_s)

    @property
    def pages(self) -> int:
        """Number of browsers that see the page."""
        return len(self._pages)

    def stop(self) -> None:
        self._server.stop()

    # ---------------------------------------------------------------- clients

    def _connected(self, client: viser.ClientHandle) -> None:
        if not self.token:
            self._open(client)
            return
        field = client.gui.add_text("Token", "", hint="printed where ros2_rl was started")
        enter = client.gui.add_button("Enter")

        @enter.on_click
        def _(_: viser.GuiEvent) -> None:
            if self._is_right(field.value):
                field.remove()
                enter.remove()
                self._open(client)

    def _is_right(self, token: str) -> bool:
        """Whether this is the token; guesses in quick succession are not even looked at."""
        with self._lock:
            now = time.monotonic()
            if now - self._looked_at < _PAUSE_S:
                return False
            self._looked_at = now
        return hmac.compare_digest(token.strip().encode(), self.token.encode())

    def _open(self, client: viser.ClientHandle) -> None:
        page = Page(client, self._geometry, self._feet)
        page.build(self._ask, self.knobs)
        with self._lock:
            self._pages[client.client_id] = page

    def _disconnected(self, client: viser.ClientHandle) -> None:
        with self._lock:
            self._pages.pop(client.client_id, None)


def _is_loopback(host: str) -> bool:
    return host == "localhost" or ipaddress.ip_address(host).is_loopback


def _check(host: str, port: int) -> None:
    """The address must be one of this machine's and free; the library would take another port in silence."""
    try:
        if host != "localhost":
            ipaddress.ip_address(host)
    except ValueError:
        raise ConfigError(
            f"The console cannot listen on '{host}'; give an IP address of this machine."
        ) from None
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        raise ConfigError(
            f"The console cannot listen on {host}, port {port} ({error.strerror}); choose another port."
        ) from error
