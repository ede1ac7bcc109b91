"""DTLS handshakes of a capture: the keys that came of them, made again from the key log, and handed out at their time.

What both ends said in the clear, with the master secret that the node wrote down, is what OpenSSL made the keys of:
the exporter of RFC 5705 §4 over the randoms of both hellos, as RFC 5764 §4.2 cuts it up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from voipnode.media.dtls import EXPORTER, PROFILES, Keys, PeerPrint, State, records
from voipnode.media.values import Addr
from voipnode.replay.key_log import KeyLog
from voipnode.replay.seen import Seen
from voipnode.replay.tls_keys import prf
from voipnode.sipstack.transport import Address

CHANGE_CIPHER, HANDSHAKE = 20, 22
CLIENT_HELLO, SERVER_HELLO = 1, 2
USE_SRTP = 14  # RFC 5764 §4.1.1
_SHA384 = frozenset((0xC024, 0xC028, 0xC02C, 0xC030))  # suites whose PRF it is (RFC 5289 §3); all others have SHA-256
_PROFILES = {1: "SRTP_AES128_CM_SHA1_80", 2: "SRTP_AES128_CM_SHA1_32"}  # RFC 5764 §4.1.2
_PROFILES |= {7: "SRTP_AEAD_AES_128_GCM", 8: "SRTP_AEAD_AES_256_GCM"}  # RFC 7714 §14.2
_RANDOM = slice(2, 34)  # of a hello, behind its version
_MASTER = "CLIENT_RANDOM"  # what a line with a master secret begins with
_KNOWN = 64  # handshakes of a capture


class Hello(NamedTuple):
    """What either end says first: `kind`, its random, and the whole message."""

    kind: int
    random: bytes
    body: bytes


def hellos(data: bytes) -> Iterator[Hello]:
    """The hellos in a datagram, as far as each is whole in one record (RFC 6347 §4.2.2); none where it is no DTLS."""
    for record in records(data):
        message = record[13:]
        if record[0] != HANDSHAKE or len(message) < 12 or message[0] not in (CLIENT_HELLO, SERVER_HELLO):
            continue
        size, at = int.from_bytes(message[1:4], "big"), int.from_bytes(message[6:9], "big")
        body = message[12 : 12 + size]
        if at == 0 and len(body) == size >= _RANDOM.stop:
            yield Hello(message[0], body[_RANDOM], body)


def recorded_keys(capture: Iterable[Seen], log: KeyLog) -> dict[bytes, Keys]:
    """For each random of a hello that the node got, its keys; of handshakes whose secret is in `log`, 64 at most.

    The random is that of the far side, so that it says which end the node was.
    """
    clients: dict[tuple[Address, Address], bytes] = {}
    found: dict[bytes, Keys] = {}
    for seen in capture:
        if seen.transport != "UDP" or not 20 <= seen.data[0] <= 63:  # RFC 7983 §7
            continue
        for hello in hellos(seen.data):
            if hello.kind == CLIENT_HELLO:
                clients[seen.source, seen.destination] = hello.random
                continue
            client = clients.get((seen.destination, seen.source))
            master = None if client is None else log.secret(_MASTER, client)
            chosen = _chosen(hello.body)
            if client is None or master is None or chosen is None or len(found) >= 2 * _KNOWN:
                continue
            hash_name, profile_name = chosen
            profile = PROFILES[profile_name.encode()]
            seed = EXPORTER + client + hello.random
            material = prf(hash_name, master, seed, profile.material_bytes)
            found[hello.random] = profile.keys(material, client=True)
            found[client] = profile.keys(material, client=False)
    return found


def _chosen(body: bytes) -> tuple[str, str] | None:
    """The hash and the SRTP profile that a ServerHello settles on (RFC 5246 §7.4.1.3); None: no SRTP."""
    after_id = 35 + body[34]
    suite = int.from_bytes(body[after_id : after_id + 2], "big")
    extensions = body[after_id + 5 :]  # behind the compression method and the length of what follows
    while len(extensions) >= 4:
        kind, size = int.from_bytes(extensions[:2], "big"), int.from_bytes(extensions[2:4], "big")
        name = _PROFILES.get(int.from_bytes(extensions[6:8], "big")) if kind == USE_SRTP and size >= 4 else None
        if name is not None:
            return ("sha384" if suite in _SHA384 else "sha256"), name
        extensions = extensions[4 + size :]
    return None


class RecordedIdentity:
    """Stands in for our end of all handshakes; a `dtls_srtp.Identity`. `keys`: see `recorded_keys`."""

    fingerprint = bytes(32)  # whoever looked at it then was content

    def __init__(self, keys: Mapping[bytes, Keys]) -> None:
        self._keys = keys

    def associate(self, *, active: bool, remote: Addr, prints: tuple[PeerPrint, ...]) -> RecordedAssociation:
        return RecordedAssociation(self._keys, remote)


class RecordedAssociation:
    """A handshake of which only the far side is heard: done when that side changes to the keys that it made."""

    why = ""
    foreign = alerted = False

    def __init__(self, known: Mapping[bytes, Keys], remote: Addr) -> None:
        self.state = State.WAITING
        self.remote = remote
        self.keys: Keys | None = None
        self._known = known
        self._agreed: Keys | None = None

    def begin(self) -> None:
        """Our hello is not sent again."""

    def receive(self, data: bytes, source: Addr) -> None:
        if self.state is State.DONE:
            return
        for hello in hellos(data):
            self._agreed = self._known.get(hello.random)
        if self._agreed is not None and any(record[0] == CHANGE_CIPHER for record in records(data)):
            self.remote, self.keys, self.state = source, self._agreed, State.DONE

    def outbox(self) -> list[bytes]:
        return []

    def repeat_in_s(self) -> float | None:
        return None

    def repeat(self) -> None:
        """There is nothing of ours to repeat."""
