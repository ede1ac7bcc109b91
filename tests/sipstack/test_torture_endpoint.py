"""The torture messages of RFC 4475 and RFC 5118, each fed to an endpoint as its first message.

Every message is expected to get what the RFC's own text asks for, or what it allows; where it leaves a choice, ours is
argued beside the case. Bytes that break the rules must get one answer or none, and must leave the endpoint serving.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.support.corpora import corpora
from tests.support.sip_agents import ALICE, Agent, field, has_field, status_of
from voipnode.sipstack.events import IncomingCall, Refused
from voipnode.sipstack.transport import Address, Hop

PEER = Address("198.51.100.7", 5060)
OVER_UDP = Hop("UDP", PEER)
OVER_TCP = Hop("TCP", Address("198.51.100.7", 40000), 1)


@dataclass(frozen=True)
class Case:
    """What must come of a message: the final status answered, RINGS, or DROPPED."""

    file: str
    udp: int | str
    tcp: int | str | None = None  # None: the same; CLOSED: the connection ends as well
    needs: str = ""  # a field that the answer must carry


RINGS = "a call comes in: 100, and the call is told of"
DROPPED = "nothing is sent"
CLOSED = "400, and the connection is closed"

RFC4475 = [
    # 3.1.1 valid messages
    # Well-formed, and so understood: its To tag names a dialog that is not ours (RFC 3261 §12.2.2).
    Case("wsinv.dat", 481),
    Case("intmeth.dat", 501, needs="Allow"),
    Case("esc01.dat", RINGS),
    Case("escnull.dat", 405, needs="Allow"),  # a REGISTER, and this is no registrar
    Case("esc02.dat", 501, needs="Allow"),  # the method is "RE%47IST%45R", not REGISTER
    Case("lwsdisp.dat", 200, needs="Accept"),
    Case("longreq.dat", RINGS),
    # Over UDP the second request of the datagram is beyond Content-Length and is dropped (RFC 3261 §18.3); a stream
    # holds both, and the INVITE behind the REGISTER is a message of its own there.
    Case("dblreq.dat", 405, RINGS, needs="Allow"),
    Case("semiuri.dat", 200),
    Case("transports.dat", 200),
    Case("mpart01.dat", 415, needs="Accept"),  # MESSAGE
    Case("unreason.dat", DROPPED),  # a response that nobody asked for
    Case("noreason.dat", DROPPED),
    # 3.1.2 invalid messages
    Case("badinv01.dat", 400),
    Case("clerr.dat", 400, DROPPED),  # a stream waits for the rest of the body
    Case("ncl.dat", 400, CLOSED),
    Case("scalar02.dat", 400),
    Case("scalarlg.dat", DROPPED),
    Case("quotbal.dat", 400),
    Case("ltgtruri.dat", 400),
    Case("lwsruri.dat", 400),
    Case("lwsstart.dat", 400),
    Case("trws.dat", 400),
    Case("escruri.dat", 400),
    Case("baddate.dat", RINGS),  # "could ignore": Date is not needed to serve the call
    Case("regbadct.dat", 400),
    Case("badaspec.dat", 200),  # lenient: the spaces inside <...> say nothing else
    Case("baddn.dat", 200),  # lenient: the display name only wants its quotes
    Case("badvers.dat", 505),
    Case("mismatch01.dat", 400),
    Case("mismatch02.dat", 501),
    Case("bigcode.dat", DROPPED),
    # 3.2 transaction layer, 3.3 application layer
    Case("badbranch.dat", 400),
    Case("insuf.dat", 400),
    Case("unkscm.dat", 416),
    Case("novelsc.dat", 416),
    Case("unksm2.dat", 405),  # the bad scheme is in To; a REGISTER is refused before anybody reads that
    Case("bext01.dat", 420, needs="Unsupported"),
    Case("invut.dat", 415, needs="Accept"),
    Case("regaut01.dat", 405, needs="Allow"),
    Case("multi01.dat", 400),
    Case("mcl01.dat", 400, CLOSED),
    Case("bcast.dat", DROPPED),
    Case("zeromf.dat", 200),
    Case("cparam01.dat", 405),
    Case("cparam02.dat", 405),
    Case("regescrt.dat", 405),
    Case("sdp01.dat", 406, needs="Warning"),
    Case("test.dat", DROPPED),  # in the archive, not in the RFC: no version, no Via, nobody to answer
    # 3.4 backward compatibility
    # No Content-Length: over UDP the body ends with the datagram; a stream cannot go on (RFC 3261 §20.14).
    Case("inv2543.dat", RINGS, CLOSED),
]

RFC5118 = [
    Case("ipv6-good", 405),
    Case("ipv6-bad", 400),
    Case("port-ambiguous", 405),
    Case("port-unambiguous", 405),
    Case("via-received-param-with-delim", 481),  # a BYE of no call of ours, as is mult-ip-in-header
    Case("via-received-param-no-delim", 200),
    # Its Content-Length counts 17 bytes more than the archive holds, which over UDP is an error (RFC 3261 §18.3).
    Case("ipv6-in-sdp", 400),
    Case("mult-ip-in-header", 481),
    Case("mult-ip-in-sdp", RINGS),
    Case("ipv4-mapped-ipv6", RINGS),
    Case("ipv6-bug-abnf-3-colons", 200),
    Case("ipv6-correct-abnf-2-colons", 200),
]


def bytes_of(rfc: str, file: str) -> bytes:
    data = corpora("torture", rfc, file).read_bytes()
    # The archive of RFC 5118 has bare LF for line ends; some messages of both lack the empty line that ends the header.
    if rfc == "rfc5118":
        data = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return data if b"\r\n\r\n" in data else data + b"\r\n"


def feed(data: bytes, source: Hop) -> tuple[Agent, list[bytes]]:
    agent = Agent("alice", ALICE)
    agent.receive(data, source, 0.0)
    packets = agent.outbox(0.0)
    return agent, [packet.data for packet in packets]


def check(expected: int | str, needs: str, agent: Agent, sent: list[bytes]) -> None:
    if expected == DROPPED:
        assert sent == []
        return
    if expected == RINGS:
        assert [status_of(data) for data in sent if status_of(data) < 200] == [100]
        agent.one(IncomingCall)
        return
    if expected == CLOSED:
        assert len(agent.endpoint.closes()) == 1
        expected = 400
    assert [status_of(data) for data in sent] == [expected]
    assert agent.told(IncomingCall) == []
    assert not needs or has_field(sent[0], needs)


@pytest.mark.parametrize("case", RFC4475, ids=lambda case: case.file)
def test_rfc_4475_over_udp(case: Case) -> None:
    agent, sent = feed(bytes_of("rfc4475", case.file), OVER_UDP)
    check(case.udp, case.needs, agent, sent)


@pytest.mark.parametrize("case", RFC4475, ids=lambda case: case.file)
def test_rfc_4475_over_tcp(case: Case) -> None:
    agent, sent = feed(bytes_of("rfc4475", case.file), OVER_TCP)
    expected = case.udp if case.tcp is None else case.tcp
    check(expected, case.needs if case.tcp is None else "", agent, sent)


@pytest.mark.parametrize("case", RFC4475, ids=lambda case: case.file)
def test_rfc_4475_byte_by_byte_over_tcp_is_the_same_as_whole(case: Case) -> None:
    data = bytes_of("rfc4475", case.file)
    whole_agent, whole = feed(data, OVER_TCP)
    agent = Agent("alice", ALICE)
    for at in range(len(data)):
        agent.receive(data[at : at + 1], OVER_TCP, 0.0)
    assert [packet.data for packet in agent.outbox(0.0)] == whole
    assert agent.endpoint.closes() == whole_agent.endpoint.closes()


@pytest.mark.parametrize("case", RFC5118, ids=lambda case: case.file)
def test_rfc_5118_over_udp(case: Case) -> None:
    agent, sent = feed(bytes_of("rfc5118", case.file), OVER_UDP)
    check(case.udp, case.needs, agent, sent)


def test_every_file_of_both_corpora_is_a_case() -> None:
    assert {case.file for case in RFC4475} == {path.name for path in corpora("torture", "rfc4475").iterdir()}
    files = {path.name for path in corpora("torture", "rfc5118").iterdir()} - {"README.md"}
    assert {case.file for case in RFC5118} == files


@pytest.mark.parametrize("case", RFC4475, ids=lambda case: case.file)
def test_after_a_torture_message_the_endpoint_still_serves(case: Case) -> None:
    agent, _ = feed(bytes_of("rfc4475", case.file), OVER_UDP)
    agent.receive(bytes_of("rfc4475", "zeromf.dat"), OVER_UDP, 1.0)
    answers = [packet.data for packet in agent.outbox(1.0)]
    assert status_of(answers[-1]) == 200


@pytest.mark.parametrize("case", [case for case in RFC4475 if case.udp == DROPPED], ids=lambda case: case.file)
def test_a_dropped_message_is_told_of_or_was_a_stray_response(case: Case) -> None:
    agent, _ = feed(bytes_of("rfc4475", case.file), OVER_UDP)
    assert all(event.status == 0 for event in agent.told(Refused))
    assert agent.told(IncomingCall) == []


def test_the_420_names_the_extensions_that_are_not_known() -> None:
    _, sent = feed(bytes_of("rfc4475", "bext01.dat"), OVER_UDP)
    assert "nothingSupportsThis" in field(sent[0], "Unsupported")
    assert "nothingSupportsThisEither" in field(sent[0], "Unsupported")


def test_a_right_content_length_makes_the_ipv6_offer_ring() -> None:
    data = bytes_of("rfc5118", "ipv6-in-sdp")
    agent, sent = feed(data.replace(b"Content-Length: 268", b"Content-Length: 251"), OVER_UDP)
    check(RINGS, "", agent, sent)
    assert agent.one(IncomingCall).offer == data.partition(b"\r\n\r\n")[2]


def test_the_tortured_fields_come_back_byte_for_byte() -> None:
    data = bytes_of("rfc4475", "wsinv.dat")
    _, sent = feed(data, OVER_UDP)
    for line in (
        b"TO :\r\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\r\n",
        b'from   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8\r\n',
        b"cseq: 0009\r\n  INVITE\r\n",
        b"Call-ID: wsinv.ndaksdj@192.0.2.1\r\n",
    ):
        assert line in data
        assert line in sent[0]
    vias = sent[0].partition(b"\r\n\r\n")[0]
    places = [vias.index(host) for host in (b"192.0.2.2", b"spindle.example.com", b"192.168.255.111")]
    assert places == sorted(places)


def test_a_tortured_offer_comes_up_byte_for_byte() -> None:
    data = bytes_of("rfc4475", "esc01.dat")
    agent, _ = feed(data, OVER_UDP)
    assert agent.one(IncomingCall).offer == data.partition(b"\r\n\r\n")[2]
