"""Hostile input for the SIP parser: mutated messages, and what must hold for every one of them.

    python -m tests.fuzz.fuzz_parser --seconds 60 [--seed 1]

Only `ParseError` may come out; what was accepted must go on unchanged and can be answered; a stream gives the same
messages however it is split; no input may take long. A failure shows the input and the seed that leads to it.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterator, Sequence

from voipnode.sipstack.errors import ParseError
from voipnode.sipstack.fields import read_field
from voipnode.sipstack.headers import NameAddr, Via
from voipnode.sipstack.message import Message, Request, Response, parse_message, respond
from voipnode.sipstack.stream import KeepAlive, StreamFramer
from voipnode.sipstack.uri import parse_uri
from voipnode.sipstack.validate import validate

MAX_INPUT_SECONDS = 1.0  # a loaded machine is granted much; quadratic work on 64 KiB takes far more

SEEDS = [
    b"INVITE sip:bob@biloxi.example.com;transport=tcp SIP/2.0\r\n"
    b"Via: SIP/2.0/TCP client.atlanta.example.com:5060;branch=z9hG4bK74b43;rport\r\n"
    b"v: SIP / 2.0 / UDP [2001:db8::9:1] : 5070 ;received=[::1];branch=z9hG4bKa, SIP/2.0/UDP h;ttl=1\r\n"
    b'Max-Forwards: 70\r\nRoute: <sip:ss1.atlanta.example.com;lr>, <sips:[::1]:5061;lr>;x="a,b"\r\n'
    b'f: "Alice \\"A\\" <x>" <sip:alice:pw@atlanta.example.com?a=b&c=%20d>;tag=9fxced76sl\r\n'
    b'To  :  Bob\r\n\t<sip:bob%40x@biloxi.example.com> ; a = "b;c"\r\n'
    b"Call-ID: 3848276298220188511@atlanta.example.com\r\nCSeq: 1 INVITE\r\n"
    b"Contact: <sip:alice@192.0.2.1>;q=0.7;expires=3600\r\nRequire: 100rel, timer\r\nExpires: 7200\r\n"
    b'Warning: 307 isi.edu "text"\r\nDate: Sat, 13 Nov 2010 23:29:00 GMT\r\nTimestamp: 54.2 0.1\r\n'
    b'Content-Type: application/sdp;charset="utf-8"\r\nContent-Length: 7\r\n\r\nv=0\r\n\r\n',
    b"SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx;received=192.0.2.1;rport=9988\r\n"
    b"From: sip:a@b;tag=1\r\nTo: tel:+1-201-555-0123;tag=2\r\nCall-ID: x\r\nCSeq: 4294967295 REGISTER\r\n"
    b'WWW-Authenticate: Digest realm="a, b", nonce="\\"", qop="auth,auth-int", stale=FALSE\r\n'
    b"Retry-After: 18000 (in a meeting);duration=3600\r\nl: 0\r\n\r\n",
    b"REGISTER sips:example.com SIP/2.0\r\nv:SIP/2.0/TLS h\r\nt:<sips:a@b>\r\nf:<sips:a@b>;tag=1\r\ni:1@2\r\n"
    b"CSeq:1 REGISTER\r\nm:*\r\nSupported:\r\nk: path,, gruu\r\nUnknown-Header:;;,,;\r\nl:4\r\n\r\n\r\n\r\n",
    b"\r\n\r\n\r\nOPTIONS urn:service:sos SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nContent-Length: 0\r\n\r\n",
]

_PIECES = [
    *(b"\r\n", b"\r\n\r\n", b"\r", b"\n", b"\r\n ", b"\x00", b"\xff", b"\xc3\xa9", b"\t", b" ", b'"', b'\\"', b"\\"),
    *(b"<", b">", b";", b";;", b",", b":", b"::", b"=", b"@", b"?", b"%", b"%00", b"%zz", b"[", b"]", b"*", b"/", b"&"),
    *(b"0", b"-1", b"255", b"256", b"65535", b"2147483648", b"99999999999999999999", "²".encode(), b"9" * 5000),
    *(b"SIP/2.0", b"SIP/7.0", b"sip:", b"sips:", b"tel:", b";tag=", b";tag=a;TAG=b", b";branch=z9hG4bK", b";lr"),
    *(b"Via: SIP/2.0/UDP h\r\n", b"l: 3\r\n", b"Content-Length: 5\r\n", b"To: x\r\n", b"X" * 3000, b" " * 3000),
    *(b'"' * 999, b"<" * 999, b"(" * 999, b";" * 999, b",x" * 999, b";a" * 999, b"\\" * 999, b" ;" * 999, b"a." * 999),
]

_FIELD_NAMES = """
    Accept Accept-Encoding Accept-Language Alert-Info Allow Authentication-Info Authorization Call-ID Call-Info
    Contact Content-Disposition Content-Encoding Content-Language Content-Length Content-Type CSeq Date Error-Info
    Expires From In-Reply-To Max-Forwards MIME-Version Min-Expires Organization Priority Proxy-Authenticate
    Proxy-Authorization Proxy-Require Record-Route Reply-To Require Retry-After Route Server Subject Supported
    Timestamp To Unsupported User-Agent Via Warning WWW-Authenticate
