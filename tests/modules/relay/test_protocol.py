"""The guardian's protocol: what is written is read back, and nothing else is believed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voipnode.modules.relay.protocol import (
    MAX_LINE,
    Bye,
    Ending,
    Late,
    Lease,
    LineSplitter,
    LineState,
    Ping,
    Pong,
    ProtocolError,
    Ready,
    Release,
    Report,
    Request,
    Reset,
    Trouble,
    decode_report,
    decode_request,
    encode,
)

WORDS = st.text(alphabet="abcdefghijklmnopqrstuvwxyz-", max_size=32)
TIMES = st.floats(min_value=-1e9, max_value=1e9)
COUNTS = st.integers(min_value=0, max_value=2**31)
REQUESTS = st.one_of(
    st.builds(Lease, WORDS, TIMES, st.booleans(), COUNTS, WORDS),
    st.builds(Release, WORDS, WORDS, COUNTS),
    st.builds(Reset, WORDS),
    st.builds(Ping, COUNTS),
    st.builds(Bye),
)
REPORTS = st.one_of(
    st.builds(Ready, TIMES, COUNTS),
    st.builds(LineState, WORDS, st.booleans(), WORDS, TIMES, TIMES, TIMES, COUNTS),
    st.builds(Late, WORDS, COUNTS, TIMES),
    st.builds(Trouble, WORDS, WORDS, st.booleans(), st.booleans(), COUNTS),
    st.builds(Pong, COUNTS),
)


@given(REQUESTS)
def test_every_request_is_read_back(request: Request) -> None:
    assert decode_request(encode(request)) == request


@given(REPORTS)
def test_every_report_is_read_back(report: Report) -> None:
    assert decode_report(encode(report)) == report


@given(st.text())
def test_free_text_never_makes_a_line_too_long(why: str) -> None:
    line = encode(Ending(why, 1.0))
    assert len(line) <= MAX_LINE
    assert line.count(b"\n") == 1
    assert isinstance(decode_report(line), Ending)


def test_free_text_that_is_too_long_keeps_its_beginning() -> None:
    lease = decode_request(encode(Lease("door", 12.5, False, 3, "安娜" * 200)))
    assert isinstance(lease, Lease)
    assert lease.why == "安娜" * 25


def test_the_wire_is_plain_json() -> None:
    lease = json.loads(encode(Lease("door", 12.5, False, 3, "Anna, card at outside")))
    assert lease == {
        "is": "lease",
        "line": "door",
        "until": 12.5,
        "renew": False,
        "ref": 3,
        "why": "Anna, card at outside",
    }


@given(st.binary(max_size=2 * MAX_LINE))
def test_bytes_are_a_message_or_a_protocol_error(line: bytes) -> None:
    try:
        decode_request(line)
    except ProtocolError:
        return
    assert json.loads(line)["is"] in ("lease", "release", "reset", "ping", "bye")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)


@given(
    st.fixed_dictionaries(
        {"is": st.just("lease"), "line": JSON, "until": JSON, "renew": JSON, "ref": JSON, "why": JSON}
    )
)
def test_only_right_types_make_a_lease(data: dict[str, object]) -> None:
    try:
        lease = decode_request(json.dumps(data).encode())
    except ProtocolError:
        return
    assert isinstance(lease, Lease)
    assert type(lease.line) is str
    assert type(lease.until) in (int, float)
    assert type(lease.renew) is bool
    assert type(lease.ref) is int


@given(st.lists(REQUESTS, max_size=5), st.data())
def test_any_split_of_the_stream_gives_the_same_lines(requests: list[Request], data: st.DataObject) -> None:
    stream = b"".join(encode(request) for request in requests)
    splitter, lines = LineSplitter(), []
    while stream:
        size = data.draw(st.integers(min_value=1, max_value=len(stream)))
        lines += splitter.feed(stream[:size])
        stream = stream[size:]
    assert [decode_request(line) for line in lines] == requests


def test_a_line_without_end_is_not_kept() -> None:
    splitter = LineSplitter()
    splitter.feed(b"x" * (MAX_LINE - 1))
    with pytest.raises(ProtocolError, match="without end"):
        splitter.feed(b"x")
