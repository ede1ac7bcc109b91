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
min-port=40000
max-port=44000
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
"""


class Coturn:
    """A running coturn at `host`, ports PORT (UDP, TCP) and TLS_PORT."""

    def __init__(self, host: str, process: PeerProcess) -> None:
        self.host = host
        self.process = process

    @classmethod
    async def start(cls, folder: Path, *, inside: Namespace, host: str, certificate: Path) -> Coturn:
        """Start it on an address of the namespace; `certificate` is a PEM file with certificate and key."""
        need("turnserver")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "turnserver.conf").write_text(
            CONFIG.format(
                host=host,
                port=PORT,
                tls_port=TLS_PORT,
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
        return cls(host, process)

    def kill(self) -> None:
        """kill -9: relays, permissions and connections are gone at once."""
        self.process.process.kill()

    async def stop(self) -> None:
        await self.process.stop()