"""


def mutants(rng: random.Random, seeds: Sequence[bytes] = SEEDS) -> Iterator[bytes]:
    """Messages that went through one to eight accidents each, without end."""
    while True:
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.randint(1, 8)):
            _mutate(data, rng)
        yield bytes(data[:70_000])


def check(data: bytes, rng: random.Random) -> None:
    """Raise AssertionError, or whatever the parser let escape, where a rule is broken for this input."""
    started = time.perf_counter()
    _check_datagram(data)
    whole = stream_outcomes([data])
    if len(data) < 4000:
        assert stream_outcomes([data[at : at + 1] for at in range(len(data))]) == whole
    cuts = sorted(rng.randint(0, len(data)) for _ in range(3))
    assert stream_outcomes([data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]) == whole
    assert time.perf_counter() - started < MAX_INPUT_SECONDS * 4, "too slow"


def stream_outcomes(pieces: list[bytes]) -> list[object]:
    """What a framer makes of a stream that arrives in these pieces, in comparable form."""
    framer = StreamFramer()
    found: list[object] = []
    for piece in pieces:
        framer.receive(piece)
        while True:
            try:
                message = framer.next_message()
            except ParseError as error:
                found.append((error.status, error.reason, framer.failed))
                continue
            if message is None:
                break
            found.append(message if isinstance(message, KeepAlive) else message.to_bytes())
    return found


def run(seconds: float, seed: int) -> int:
    """Check mutants for so long; returns how many. A failure is raised with a note that holds input and seed."""
    rng = random.Random(seed)
    until = time.monotonic() + seconds
    count = 0
    for data in mutants(rng):
        try:
            check(data, rng)
        except Exception as error:
            error.add_note(f"seed {seed}, input number {count}: {data!r}")
            raise
        count += 1
        if time.monotonic() > until:
            break
    return count


def _mutate(data: bytearray, rng: random.Random) -> None:
    at = rng.randint(0, len(data))
    size = min(rng.choice((1, 2, 5, 20, 100)), len(data) - at)
    match rng.randrange(6):
        case 0:
            data[at:at] = rng.choice(_PIECES)
        case 1:
            data[at : at + size] = rng.choice(_PIECES)
        case 2:
            del data[at : at + size]
        case 3:
            data[at:at] = data[at : at + size] * rng.choice((1, 2, 50))
        case 4 if size:
            data[at] = rng.randrange(256)
        case _:
            other = rng.choice(SEEDS)
            data[at:] = other[rng.randint(0, len(other)) :]


def _check_datagram(data: bytes) -> None:
    try:
        message = parse_message(data)
    except ParseError as error:
        if isinstance(error.partial, Request):
            _check_answer(error.partial)
        return
    assert message.to_bytes() in data
    _check_accessors(message)
    try:
        validate(message)
    except ParseError:
        pass
    else:
        _check_accepted(message)
    if isinstance(message, Request):
        _check_answer(message)


def _check_accessors(message: Message) -> None:
    before = message.to_bytes()
    names = [name for name in dir(type(message)) if isinstance(getattr(type(message), name), property)]
    reads: list[Callable[[], object]] = [lambda name=name: getattr(message, name) for name in names]  # type: ignore[misc]
    reads += [lambda name=name: read_field(message.headers, name) for name in _FIELD_NAMES.split()]  # type: ignore[misc]
    for read in reads:
        try:
            read()
        except ParseError:
            continue
    for value in (*_good(lambda: message.vias), *_good(lambda: message.contacts)):
        if isinstance(value, Via):
            assert Via.parse(str(value)) == value
        elif isinstance(value, NameAddr):
            assert NameAddr.parse(str(value)) == value
            assert parse_uri(str(value.uri)) == value.uri
            assert value.uri.equivalent(value.uri)
    assert message.to_bytes() == before


def _check_accepted(message: Message) -> None:
    """A valid message can be changed in one place and is the same message in all others."""
    assert message.from_tag == message.from_.tag
    assert message.to_tag == message.to.tag
    assert message.via == message.vias[0]
    fields = list(message.headers.items())
    message.headers.add("X-Touched", "1")
    again = parse_message(message.to_bytes(), stream=True)
    validate(again)
    assert again.body == message.body
    kept = [item for item in again.headers.items() if item[0] not in ("X-Touched", "Content-Length")]
    assert kept == [item for item in fields if item[0] != "Content-Length"]


def _check_answer(request: Request) -> None:
    """Whatever came, a 400 to it is a sound message with the same Via lines."""
    answer = parse_message(respond(request, 400, to_tag="tag").to_bytes(), stream=True)
    assert isinstance(answer, Response)
    answer.headers.check()
    assert answer.headers.get_all("via") == request.headers.get_all("via")


def _good(read: Callable[[], list[Via] | list[NameAddr]]) -> list[Via] | list[NameAddr]:
    try:
        return read()
    except ParseError:
        return []


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Feed mutated SIP messages to the parser.")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=None, help="default: the clock")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else time.time_ns()
    print(f"{run(options.seconds, seed)} inputs, seed {seed}: nothing found")


if __name__ == "__main__":
    main()
