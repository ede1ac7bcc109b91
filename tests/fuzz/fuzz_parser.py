"""Hostile input for the SIP parser: mutated messages, and what must hold for every one of them.

    python -m tests.fuzz.fuzz_parser --seconds 60 [--seed 1]

Only `ParseError` may come out; what was accepted must go on unchanged and can be answered; a stream gives the same
messages however it is split; no input may take long. A failure shows the input and the seed that leads to it.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable

from tests.fuzz.mutants import SEEDS, mutants
from tests.fuzz.twisted import SESSION_SEEDS, twist
from voipnode.calls.paging import answer_wish
from voipnode.calls.register_answer import granted, longer_interval_s, moved_to, retry_after_s
from voipnode.sipstack import sdp
from voipnode.sipstack.challenge import parse_challenges, split_auth
from voipnode.sipstack.errors import ParseError, SipError
from voipnode.sipstack.event_fields import EventField, SubscriptionState, parse_sipfrag
from voipnode.sipstack.extension_fields import min_se_of, rack_of, rseq_of, session_expires_of
from voipnode.sipstack.fields import read_field
from voipnode.sipstack.headers import NameAddr, Via
from voipnode.sipstack.message import Message, Request, Response, parse_message, respond
from voipnode.sipstack.message_summary import MessageSummary
from voipnode.sipstack.reason_field import reasons_of
from voipnode.sipstack.referrals import _refer_to, _referred_by
from voipnode.sipstack.replaces import Replaces, replaces_in
from voipnode.sipstack.stream import KeepAlive, StreamFramer
from voipnode.sipstack.uri import parse_uri
from voipnode.sipstack.validate import validate

MAX_INPUT_SECONDS = 1.0  # a loaded machine is granted much; quadratic work on 64 KiB takes far more

_FIELD_NAMES = """
    Accept Accept-Encoding Accept-Language Alert-Info Allow Authentication-Info Authorization Call-ID Call-Info
    Contact Content-Disposition Content-Encoding Content-Language Content-Length Content-Type CSeq Date Error-Info
    Expires From In-Reply-To Max-Forwards MIME-Version Min-Expires Organization Priority Proxy-Authenticate
    Proxy-Authorization Proxy-Require Record-Route Reply-To Require Retry-After Route Server Subject Supported
    Timestamp To Unsupported User-Agent Via Warning WWW-Authenticate
"""


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
    seeds = [*SEEDS, *SESSION_SEEDS]
    for data in mutants(rng, seeds):
        if rng.random() < 0.3:
            data = twist(rng.choice(seeds), rng)
        try:
            check(data, rng)
        except Exception as error:
            error.add_note(f"seed {seed}, input number {count}: {data!r}")
            raise
        count += 1
        if time.monotonic() > until:
            break
    return count


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
        _check_extensions(message)
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


def _check_extensions(message: Message) -> None:
    """What is read of REFER, NOTIFY, PRACK, UPDATE, of a registrar's answers and of wishes to be answered at once."""
    replaces, sipfrag = message.headers.get("Replaces"), message.body
    reads: list[Callable[[], object]] = [
        *(lambda read=read: read(message) for read in (rack_of, rseq_of, session_expires_of, min_se_of, reasons_of)),  # type: ignore[misc]
        lambda: Replaces.parse(replaces or ""),
        lambda: parse_sipfrag(sipfrag),
        lambda: MessageSummary.parse(message.body),
        lambda: sdp.parse(message.body),
    ]
    if isinstance(message, Request):
        reads += [
            lambda: EventField.of(message),
            lambda: SubscriptionState.of(message),
            lambda: answer_wish(message, privileged=True),
            lambda: replaces_in(_refer_to(message)),
            lambda: _referred_by(message),
        ]
    else:
        reads += [
            lambda: granted(message, "<sip:door@192.168.1.10>", 600),
            lambda: moved_to(message),
            lambda: retry_after_s(message),
            lambda: longer_interval_s(message, 60),
        ]
    for value in message.headers.get_all("WWW-Authenticate") + message.headers.get_all("Authorization"):
        reads += [lambda value=value: parse_challenges(value), lambda value=value: split_auth(value)]  # type: ignore[misc]
    for read in reads:
        try:
            read()
        except SipError:
            continue


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
