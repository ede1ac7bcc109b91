"""Every row of the four tables against the RFC's figures, written down a second time here, and every gap on purpose."""

from __future__ import annotations

import pytest

from tests.support.transactions import make_request
from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.message import Message, respond
from voipnode.sipstack.timers import Timer, Timers
from voipnode.sipstack.transaction.events import (
    ResponseReceived,
    TransactionEnded,
    TransactionRerouted,
    TransactionTimeout,
    TransactionTransportError,
)
from voipnode.sipstack.transaction.machine import Machine, Runner, Transaction
from voipnode.sipstack.transaction.tables import (
    INVITE_CLIENT,
    INVITE_SERVER,
    LOCAL_EVENTS,
    NON_INVITE_CLIENT,
    NON_INVITE_SERVER,
    Event,
    State,
    Table,
    Trigger,
)
from voipnode.sipstack.transport import Address, Hop

TABLES = {
    "INVITE client": INVITE_CLIENT,
    "non-INVITE client": NON_INVITE_CLIENT,
    "INVITE server": INVITE_SERVER,
    "non-INVITE server": NON_INVITE_SERVER,
}

# What each row has to do, read off the figures: machine | state | event | next state | sent, then told the user |
# timers that run afterwards. "again" is the last message once more.
ROWS = """
INVITE client | new        | start             | calling    | INVITE          | A B
INVITE client | calling    | timer A           | calling    | again           | A B
INVITE client | calling    | timer B           | terminated | timeout ended   |
INVITE client | calling    | transport error   | terminated | error ended     |
INVITE client | calling    | 1xx received      | proceeding | response        |
INVITE client | calling    | 2xx received      | accepted   | response        | M
INVITE client | calling    | 300-699 received  | completed  | ACK response    | D
INVITE client | proceeding | 1xx received      | proceeding | response        |
INVITE client | proceeding | 2xx received      | accepted   | response        | M
INVITE client | proceeding | 300-699 received  | completed  | ACK response    | D
INVITE client | proceeding | CANCEL sent       | proceeding |                 | CANCEL
INVITE client | proceeding | cancel timer      | terminated | timeout ended   |
INVITE client | proceeding | transport error   | proceeding |                 |
INVITE client | completed  | 300-699 received  | completed  | ACK             | D
INVITE client | completed  | transport error   | terminated | error ended     |
INVITE client | completed  | timer D           | terminated | ended           |
INVITE client | completed  | CANCEL sent       | completed  |                 | D
INVITE client | accepted   | 2xx received      | accepted   | response        | M
INVITE client | accepted   | transport error   | accepted   |                 | M
INVITE client | accepted   | timer M           | terminated | ended           |
INVITE client | accepted   | CANCEL sent       | accepted   |                 | M
INVITE client | calling    | rerouted          | calling    | again           | A B
INVITE client | proceeding | rerouted          | proceeding | rerouted        |
INVITE client | completed  | rerouted          | completed  |                 | D
INVITE client | accepted   | rerouted          | accepted   |                 | M
INVITE client | abandoned  | rerouted          | abandoned  |                 | B
INVITE client | calling    | give up           | abandoned  |                 | B
INVITE client | abandoned  | resume            | calling    | again           | A B
INVITE client | abandoned  | timer B           | terminated | timeout ended   |
INVITE client | abandoned  | transport error   | terminated | error ended     |
INVITE client | abandoned  | 1xx received      | proceeding | response        |
INVITE client | abandoned  | 2xx received      | accepted   | response        | M
INVITE client | abandoned  | 300-699 received  | completed  | ACK response    | D

non-INVITE client | new        | start            | trying     | OPTIONS         | E F
non-INVITE client | trying     | timer E          | trying     | again           | E F
non-INVITE client | trying     | timer F          | terminated | timeout ended   |
non-INVITE client | trying     | transport error  | terminated | error ended     |
non-INVITE client | trying     | 1xx received     | proceeding | response        | E F
non-INVITE client | trying     | 2xx received     | completed  | response        | K
non-INVITE client | trying     | 300-699 received | completed  | response        | K
non-INVITE client | proceeding | timer E          | proceeding | again           | E F
non-INVITE client | proceeding | timer F          | terminated | timeout ended   |
non-INVITE client | proceeding | transport error  | terminated | error ended     |
non-INVITE client | proceeding | 1xx received     | proceeding | response        | E F
non-INVITE client | proceeding | 2xx received     | completed  | response        | K
non-INVITE client | proceeding | 300-699 received | completed  | response        | K
non-INVITE client | completed  | 1xx received     | completed  |                 | K
non-INVITE client | completed  | 2xx received     | completed  |                 | K
non-INVITE client | completed  | 300-699 received | completed  |                 | K
non-INVITE client | completed  | transport error  | completed  |                 | K
non-INVITE client | completed  | timer K          | terminated | ended           |
non-INVITE client | trying     | rerouted         | trying     | again           | E F
non-INVITE client | proceeding | rerouted         | proceeding | again           | E F
non-INVITE client | completed  | rerouted         | completed  |                 | K
non-INVITE client | trying     | give up          | terminated | ended           |
non-INVITE client | proceeding | give up          | terminated | ended           |
non-INVITE client | completed  | give up          | completed  |                 | K

INVITE server | new        | request           | proceeding | request         |
INVITE server | proceeding | request           | proceeding | again           |
INVITE server | proceeding | send 1xx          | proceeding | 180             |
INVITE server | proceeding | send 2xx          | accepted   | 200             | L
INVITE server | proceeding | send 300-699      | completed  | 486             | G H
INVITE server | proceeding | transport error   | proceeding | error           |
INVITE server | completed  | request           | completed  | again           | G H
INVITE server | completed  | ACK               | confirmed  |                 | I
INVITE server | completed  | transport error   | completed  | error           | G H
INVITE server | completed  | timer G           | completed  | again           | G H
INVITE server | completed  | timer H           | terminated | timeout ended   |
INVITE server | confirmed  | ACK               | confirmed  |                 | I
INVITE server | confirmed  | request           | confirmed  |                 | I
INVITE server | confirmed  | transport error   | confirmed  |                 | I
INVITE server | confirmed  | timer I           | terminated | ended           |
INVITE server | accepted   | request           | accepted   |                 | L
INVITE server | accepted   | ACK               | accepted   | request         | L
INVITE server | accepted   | send 2xx          | accepted   | 200             | L
INVITE server | accepted   | transport error   | accepted   | error           | L
INVITE server | accepted   | timer L           | terminated | ended           |

non-INVITE server | new        | request         | trying     | request         | F
non-INVITE server | trying     | request         | trying     |                 | F
non-INVITE server | trying     | send 1xx        | proceeding | 180             | F
non-INVITE server | trying     | send 2xx        | completed  | 200             | J
non-INVITE server | trying     | send 300-699    | completed  | 486             | J
non-INVITE server | trying     | timer F         | terminated | timeout ended   |
non-INVITE server | proceeding | request         | proceeding | again           | F
non-INVITE server | proceeding | send 1xx        | proceeding | 180             | F
non-INVITE server | proceeding | send 2xx        | completed  | 200             | J
non-INVITE server | proceeding | send 300-699    | completed  | 486             | J
non-INVITE server | proceeding | transport error | proceeding | error           | F
non-INVITE server | proceeding | timer F         | terminated | timeout ended   |
non-INVITE server | completed  | request         | completed  | again           | J
non-INVITE server | completed  | send 2xx        | completed  |                 | J
non-INVITE server | completed  | send 300-699    | completed  |                 | J
non-INVITE server | completed  | transport error | completed  | error           | J
non-INVITE server | completed  | timer J         | terminated | ended           |
"""

