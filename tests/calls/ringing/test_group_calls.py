"""Ring groups on the wire: who gets an INVITE, a CANCEL or a BYE and when, and what people are told of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.switchboard import Phone, Switchboard, answers, busy, rings, sdp
from voipnode.calls.errors import NotNowError
from voipnode.calls.events import CallChanged, CallReason, Problem, RecipientRang
from voipnode.calls.ringing.parties import Found
from voipnode.calls.ringing.plan import Recipient, RingPlan, Rules, Stage, Then
from voipnode.calls.settings import SipSettings
from voipnode.calls.ways import Way
from voipnode.sipstack import events as sip
from voipnode.sipstack.transport import Hop

ELSEWHERE = b'Reason: SIP;cause=200;text="Call completed elsewhere"'
Plan = Callable[[Phone, sip.Event], None]


def refuses(status: int, *contacts: str) -> Plan:
    """A plan: this final response at once."""

    def plan(phone: Phone, event: sip.Event) -> None:
        if isinstance(event, sip.IncomingCall):
            fields = tuple(("Contact", contact) for contact in contacts)
            phone.endpoint.reject(event.session, status, phone.wire.now, headers=fields)

    return plan


class House(Switchboard):
    """A switchboard with a street of phones, known by name, and a directory that the test decides."""

    def __init__(self, settings: SipSettings | None = None, **more: int) -> None:
        super().__init__(settings=settings, **more)  # type: ignore[arg-type]  # rtp_ports alone
        self.people: dict[str, list[Phone]] = {}
        self.away: set[str] = set()
        self.asked: list[tuple[float, str]] = []
        self.later: list[Callable[[], None]] | None = None  # look-ups that wait, where the test answers them
        self.switch.ring_by(self)

    def person(self, name: str, plan: Plan = rings, devices: int = 1) -> Phone:
        """Somebody with so many telephones; the first one."""
        phones = self.people[name] = []
        for _ in range(devices):
            number = sum(map(len, self.people.values()))
            phones.append(self.phone(f"{name}{len(phones) or ''}", f"192.168.1.{20 + number}", plan=plan))
        return phones[0]

    def hindrance(self, recipient: Recipient) -> str:
        return f"{recipient.name} is away" if recipient.name in self.away else ""

    def find(self, recipient: Recipient, done: Found) -> None:
        self.asked.append((self.wire.now, recipient.name))
        phones = self.people.get(recipient.address, [])
        ways: list[Way] = [self.way(phone, phone.hop) for phone in phones]

        def found() -> None:
            done(ways, "" if ways else f"{recipient.address} cannot be found")

        if self.later is None:
            found()
        else:
            self.later.append(found)

    def look_up(self) -> None:
        """Answer the look-ups that wait."""
        waiting, self.later = self.later or [], []
        self.switch.resume(self.wire.now, lambda: [found() for found in waiting] and None)

    def press(self, plan: RingPlan) -> str:
        return self.switch.hunt(plan, self.switch.account(""), self.wire.now, authorised=True, button="button")

    def accept(self, phone: Phone) -> None:
        phone.endpoint.accept(phone.session, sdp(phone.address.host), self.wire.now)
        self.wire.flush()

    @property
    def rang(self) -> list[str]:
        """What became of whom: "20 anna silent"."""
        return [f"{e.at:g} {e.recipient} {e.outcome}" for e in self.events if isinstance(e, RecipientRang)]

    def invited(self) -> list[tuple[float, str]]:
        """When whom."""
        return [(rung.at, rung.receiver) for rung in self.wire.ladder.pick("INVITE", "door")]

    def end(self) -> None:
        """Everybody goes home, and nothing is left."""
        self.switch.hang_up_all(self.wire.now)
        for phones in self.people.values():
            for phone in phones:
                phone.plan = busy
        self.wire.run(self.wire.now + 120.0)
        self.assert_quiet()
        assert self.switch._door.outgoing._ringers == {}
        assert self.switch._table.next_deadline() is None
        counts = self.endpoint.counts()
        del counts["connections"]  # the wire's stay open
        assert not any(counts.values()), counts


def party(name: str, fallback: RingPlan | None = None) -> Recipient:
    return Recipient(name, name, fallback=fallback)


def stage(names: str, for_s: float = 20.0, *, keep: bool = False) -> Stage:
    return Stage(tuple(party(name) for name in names.split()), for_s, keep)


def plan(*stages: Stage, fallback: RingPlan | None = None, name: str = "family", **rules: Then) -> RingPlan:
    return RingPlan(name, stages, rules=Rules(**rules), fallback=fallback)


def test_two_for_20_s_then_all_and_the_third_answers() -> None:
    house = House()
    for name in ("anna", "ben", "cora", "dora"):
        house.person(name)
    cora = house.people["cora"][0]
    call = house.press(plan(stage("anna ben", keep=True), stage("cora dora")))
    house.wire.at(25.0, lambda: house.accept(cora))
    house.wire.run(30.0)
    assert house.invited() == [(0.0, "anna"), (0.0, "ben"), (20.0, "cora"), (20.0, "dora")]
    cancels = house.wire.ladder.pick("CANCEL", "door")
    assert [(rung.at, rung.receiver, ELSEWHERE in rung.data) for rung in cancels] == [
        (25.0, name, True) for name in ("anna", "ben", "dora")
    ]
    assert house.rang == ["25 cora answered", "25 anna elsewhere", "25 ben elsewhere", "25 dora elsewhere"]
    told = [(event.state.value, event.detail) for event in house.events if isinstance(event, CallChanged)]
    assert told == [
        ("Calling", "family: anna, ben"),
        ("Ringing", "Ringing"),
        ("Ringing", "family: anna, ben, cora, dora"),
        ("Active", "in a call with sip:cora@192.168.1.22"),
    ]
    assert {event.call for event in house.events if isinstance(event, CallChanged)} == {call}
    house.end()


def test_in_turn_and_then_the_fallback_and_then_its_own() -> None:
    house = House()
    for name in ("anna", "ben", "guard"):
        house.person(name)
    house.person("office", busy)
    last = plan(stage("guard"), name="night")
    house.press(plan(stage("anna"), stage("ben", 10.0), fallback=plan(stage("office"), name="day", fallback=last)))
    house.wire.run(80.0)
    assert house.invited() == [(0.0, "anna"), (20.0, "ben"), (30.0, "office"), (30.0, "guard")]
    cancels = house.wire.ladder.pick("CANCEL", "door")
    assert [(rung.at, rung.receiver) for rung in cancels] == [(20.0, "anna"), (30.0, "ben"), (50.0, "guard")]
    assert all(b"Reason: Q.850;cause=19" in rung.data for rung in cancels)
    assert house.rang == ["20 anna silent", "30 ben silent", "30 office busy", "50 guard silent"]
    assert (house.last.reason, house.last.at, house.last.detail) == (CallReason.NO_ANSWER, 50.0, "nobody answered")
    assert house.states.count("Terminated") == 1
    house.end()


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(486, "busy"), (600, "busy"), (603, "refused"), (403, "refused"), (480, "silent"), (404, "unreachable")],
)
def test_one_that_is_out_leaves_the_others_ringing(status: int, outcome: str) -> None:
    house = House()
    house.person("anna", refuses(status))
    house.person("ben")
    house.press(plan(stage("anna ben")))
    house.wire.run(5.0)
    assert house.rang == [f"0 anna {outcome}"]
    assert house.states == ["Calling", "Ringing"]
    house.end()
    assert house.rang == [f"0 anna {outcome}", "5 ben given up"]


@pytest.mark.parametrize("status", [600, 603])
def test_where_the_settings_say_so_a_6xx_ends_it_for_everybody(status: int) -> None:
    house = House()
    house.person("anna", refuses(status))
    ben = house.person("ben")
    house.person("guard")
    house.press(plan(stage("anna ben"), fallback=plan(stage("guard")), on_declined_everywhere="end_all"))
    house.wire.run(5.0)
    assert house.last.reason is (CallReason.DENIED if status == 603 else CallReason.BUSY)
    assert house.last.status == status
    assert house.rang == [f"0 anna {'refused' if status == 603 else 'busy'}", "0 ben let go"]
    assert ben.of(sip.SessionEnded)
    assert house.people["guard"][0].events == []
    house.end()


def test_a_6xx_of_one_telephone_speaks_for_all_of_the_person() -> None:
    house = House()
    house.person("anna", devices=3)
    house.person("ben")
    house.people["anna"][1].plan = refuses(603)
    house.press(plan(stage("anna ben")))
    house.wire.run(1.0)
    assert [rung.receiver for rung in house.wire.ladder.pick("CANCEL", "door")] == ["anna", "anna2"]
    assert house.rang == ["0 anna refused"]
    house.end()


def test_a_person_is_busy_when_all_its_telephones_are_and_rings_while_one_does() -> None:
    house = House()
    house.person("anna", busy, devices=3)
    house.people["anna"][2].plan = rings
    house.person("ben")
    house.press(plan(stage("anna", 5.0), stage("ben")))
    house.wire.run(4.0)
    assert house.rang == []
    house.wire.run(6.0)
    assert house.rang == ["5 anna silent"]
    house.end()


def test_of_a_person_s_telephones_the_first_to_answer_wins() -> None:
    house = House()
    house.person("anna", devices=3)
    house.press(plan(stage("anna")))
    house.wire.run(2.0)
    house.accept(house.people["anna"][2])
    house.wire.run(3.0)
    cancels = house.wire.ladder.pick("CANCEL", "door")
    assert [(rung.receiver, ELSEWHERE in rung.data) for rung in cancels] == [("anna", True), ("anna1", True)]
    assert house.rang == ["2 anna answered"]
    assert len(house.paths.open_now) == 1
    house.end()


def test_six_telephones_ring_at_once_and_everybody_has_one_of_them() -> None:
    house = House()
    house.person("anna", devices=4)
    house.person("ben", devices=2)
    house.person("cora")
    house.press(plan(stage("anna ben cora")))
    house.wire.run(1.0)
    assert [receiver for _, receiver in house.invited()] == ["anna", "anna1", "anna2", "anna3", "ben", "cora"]
    told = [event.detail for event in house.events if isinstance(event, Problem)]
    assert told == ["1 of 2 telephones of ben do not ring: 6 do at once"]
    house.end()


def test_who_is_away_or_nowhere_is_not_called_and_its_own_fallback_is() -> None:
    house = House()
    for name in ("anna", "gran", "uncle"):
        house.person(name)
    house.away = {"anna"}
    people = (party("anna", plan(stage("gran"))), party("nobody", plan(stage("uncle"))))
    house.press(plan(Stage(people, 20.0)))
    house.wire.run(1.0)
    assert house.invited() == [(0.0, "gran"), (0.0, "uncle")]
    assert house.rang == ["0 anna unavailable", "0 nobody unreachable"]
    details = [event.detail for event in house.events if isinstance(event, RecipientRang)]
    assert details == ["anna is away", "nobody cannot be found"]
    house.end()


def test_availability_is_asked_when_the_stage_begins() -> None:
    house = House()
    for name in ("anna", "ben", "cora"):
        house.person(name)
    house.away = {"ben"}
    house.press(plan(stage("anna"), stage("ben cora")))
    house.wire.at(19.9, lambda: house.away.symmetric_difference_update({"ben", "cora"}))
    house.wire.run(25.0)
    assert house.invited() == [(0.0, "anna"), (20.0, "ben")]
    house.end()


def test_later_stages_are_looked_up_while_the_earlier_ones_ring() -> None:
    house = House()
    for name in ("anna", "ben", "guard"):
        house.person(name)
    house.press(plan(stage("anna", 5.0), stage("ben"), fallback=plan(stage("guard"))))
    house.wire.run(30.0)
    assert house.asked == [(0, "anna"), (0, "ben"), (5, "ben"), (5, "guard"), (21, "guard"), (25, "guard")]
    house.end()


def test_when_nobody_is_available_the_call_is_told_and_over() -> None:
    house = House()
    house.person("anna")
    house.away = {"anna"}
    house.press(plan(stage("anna")))
    assert house.states == ["Calling", "Terminating", "Terminated"]
    assert (house.last.reason, house.last.detail) == (CallReason.NO_ANSWER, "anna is away")
    assert house.rang == ["0 anna unavailable"]
    house.end()


def test_one_slow_look_up_does_not_keep_the_others_from_ringing() -> None:
    house = House()
    anna = house.person("anna")
    house.person("ben")
    house.later = []
    house.press(plan(stage("anna ben", 30.0)))
    assert house.states == ["Calling"]
    slow = house.later.pop()
    house.look_up()
    house.wire.run(1.0)
    assert house.invited() == [(0.0, "anna")]
    house.switch.resume(house.wire.now, slow)
    house.wire.run(2.0)
    assert house.invited() == [(0.0, "anna"), (1.0, "ben")]
    house.accept(anna)
    house.wire.run(3.0)
    assert house.rang == ["2 anna answered", "2 ben elsewhere"]
    house.end()


@pytest.mark.parametrize("how", ["answered", "hung up", "timed out"])
def test_who_is_found_too_late_is_not_called(how: str) -> None:
    house = House()
    anna = house.person("anna")
    house.person("ben")
    call = house.press(plan(stage("anna", 5.0, keep=True), stage("ben", 5.0)))
    house.later = []
    house.wire.run(6.0)
    if how == "answered":
        house.accept(anna)
    elif how == "hung up":
        house.switch.hang_up(call, house.wire.now)
    house.wire.run(12.0)
    house.look_up()
    house.wire.run(20.0)
    assert house.invited() == [(0.0, "anna")]
    house.later = None
    house.end()


def test_where_every_address_is_unknown_the_call_ends_and_says_which() -> None:
    house = House()
    house.later = []
    house.press(plan(stage("nobody")))
    house.look_up()
    assert (house.last.reason, house.last.detail) == (CallReason.FAILED, "nobody cannot be found")
    house.end()


def test_without_a_free_port_the_press_fails_and_no_call_is_told() -> None:
    house = House(rtp_ports=0)
    house.person("anna")
    with pytest.raises(NotNowError, match="no RTP port is free"):
        house.press(plan(stage("anna")))
    assert (house.states, house.rang) == ([], [])
    house.end()


def test_one_without_a_free_port_does_not_silence_the_others() -> None:
    house = House(rtp_ports=1)
    anna = house.person("anna")
    house.person("ben")
    house.press(plan(stage("anna ben")))
    house.wire.run(1.0)
    house.accept(anna)
    house.wire.run(2.0)
    assert house.states[-1] == "Active"
    assert house.rang == ["0 ben unreachable", "1 anna answered"]
    house.end()


def test_a_phone_that_vanishes_in_mid_ring_holds_nothing_up() -> None:
    house = House()
    anna = house.person("anna")
    house.person("guard", busy)
    house.press(plan(stage("anna", 10.0), fallback=plan(stage("guard"))))
    house.wire.at(5.0, lambda: house.wire.detach(anna.address))
    house.wire.run(11.0)
    assert (house.states[-1], house.last.at) == ("Terminated", 10.0)
    assert house.paths.open_now == [], "its ports are free although it has not agreed to the CANCEL"
    house.people["anna"].clear()
    house.end()


def test_a_phone_that_answers_a_cancelled_call_is_acknowledged_and_hung_up() -> None:
    house = House()
    anna = house.person("anna")
    house.person("ben")
    house.press(plan(stage("anna", 10.0), stage("ben", 10.0)))
    house.wire.drop = lambda rung: rung.what == "CANCEL" and rung.at < 12.0
    house.wire.at(11.0, lambda: house.accept(anna))
    house.wire.run(15.0)
    late = [
        (rung.at, rung.what) for rung in house.wire.ladder if rung.receiver == "anna" and rung.what in ("ACK", "BYE")
    ]
    assert late == [(11.0, "ACK"), (11.0, "BYE")]
    assert house.states == ["Calling", "Ringing", "Ringing"], "ben goes on ringing"
    assert [event.cause for event in anna.of(sip.SessionEnded)] == [sip.EndCause.REMOTE_HANGUP]
    house.end()


def test_a_redirect_of_one_is_followed_for_it_alone() -> None:
    house = House()
    house.person("anna", refuses(302, "<sip:mobile@192.168.1.99>"))
    house.person("ben")
    mobile = house.phone("mobile", "192.168.1.99", plan=rings)
    house.press(plan(stage("anna ben", 10.0), stage("guard")))
    house.wire.run(5.0)
    assert len(mobile.of(sip.IncomingCall)) == 1
    assert house.rang == []
    house.wire.run(11.0)
    assert house.rang == ["10 anna silent", "10 ben silent", "10 guard unreachable"]
    assert [event.cause for event in mobile.of(sip.SessionEnded)] == [sip.EndCause.CANCELLED]
    mobile.plan = busy
    house.end()


def test_who_is_rung_again_may_be_sent_elsewhere_again() -> None:
    house = House()
    house.person("anna", refuses(302, "<sip:mobile@192.168.1.99>"))
    mobile = house.phone("mobile", "192.168.1.99", plan=busy)
    house.press(plan(stage("anna"), stage("anna")))
    house.wire.run(1.0)
    assert len(mobile.of(sip.IncomingCall)) == 2
    assert house.rang == ["0 anna busy", "0 anna busy"]
    house.end()


def test_a_redirect_to_nowhere_is_the_party_s_end() -> None:
    house = House()
    house.switch.reach_by(lambda uri, account, done: done((), house.wire.now))
    house.person("anna", refuses(302, "<sip:mobile@nowhere.example>"))
    house.person("ben")
    house.press(plan(stage("anna"), stage("ben")))
    house.wire.run(1.0)
    assert house.rang == ["0 anna unreachable"]
    assert house.invited()[-1] == (0.0, "ben")
    house.end()


def test_a_redirect_whose_turn_is_over_before_it_is_found_is_not_called() -> None:
    house = House()
    waiting: list[Callable[[], None]] = []
    mobile = house.phone("mobile", "192.168.1.99", plan=answers)

    def reach(uri: object, account: object, done: Callable[[list[Way], float], None]) -> None:
        waiting.append(lambda: done([house.way(mobile, mobile.hop)], house.wire.now))

    house.switch.reach_by(reach)
    house.person("anna", refuses(302, "<sip:mobile@192.168.1.99>"))
    house.person("ben")
    house.press(plan(stage("anna", 5.0), stage("ben")))
    house.wire.run(6.0)
    waiting[0]()
    house.wire.run(7.0)
    assert mobile.events == []
    assert house.states[-1] == "Ringing"
    house.end()


def test_a_challenge_that_nobody_can_answer_is_one_telephone_s_end() -> None:
    house = House()

    def challenges(phone: Phone, event: sip.Event) -> None:
        if isinstance(event, sip.IncomingCall):
            fields = (("Proxy-Authenticate", 'Digest realm="x", nonce="1"'),)
            phone.endpoint.reject(event.session, 407, phone.wire.now, headers=fields)

    house.person("anna", challenges)
    house.person("ben")
    house.press(plan(stage("anna ben")))
    house.wire.run(1.0)
    assert house.rang == ["0 anna unreachable"]
    assert house.states == ["Calling", "Ringing"]
    house.end()


def test_the_time_of_a_group_and_the_length_of_its_calls_are_its_own() -> None:
    house = House(SipSettings(calling_timeout_s=60, max_call_duration_s=600, dead_call_timeout_s=600))
    house.person("anna")
    guard = house.person("guard")
    short = RingPlan("night", (stage("guard", 60.0),), calling_timeout_s=8, max_call_duration_s=3)
    house.press(RingPlan("family", (stage("anna", 60.0),), calling_timeout_s=7, fallback=short))
    house.wire.at(12.0, lambda: house.accept(guard))
    house.wire.run(20.0)
    assert house.wire.ladder.times("CANCEL", "door") == [7.0]
    assert house.wire.ladder.times("BYE", "door") == [15.0]
    house.end()


def test_digits_of_whoever_answers_act_in_every_stage() -> None:
    house = House()
    house.person("anna", busy)
    guard = house.person("guard")
    house.press(plan(stage("anna"), fallback=plan(stage("guard"))))
    house.wire.run(1.0)
    house.accept(guard)
    house.wire.run(2.0)
    guard.endpoint.info(guard.session, "application/dtmf-relay", b"Signal=1\r\nDuration=160\r\n", house.wire.now)
    house.wire.run(3.0)
    assert [(digit.digit, digit.authorised) for digit in house.digits] == [("1", True)]
    house.end()


def test_sound_before_the_answer_ends_with_the_stage() -> None:
    def early(phone: Phone, event: sip.Event) -> None:
        if isinstance(event, sip.IncomingCall):
            phone.endpoint.ring(event.session, phone.wire.now, 183, body=sdp(phone.address.host))

    house = House()
    anna = house.person("anna", early)
    house.person("ben")
    house.press(plan(stage("anna", 5.0), stage("ben")))
    house.wire.at(4.0, lambda: house.wire.detach(anna.address))
    house.wire.run(6.0)
    (early,) = house.switch._door._early._sounds.values()
    assert early._legs == [], "although it has not agreed to its end"
    house.people["anna"].clear()
    house.end()


def test_a_phone_reached_over_tcp_and_udp_is_one_party() -> None:
    house = House()
    anna = house.person("anna")
    ways = [house.way(anna, Hop(transport, anna.address)) for transport in ("UDP", "TCP")]
    house.switch.ring(ways, 0.0, authorised=True)
    house.wire.run(1.0)
    assert [rung.transport for rung in house.wire.ladder.pick("INVITE")] == ["UDP", "TCP"]
    house.end()


def test_six_telephones_ring_beside_the_clients() -> None:
    house = House()
    phones = [house.phone(f"p{number}", f"192.168.1.5{number}", plan=rings) for number in range(6)]
    house.switch.ring([house.way(phone, phone.hop) for phone in phones], 0.0, authorised=True, vms=True)
    house.wire.run(1.0)
    assert [receiver for _, receiver in house.invited()] == [phone.name for phone in phones]
    house.end()
