"""Messages to which accidents happened: bytes changed, cut out, doubled, grafted, at random."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

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


def mutants(rng: random.Random, seeds: Sequence[bytes] = SEEDS) -> Iterator[bytes]:
    """Messages that went through one to eight accidents each, without end."""
    while True:
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.randint(1, 8)):
            _mutate(data, rng)
        yield bytes(data[:70_000])


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