# Pairs that no table lists, and why that is right.
IGNORED = {
    "INVITE client": {
        "a CANCEL before any provisional response MUST NOT be sent (§9.1)": [
            (State.CALLING, Event.CANCEL),
            (State.ABANDONED, Event.CANCEL),
        ],
        "what was heard of is not given up but cancelled": [
            (State.PROCEEDING, Event.GIVE_UP),
            (State.COMPLETED, Event.GIVE_UP),
            (State.ACCEPTED, Event.GIVE_UP),
            (State.ABANDONED, Event.GIVE_UP),
        ],
        "only what was given up is taken up again": [
            (State.CALLING, Event.RESUME),
            (State.PROCEEDING, Event.RESUME),
            (State.COMPLETED, Event.RESUME),
            (State.ACCEPTED, Event.RESUME),
        ],
        "a provisional or different final response that a final one overtook": [
            (State.COMPLETED, Event.RECEIVE_1XX),
            (State.COMPLETED, Event.RECEIVE_2XX),
            (State.ACCEPTED, Event.RECEIVE_1XX),
            (State.ACCEPTED, Event.RECEIVE_3XX_6XX),
        ],
    },
    "non-INVITE client": {},
    "INVITE server": {
        "an ACK to a response that was never sent": [(State.PROCEEDING, Event.ACK)],
        "one final response per INVITE, and nothing after it but copies of a 2xx": [
            (State.COMPLETED, Event.SEND_1XX),
            (State.COMPLETED, Event.SEND_2XX),
            (State.COMPLETED, Event.SEND_3XX_6XX),
            (State.CONFIRMED, Event.SEND_1XX),
            (State.CONFIRMED, Event.SEND_2XX),
            (State.CONFIRMED, Event.SEND_3XX_6XX),
            (State.ACCEPTED, Event.SEND_1XX),
            (State.ACCEPTED, Event.SEND_3XX_6XX),
        ],
    },
    "non-INVITE server": {
        "nothing was sent yet that could fail": [(State.TRYING, Event.TRANSPORT_ERROR)],
        "a provisional response after the final one": [(State.COMPLETED, Event.SEND_1XX)],
    },
}

