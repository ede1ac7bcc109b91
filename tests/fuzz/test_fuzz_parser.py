"""The parser against hostile input, for VOIPNODE_FUZZ_SECONDS (2 by default)."""

from __future__ import annotations

import os
import random
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.fuzz_parser import check, run
from tests.fuzz.mutants import SEEDS
from tests.fuzz.twisted import SESSION_SEEDS
from voipnode.sipstack.errors import ParseError
from voipnode.sipstack.grammar import split_commas
from voipnode.sipstack.headers import NameAddr, Via
from voipnode.sipstack.message import Headers, Request, parse_message
from voipnode.sipstack.uri import SipUri, escape_user, parse_uri, unescape

pytestmark = pytest.mark.fuzz

SECONDS = float(os.environ.get("VOIPNODE_FUZZ_SECONDS", "2"))
LIMITED = settings(
    max_examples=max(50, int(SECONDS * 100)), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
LINE_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00"), max_size=60)


@pytest.mark.timeout(max(300, int(SECONDS * 2)))
def test_mutated_messages_never_break_a_rule() -> None:
    assert run(SECONDS, seed=time.time_ns()) > 20


@pytest.mark.parametrize("seed", range(len(SEEDS + SESSION_SEEDS)))
def test_the_messages_that_the_mutants_come_from_keep_the_rules(seed: int) -> None:
    check((SEEDS + SESSION_SEEDS)[seed], random.Random(0))


@LIMITED
@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    check(data, random.Random(0))


@LIMITED
@given(st.text(max_size=80))
def test_any_text_as_a_typed_value(text: str) -> None:
    for parse in (NameAddr.parse, Via.parse, parse_uri):
        try:
            value = parse(text)
        except ParseError:
            continue
        assert parse(str(value)) == value


@LIMITED
@given(LINE_TEXT, st.text(st.characters(codec="utf-8"), min_size=1, max_size=20), LINE_TEXT)
def test_what_a_program_writes_is_what_a_peer_reads(display: str, user: str, subject: str) -> None:
    request = Request("MESSAGE", SipUri(user=escape_user(user), host="example.com"))
    request.headers.add("Subject", subject)
    request.headers.add("To", str(NameAddr(display, request.uri).with_tag("x")))
    read = parse_message(request.to_bytes())
    assert isinstance(read, Request)
    assert isinstance(read.uri, SipUri)
    assert unescape(read.uri.user or "") == user
    assert read.headers.get("subject") == subject.strip(" \t")
    assert len(read.headers) == 3
    assert (read.to.tag, read.to.uri) == ("x", request.uri)


@LIMITED
@given(st.lists(st.tuples(LINE_TEXT, st.booleans()), max_size=6))
def test_a_list_is_cut_where_it_was_joined(values: list[tuple[str, bool]]) -> None:
    pieces = [str(NameAddr(text if named else None, SipUri(host="h"))) for text, named in values]
    assert split_commas(" ,".join(pieces)) == pieces
    headers = Headers([("Contact", piece) for piece in pieces])
    assert headers.values("m") == pieces
