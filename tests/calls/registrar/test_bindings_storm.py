"""Hostile and random REGISTERs: nothing but an answer comes of them, and what is kept stays within its bounds."""

from __future__ import annotations

import random

import pytest

from voipnode.calls.registrar.bindings import Bindings
from voipnode.calls.registrar.device import Device
from voipnode.calls.registrar.settings import RegistrarSettings
from voipnode.sipstack.errors import RemoteError
from voipnode.sipstack.message import Request, parse_message
from voipnode.sipstack.register_request import read_register
from voipnode.sipstack.transport import Address, Hop
from voipnode.sipstack.validate import validate

SOUND = (
    b"REGISTER sip:192.168.1.10 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.7;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n"
    b'From: "Anna" <sip:101@192.168.1.10>;tag=a\r\nTo: <sip:101@192.168.1.10>\r\nCall-ID: one@10.0.0.7\r\n'
    b'CSeq: 7 REGISTER\r\nContact: <sip:101@10.0.0.7:5070;transport=udp>;+sip.instance="<urn:uuid:1>";reg-id=1;q=0.5,'
    b" <sip:101@10.0.0.8>;expires=60\r\nExpires: 600\r\nSupported: path, outbound\r\nPath: <sip:edge;lr;ob>\r\n"
    b"User-Agent: x\r\nContent-Length: 0\r\n\r\n"
)
PIECES = (
    b";",
    b",",
    b"<",
    b">",
    b'"',
    b"*",
    b"=",
    b"sip:",
    b"expires=99999999999",
    b"reg-id=-1",
    b"\x00",
    b"\xff",
    b"%",
)


def damaged(data: bytes, dice: random.Random) -> bytes:
    """Some bytes changed, cut out, doubled or put in, behind the start line."""
    found = bytearray(data)
    for _ in range(dice.randrange(1, 5)):
        at = dice.randrange(40, len(found))
        match dice.randrange(4):
            case 0:
                found[at : at + 1] = bytes([dice.randrange(256)])
            case 1:
                del found[at : at + dice.randrange(12)]
            case 2:
                found[at:at] = found[at : at + dice.randrange(60)]
            case _:
                found[at:at] = dice.choice(PIECES)
    return bytes(found)


def read(data: bytes) -> Request | None:
    """As the endpoint does before a registrar sees it."""
    try:
        message = parse_message(data)
        validate(message)
    except RemoteError:
        return None
    return message if isinstance(message, Request) and message.method == "REGISTER" else None


def test_nothing_but_an_answer_comes_of_damaged_registers() -> None:
    dice = random.Random(3)
    bindings = Bindings(RegistrarSettings(), lambda *_: None)
    outcomes = set()
    for number in range(4000):
        request = read(damaged(SOUND, dice))
        if request is None:
            continue
        source = Hop("UDP", Address("10.0.0.7", 5060))
        try:
            wanted = read_register(request)
            devices = bindings.carry_out("101", wanted, source, 6, float(number))
        except RemoteError as error:
            outcomes.add(error.status)
            continue
        outcomes.add(200)
        assert len(devices) <= 6
        for device in devices:
            assert device.hop.remote.host == "10.0.0.7"
            assert len(device.contact(float(number))) < 1000
            assert Device.from_record(device.to_record(60.0, 0.0), 0.0, 0.0).uri == device.uri
    assert {200, 400, 420} <= outcomes <= {200, 400, 403, 404, 416, 420, 423, 439, 500}


@pytest.mark.parametrize("seed", range(3))
def test_whatever_comes_the_bindings_agree_with_themselves(seed: int) -> None:
    """Random telephones, moves, ends and lost connections; indexes, limits and times hold after each."""
    dice = random.Random(seed)
    told: dict[str, tuple[Device, ...]] = {}
    bindings = Bindings(RegistrarSettings(), lambda number, before, after, now: told.__setitem__(number, after))
    now, refused = 0.0, set()
    for step in range(1500):
        now += dice.random() * 20
        number, phone, link = str(dice.randrange(101, 105)), dice.randrange(5), dice.randrange(1, 4)
        source = Hop("UDP", Address(f"10.0.0.{phone}", 5060))
        if dice.random() < 0.4:
            source = Hop("TCP", Address(f"10.0.0.{phone}", 40_000 + link), link)
        if dice.random() < 0.1:
            bindings.connection_closed(Hop("TCP", Address("10.0.0.1", 1), link), now)
        contact = f"<sip:{number}@10.0.0.{phone}:{5060 + dice.randrange(2)}>;expires={dice.choice((0, 60, 3600))}"
        data = SOUND.replace(b"sip:101@192", f"sip:{number}@192".encode()).replace(b"CSeq: 7", f"CSeq: {step}".encode())
        head, _, rest = data.partition(b"Contact: ")
        tail = rest.partition(b"\r\n")[2].replace(b"Path: <sip:edge;lr;ob>\r\n", b"")
        request = read(head + f"Contact: {contact}\r\n".encode() + tail)
        assert request is not None
        bindings.on_deadline(now)
        try:
            bindings.carry_out(number, read_register(request), source, 3, now)
        except RemoteError as error:
            refused.add(error.status)
        for each in ("101", "102", "103", "104"):
            devices = bindings.of(each)
            assert devices == told.get(each, ())
            assert len(devices) <= 3
            assert len({str(device.uri) for device in devices}) == len(devices)
            for device in devices:
                assert each in bindings.at_home(device.source.remote.host)
        known = [device for each in told.values() for device in each]
        assert len(bindings._by_host) == len({device.source.remote.host for device in known})
        connections = {device.source.connection for device in known if device.ends_with_connection}
        assert len(bindings._by_connection) == len(connections)
        assert (bindings.next_deadline() is None) == (not known)
    assert refused <= {403, 500}