CLIENT_EVENTS = {
    Event.RECEIVE_1XX,
    Event.RECEIVE_2XX,
    Event.RECEIVE_3XX_6XX,
    Event.TRANSPORT_ERROR,
    Event.REROUTED,
}
SERVER_EVENTS = {Event.REQUEST, Event.TRANSPORT_ERROR, Event.SEND_1XX, Event.SEND_2XX, Event.SEND_3XX_6XX}
# What can happen to each machine once it runs: a table is only ever given these.
POSSIBLE = {
    "INVITE client": CLIENT_EVENTS | {Event.CANCEL, Event.GIVE_UP, Event.RESUME},
    "non-INVITE client": CLIENT_EVENTS | {Event.GIVE_UP},
    "INVITE server": SERVER_EVENTS | {Event.ACK},
    "non-INVITE server": SERVER_EVENTS,
}


def trigger(text: str) -> Trigger:
    return Timer(text) if text in set(Timer) else Event(text)


def parse_rows() -> list[tuple[str, State, Trigger, State, str, str]]:
    rows = []
    for line in ROWS.strip().splitlines():
        if line:
            machine, state, event, after, effects, timers = (cell.strip() for cell in line.split("|"))
            rows.append((machine, State(state), trigger(event), State(after), effects, timers))
    return rows


class Rig:
    """One transaction under one table, without a layer."""

    def __init__(self, name: str, transport: str = "UDP") -> None:
        self.request = make_request("INVITE" if name.startswith("INVITE") else "OPTIONS")
        self.runner = Runner(Timers())
        hop = Hop(transport, Address("192.0.2.2", 5060))
        self.transaction = Transaction("t", Machine(name, TABLES[name]), hop, self.request)
        self.table = TABLES[name]

    def bring_to(self, state: State) -> None:
        """By the table's own rows, over as many of them as it takes."""
        ways: dict[State, list[Trigger]] = {State.NEW: []}
        queue = [State.NEW]
        while state not in ways:
            here = queue.pop(0)
            for (before, event), (after, _) in self.table.items():
                if before is here and after not in ways and event not in set(Timer):
                    ways[after] = [*ways[here], event]
                    queue.append(after)
        for event in ways[state]:
            self.step(event)
        if self.transaction.packet is None:
            # Something to send again, so that a row which does so shows it.
            self.runner._send(self.transaction, Event.SEND_1XX, 0.0, self.message(Event.SEND_1XX))
        self.runner.packets.clear()
        self.runner.events.clear()

    def message(self, event: Trigger) -> Message:
        statuses = {"1xx": 180, "2xx": 200, "300-699": 486}
        for name, status in statuses.items():
            if name in event:
                return respond(self.request, status, to_tag="xyz")
        return self.request

    def step(self, event: Trigger) -> bool:
        if isinstance(event, Timer):
            self.runner.deadlines.cancel((self.transaction, event))
        return self.runner.step(self.transaction, event, 0.0, self.message(event))

    def timers(self) -> set[str]:
        return {timer.name for timer in Timer if (self.transaction, timer) in self.runner.deadlines}

    def effects(self, to_user: bool, last: bytes | None) -> str:
        words = []
        for packet in self.runner.packets:
            first = packet.data.split(b" ")
            word = (first[1] if first[0] == b"SIP/2.0" else first[0]).decode()
            words.append("again" if packet.data == last else word)
        names = {
            ResponseReceived: "response",
            TransactionTimeout: "timeout",
            TransactionTransportError: "error",
            TransactionRerouted: "rerouted",
            TransactionEnded: "ended",
        }
        words += [names[type(event)] for event in self.runner.events]
        return " ".join(words + ["request"] * to_user)


@pytest.mark.parametrize(("name", "state", "event", "after", "effects", "timers"), parse_rows())
def test_a_row_does_what_its_figure_says(
    name: str, state: State, event: Trigger, after: State, effects: str, timers: str
) -> None:
    rig = Rig(name)
    rig.bring_to(state)
    assert rig.transaction.state is state
    last = (
        rig.transaction.packet.data
        if rig.transaction.packet and event in (Event.REQUEST, Event.RESUME, Event.REROUTED, *Timer)
        else None
    )
    if state is State.NEW:
        last = None
    to_user = rig.step(event)
    assert rig.transaction.state is after
    assert rig.effects(to_user, last) == effects
    assert rig.timers() == set(timers.split())


