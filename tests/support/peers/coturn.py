"""coturn as the STUN and TURN server: over UDP, TCP and TLS, for one user."""

from __future__ import annotations

from pathlib import Path

from tests.support.namespaces import Namespace
from tests.support.peers.process import PeerProcess, need

PORT, TLS_PORT = 3478, 5349
USER, PASSWORD = "user", "pass"
CONFIG = """\
listening-ip={host}
relay-ip={host}
listening-port={port}
tls-listening-port={tls_port}
min-port={first_relay}
max-port={last_relay}
realm=test
fingerprint
lt-cred-mech
user={user}:{password}
cert={certificate}
pkey={certificate}
no-cli
no-dtls
no-multicast-peers
userdb={folder}/userdb
pidfile={folder}/pid
simple-log
log-file=stdout
{more}
"""


class Coturn:
    """A running coturn at `host`, `port` (UDP, TCP) and `tls_port`."""

    def __init__(self, host: str, process: PeerProcess, port: int = PORT, tls_port: int = TLS_PORT) -> None:
        self.host = host
        self.port = port
        self.tls_port = tls_port
        self.process = process

    @classmethod
    async def start(
        cls,
        folder: Path,
        *,
        inside: Namespace | None = None,
        host: str,
        certificate: Path,
        port: int = PORT,
        tls_port: int = TLS_PORT,
        relays: tuple[int, int] = (40000, 44000),
        more: str = "",
    ) -> Coturn:
        """Start it on an address of the namespace, or of this machine; `certificate` is a PEM file with its key.

        `relays`: the first and last port of relayed addresses; `more`: further lines of its settings.
        """
        need("turnserver")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "turnserver.conf").write_text(
            CONFIG.format(
                host=host,
                port=port,
                tls_port=tls_port,
                first_relay=relays[0],
                last_relay=relays[1],
                more=more,
                user=USER,
                password=PASSWORD,
                certificate=certificate,
                folder=folder,
            )
        )
        process = await PeerProcess.start(
            "turnserver", "-c", folder / "turnserver.conf", "-m", "1", "-v", inside=inside, cwd=folder
        )
        try:
            await process.line_with("DB connection success")  # after its listeners are open
        except BaseException:
            await process.stop()
            raise
        return cls(host, process, port, tls_port)

    def kill(self) -> None:
        """kill -9: relays, permissions and connections are gone at once."""
        self.process.process.kill()

    async def stop(self) -> None:
        await self.process.stop()
