"""Keys made from a key log and the hellos on the wire, against those that OpenSSL exported at both ends."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.media.test_dtls_srtp import key_and_certificate, prints
from voipnode.media.dtls import PROFILES, DtlsAssociation, DtlsIdentity, State
from voipnode.replay.dtls_keys import RecordedIdentity, hellos, recorded_keys
from voipnode.replay.key_log import KeyLog
from voipnode.replay.seen import Seen
from voipnode.sipstack.transport import Address

CLIENT, SERVER = ("192.0.2.1", 4000), ("192.0.2.2", 4000)


class Handshake:
    """One between two ends of ours, both directions written down, and the key log of one."""

    def __init__(self, profiles: tuple[bytes, ...] = tuple(PROFILES)) -> None:
        self.lines: list[bytes] = []
        self.capture: list[Seen] = []
        client, server = self._identity("a", self.lines.append), self._identity("b")
        client._context.set_tlsext_use_srtp(b":".join(profiles))
        self.client = client.associate(active=True, remote=SERVER, prints=prints("b"))
        self.server = server.associate(active=False, remote=CLIENT, prints=prints("a"))
        self.client.begin()
        while self._carry(self.client, self.server, CLIENT, SERVER) + self._carry(
            self.server, self.client, SERVER, CLIENT
        ):
            pass

    def _identity(self, name: str, log: Callable[[bytes], None] | None = None) -> DtlsIdentity:
        key, certificate = key_and_certificate(name)
        return DtlsIdentity(certificate, key, b"s" * 16, log)

    def _carry(
        self, here: DtlsAssociation, there: DtlsAssociation, source: tuple[str, int], to: tuple[str, int]
    ) -> int:
        datagrams = here.outbox()
        for data in datagrams:
            self.capture.append(Seen(0.1 * len(self.capture), "UDP", Address(*source), Address(*to), data))
            there.receive(data, source)
        return len(datagrams)

    @property
    def log(self) -> KeyLog:
        return KeyLog(b"\n".join(self.lines).decode())

    def heard_by(self, end: tuple[str, int]) -> list[bytes]:
        return [seen.data for seen in self.capture if seen.destination == Address(*end)]


@pytest.mark.parametrize("profile", PROFILES)
def test_both_ends_get_the_keys_of_then(profile: bytes) -> None:
    made = Handshake((profile,))
    assert made.client.state is made.server.state is State.DONE
    identity = RecordedIdentity(recorded_keys(made.capture, made.log))
    for then, end, far in ((made.client, CLIENT, SERVER), (made.server, SERVER, CLIENT)):
        now = identity.associate(active=end is CLIENT, remote=("192.0.2.9", 9), prints=())
        for data in made.heard_by(end):
            now.receive(data, far)
        assert (now.state, now.keys, now.remote) == (State.DONE, then.keys, far)
        assert then.keys is not None
        assert then.keys.suite == PROFILES[profile].suite


def test_without_its_secret_a_handshake_comes_to_nothing() -> None:
    made = Handshake()
    assert recorded_keys(made.capture, KeyLog()) == {}
    other = KeyLog(b"\n".join(Handshake().lines).decode())
    assert recorded_keys(made.capture, other) == {}
    end = RecordedIdentity({}).associate(active=True, remote=SERVER, prints=())
    for data in made.heard_by(CLIENT):
        end.receive(data, SERVER)
    assert (end.state, end.keys) == (State.WAITING, None)


def test_whatever_a_capture_holds_is_no_reason_to_fail() -> None:
    made = Handshake()
    for data in made.heard_by(CLIENT) + made.heard_by(SERVER):
        for cut in range(1, len(data), 7):
            piece = Seen(0.0, "UDP", Address(*SERVER), Address(*CLIENT), data[:cut])
            torn = Seen(0.0, "UDP", Address(*SERVER), Address(*CLIENT), data[:cut] + b"\xff" * (len(data) - cut))
            assert list(hellos(b"\0" * cut)) == []
            recorded_keys([*made.capture[:1], piece, torn, *made.capture[1:]], made.log)
