"""A byte stream, cut into messages however it arrives."""

from __future__ import annotations

import pytest

from voipnode.sipstack.errors import ParseError
from voipnode.sipstack.message import Request, Response
from voipnode.sipstack.stream import KeepAlive, StreamFramer, StreamLimits

PING, PONG = KeepAlive.PING, KeepAlive.PONG


def options(number: int, body: bytes = b"") -> bytes:
    return (
        b"OPTIONS sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK%d\r\nCSeq: %d OPTIONS\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (number, number, len(body), body)
    )


def outcomes(pieces: list[bytes], limits: StreamLimits | None = None) -> list[bytes | KeepAlive | str]:
    """All that comes out of a stream that arrives in these pieces: bytes of messages, keep-alives, "status reason"."""
    framer = StreamFramer(limits)
    found: list[bytes | KeepAlive | str] = []
    for piece in pieces:
        framer.receive(piece)
        while True:
            try:
                message = framer.next_message()
            except ParseError as error:
                found.append(f"{error.status} {error.reason}")
                continue
            if message is None:
                break
            found.append(message if isinstance(message, KeepAlive) else message.to_bytes())
    if framer.failed:
        found.append("failed")
    return found


def one_by_one(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


STREAMS = {
    "one": options(1),
    "several": options(1) + options(2, b"body") + options(3, b"\r\n\r\nOPTIONS sip:x SIP/2.0\r\n\r\n"),
    "response": b"SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n" + options(1),
    "keep-alives": b"\r\n\r\n" + options(1) + b"\r\n" + options(2) + b"\r\n\r\n\r\n\r\n\r\n",
    "bad line": b"OPTIONS  sip:a SIP/2.0\r\nContent-Length: 2\r\n\r\nab" + options(2),
    "bad field": b"OPTIONS sip:a SIP/2.0\r\nnonsense\r\nl:0\r\n\r\n" + options(2),
    "no length": b"OPTIONS sip:a SIP/2.0\r\n\r\n" + options(2),
    "two lengths": b"OPTIONS sip:a SIP/2.0\r\nl: 1\r\nContent-Length: 2\r\n\r\nab" + options(2),
    "no message": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + options(2),
    "garbage": bytes(range(256)) * 3 + b"\r\n\r\n" + options(2),
    "lone lf": options(1).replace(b"\r\n", b"\n") + b"\r\n\r\n" + options(2),
    "lone cr": b"\r" + options(1),
    "cut short": options(1) + options(2, b"body")[:-1],
}


@pytest.mark.parametrize("name", STREAMS)
def test_the_way_the_bytes_are_split_makes_no_difference(name: str) -> None:
    data = STREAMS[name]
    whole = outcomes([data])
    assert outcomes(one_by_one(data)) == whole
    for size in (2, 3, 7, 64):
        assert outcomes([data[at : at + size] for at in range(0, len(data), size)]) == whole


def test_messages_come_out_in_order_with_their_bodies() -> None:
    data = options(1) + options(2, b"body")
    assert outcomes([data]) == [options(1), options(2, b"body")]
    framer = StreamFramer()
    framer.receive(options(2, b"body") + options(3)[:-1])
    message = framer.next_message()
    assert isinstance(message, Request)
    assert (message.body, message.cseq.number) == (b"body", 2)
    assert framer.next_message() is None
    framer.receive(options(3)[-1:])
    assert isinstance(framer.next_message(), Request)


def test_a_response_is_framed_too() -> None:
    framer = StreamFramer()
    framer.receive(STREAMS["response"])
    assert isinstance(framer.next_message(), Response)


def test_one_line_end_is_a_pong_and_the_second_makes_it_a_ping() -> None:
    assert outcomes([b"\r\n"]) == [PONG]
    assert outcomes([b"\r\n\r\n"]) == [PONG, PING]
    assert outcomes([STREAMS["keep-alives"]]) == [
        *(PONG, PING, options(1)),
        *(PONG, options(2)),
        *(PONG, PING, PONG, PING, PONG),
    ]


def test_a_bad_message_in_a_sound_frame_costs_only_itself() -> None:
    assert outcomes([STREAMS["bad line"]]) == ["400 malformed request line", options(2)]
    assert outcomes([STREAMS["bad field"]])[1:] == [options(2)]  # the first is for validate to refuse


@pytest.mark.parametrize("name", ["no length", "two lengths", "no message", "garbage", "lone lf", "lone cr"])
def test_a_stream_that_cannot_be_framed_fails_for_good(name: str) -> None:
    *_, error, end = outcomes([STREAMS[name]])
    assert (str(error)[:3], end) == ("400", "failed")
    assert outcomes([STREAMS[name], options(9), options(10)]) == outcomes([STREAMS[name]])


def test_a_failure_can_still_be_answered() -> None:
    framer = StreamFramer()
    framer.receive(options(1).replace(b"Content-Length: 0\r\n", b""))
    with pytest.raises(ParseError) as caught:
        framer.next_message()
    assert isinstance(caught.value.partial, Request)
    assert caught.value.partial.via.branch == "z9hG4bK1"


def test_a_head_and_a_message_are_bounded() -> None:
    message = options(1, b"x" * 100)
    head = len(message) - 100
    for pieces in ([message], one_by_one(message)):
        assert outcomes(pieces, StreamLimits(head, len(message))) == [message]
        assert outcomes(pieces, StreamLimits(head - 1, len(message))) == ["513 header too large", "failed"]
        assert outcomes(pieces, StreamLimits(head, len(message) - 1)) == ["513 message too large", "failed"]


def test_an_announced_giant_is_refused_before_it_arrives() -> None:
    giant = options(1).replace(b"Content-Length: 0", b"Content-Length: 4294967295")
    assert outcomes([giant]) == ["513 message too large", "failed"]


def test_a_head_without_an_end_is_not_searched_again_and_again() -> None:
    framer = StreamFramer(StreamLimits(max_head_bytes=2**20, max_message_bytes=2**21))
    framer.receive(b"OPTIONS sip:a SIP/2.0\r\nX: ")
    for _ in range(50_000):  # quadratic work would take minutes
        framer.receive(b"x" * 20)
        assert framer.next_message() is None