def test_every_row_is_tested_and_no_test_row_is_invented() -> None:
    tested = [(name, state, event) for name, state, event, *_ in parse_rows()]
    assert len(tested) == len(set(tested))
    assert set(tested) == {(name, *pair) for name, table in TABLES.items() for pair in table}


@pytest.mark.parametrize("name", TABLES)
def test_every_pair_is_listed_or_ignored_on_purpose(name: str) -> None:
    table: Table = TABLES[name]
    states = {state for state, _ in table} - {State.NEW}
    pairs = {(state, event) for state in states for event in POSSIBLE[name]}
    listed = {(state, event) for state, event in table if state is not State.NEW and not isinstance(event, Timer)}
    ignored = {pair for reason in IGNORED[name].values() for pair in reason}
    assert listed | ignored == pairs
    assert not listed & ignored


@pytest.mark.parametrize("name", TABLES)
def test_every_timer_is_heard_where_it_runs_and_started_before_it_is_heard(name: str) -> None:
    table = TABLES[name]
    started = {(after, action) for after, actions in table.values() for action in actions if isinstance(action, Timer)}
    heard = {(state, event) for state, event in table if isinstance(event, Timer)}
    assert started <= heard
    carried = {
        (after, timer) for (before, timer) in heard for (state, _), (after, _) in table.items() if state is before
    }
    assert heard <= started | carried


@pytest.mark.parametrize("name", TABLES)
def test_every_state_is_reached_and_can_be_left(name: str) -> None:
    table = TABLES[name]
    states = {state for state, _ in table}
    reached = {after for after, _ in table.values()}
    assert reached - {State.TERMINATED} == states - {State.NEW}
    assert not any(state is State.TERMINATED for state in states)
    for state in states:
        assert any(after is not state for (before, _), (after, _) in table.items() if before is state)


@pytest.mark.parametrize(
    ("name", "state", "event"),
    [(name, *pair) for name, reasons in IGNORED.items() for pairs in reasons.values() for pair in pairs],
)
def test_an_ignored_pair_changes_nothing(name: str, state: State, event: Event) -> None:
    rig = Rig(name)
    rig.bring_to(state)
    timers = rig.timers()
    if event in LOCAL_EVENTS:
        with pytest.raises(LocalError, match=str(event)):
            rig.step(event)
        assert rig.runner.counters.unexpected == 0
    else:
        assert not rig.step(event)
        assert rig.runner.counters.unexpected == 1
    assert rig.transaction.state is state
    assert rig.effects(False, None) == ""
    assert rig.timers() == timers


@pytest.mark.parametrize(
    ("name", "state", "event", "running"),
    [
        ("INVITE client", State.NEW, Event.START, {"B"}),
        ("non-INVITE client", State.NEW, Event.START, {"F"}),
        ("INVITE server", State.PROCEEDING, Event.SEND_3XX_6XX, {"H"}),
        ("INVITE server", State.PROCEEDING, Event.SEND_2XX, {"L"}),
    ],
)
def test_over_a_reliable_transport_only_time_outs_run(name: str, state: State, event: Event, running: set[str]) -> None:
    rig = Rig(name, "TCP")
    rig.bring_to(state)
    rig.step(event)
    assert rig.timers() == running


@pytest.mark.parametrize(
    ("name", "state", "event"),
    [
        ("INVITE client", State.PROCEEDING, Event.RECEIVE_3XX_6XX),
        ("non-INVITE client", State.PROCEEDING, Event.RECEIVE_2XX),
        ("INVITE server", State.COMPLETED, Event.ACK),
        ("non-INVITE server", State.TRYING, Event.SEND_2XX),
    ],
)
def test_over_a_reliable_transport_a_wait_for_copies_is_over_at_once(name: str, state: State, event: Event) -> None:
    rig = Rig(name, "TCP")
    rig.bring_to(state)
    rig.step(event)
    assert rig.transaction.state is State.TERMINATED
    assert list(rig.runner.events)[-1] == TransactionEnded("t")
    assert rig.timers() == set()


def test_only_set_state_writes_a_state_and_it_logs(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig("INVITE client")
    with caplog.at_level("DEBUG", logger="voipnode.sipstack.transaction.machine"):
        rig.step(Event.START)
        rig.step(Event.RECEIVE_1XX)
    assert [record.getMessage() for record in caplog.records] == [
        "INVITE client t: new -> calling",
        "INVITE client t: calling -> proceeding",
    ]


def test_the_ack_is_built_once_and_repeated_as_the_same_bytes() -> None:
    rig = Rig("INVITE client")
    rig.bring_to(State.CALLING)
    rig.step(Event.RECEIVE_3XX_6XX)
    rig.step(Event.RECEIVE_3XX_6XX)
    first, second = rig.runner.packets
    assert first is second
    assert rig.transaction.request is None
