"""Which layers the connections of each transport have, by the settings of the node and of its accounts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from voipnode.net.layers import Layer
from voipnode.net.tls import TlsError, TlsProfile, WatchedContext, client_context, server_context
from voipnode.net.tls_layer import TlsLayer
from voipnode.net.web_socket import Origins, WebSocketClient, WebSocketServer
from voipnode.sipstack.transport import Hop


class StreamLayers:
    """Makes the layers of a new connection.

    `profiles` are the TLS settings of connections that we open, by the name that `Hop.profile` carries; "" are those of
    all others. `server` are those of connections that others open, None where nobody may open one by TLS. `paths` are
    the WebSocket paths at servers, by the same names, where they are not "/".
    """

    def __init__(
        self,
        profiles: Mapping[str, TlsProfile] | None = None,
        server: TlsProfile | None = None,
        origins: Origins | None = None,
        paths: Mapping[str, str] | None = None,
    ) -> None:
        given = {"": TlsProfile(), **(profiles or {})}
        self._clients = {name: WatchedContext(profile, client_context) for name, profile in given.items()}
        self._server = None if server is None else WatchedContext(server, server_context)
        self._origins = origins or Origins()
        self._paths = dict(paths or {})

    def check(self) -> None:
        """Read every file now. Raises TlsError, of which `profile` names the profile, "" for what others connect to."""
        self._each(lambda watched: watched.current())

    def reload(self) -> None:
        """Read every file again. Raises TlsError; what cannot be used is left as it was."""
        self._each(lambda watched: watched.reload())

    def _each(self, act: Callable[[WatchedContext], object]) -> None:
        failed: TlsError | None = None
        for name, watched in [*self._clients.items(), ("", self._server)]:
            try:
                if watched is not None and (watched.profile.files or watched.profile.key_log):
                    act(watched)
            except TlsError as error:
                error.profile = name
                failed = failed or error
        if failed is not None:
            raise failed

    @property
    def serves_tls(self) -> bool:
        """Whether others may open connections by TLS."""
        return self._server is not None

    def incoming(self, transport: str) -> list[Layer]:
        """The layers of a connection that somebody opened. Raises TlsError."""
        layers: list[Layer] = []
        if transport in ("TLS", "WSS"):
            if self._server is None:
                raise TlsError("certificate", "TLS is not served")
            layers.append(TlsLayer(self._server))
        if transport in ("WS", "WSS"):
            layers.append(WebSocketServer(self._origins))
        return layers

    def outgoing(self, hop: Hop) -> list[Layer]:
        """The layers of a connection that we open. Raises TlsError where the profile's files cannot be used."""
        layers: list[Layer] = []
        if hop.secure:
            layers.append(TlsLayer(self._client(hop), hop.domain or hop.remote.host))
        if hop.transport in ("WS", "WSS"):
            layers.append(WebSocketClient(hop, self._paths.get(hop.profile, "/")))
        return layers

    def probe(self, hop: Hop) -> TlsLayer:
        """A layer that trusts anybody: to look at a certificate, never to say anything to its owner."""
        profile = TlsProfile(verify=False, versions=self._client(hop).profile.versions)
        return TlsLayer(WatchedContext(profile, client_context), hop.domain or hop.remote.host)

    def _client(self, hop: Hop) -> WatchedContext:
        return self._clients.get(hop.profile) or self._clients[""]
