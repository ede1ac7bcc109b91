"""Each capture in pcaps/, its far side fed back: the same call, states, digits and sound, and the same SIP from us.

Registrations too: the same states at the same servers, and with the password the same answers to challenges.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr

from tests.support.sound import assert_tone_in, fit_at
from voipnode.calls.account_settings import AccountSettings
from voipnode.calls.events import CallChanged, CallPath, DtmfReceived, RegistrationChanged
from voipnode.cli.exit_codes import ExitCode
from voipnode.cli.replay import replay_capture
from voipnode.replay.capture import CaptureError, read_capture, read_key_log
from voipnode.replay.dtls_keys import recorded_keys
from voipnode.replay.player import NO_HANDSHAKES, RATE_HZ, Outcome, Player
from voipnode.replay.script import make_script

PCAPS = Path(__file__).resolve().parents[2] / "pcaps"
TALKED = ["Calling", "Ringing", "Active", "Terminating", "Terminated"]


def replay(name: str) -> tuple[Outcome, list[str]]:
    path = PCAPS / f"{name}.pcap"
    capture = read_capture(path)
    script = make_script(capture)
    sent_then = list(script.sent)
    handshakes = recorded_keys(capture, read_key_log(path))
    return Player(script, user_agent="voipnode/test", handshakes=handshakes).play(), sent_then


def states(outcome: Outcome) -> list[str]:
    return [event.state.value for event in outcome.events if isinstance(event, CallChanged)]


def digits(outcome: Outcome) -> list[tuple[str, str, bool]]:
    return [(e.digit, e.road, e.authorised) for e in outcome.events if isinstance(e, DtmfReceived)]


def registrations(outcome: Outcome) -> list[tuple[str, str]]:
    """State and server of each change of the account that registers; the servers by the order of their appearance,
    for each recording has ports of its own."""
    told = [event for event in outcome.events if isinstance(event, RegistrationChanged) and "@" in event.account]
    servers = list(dict.fromkeys(event.server for event in told if event.server))
    return [(event.state.value, "AB"[servers.index(event.server)] if event.server else "") for event in told]


def account_of(name: str, password: str, **more: object) -> tuple[AccountSettings, ...]:
    """The account of a capture as its node had it."""
    (account,) = make_script(read_capture(PCAPS / f"{name}.pcap")).accounts
    given = {"default": True, "password": SecretStr(password), **more}
    return (account.model_copy(update=given),)


def last(outcome: Outcome) -> CallChanged:
    return [event for event in outcome.events if isinstance(event, CallChanged)][-1]


@pytest.mark.parametrize("path", sorted(PCAPS.glob("*.pcap")), ids=lambda path: path.stem)
def test_the_node_sends_what_it_sent_then(path: Path) -> None:
    outcome, sent_then = replay(path.stem)
    assert outcome.sent == sent_then
    assert outcome.refused == []


def test_a_peer_to_peer_call_with_sound() -> None:
    outcome, _ = replay("p2p-call-baresip")
    assert states(outcome) == TALKED
    assert last(outcome).detail == "hung up by the far side"
    assert_tone_in(outcome.audio().astype(np.float64), RATE_HZ, 440.0, at_least_s=1.4)


def test_a_call_whose_way_ice_found() -> None:
    """The checks are ours again, with the transactions of then: their recorded answers make the recorded pair."""
    outcome, _ = replay("ice-call-baresip")
    assert states(outcome) == TALKED
    paths = [event for event in outcome.events if isinstance(event, CallPath)]
    assert [event.chosen for event in paths] == [False, True]
    assert " with prflx 127.0.0.1:" in paths[-1].pair
    assert_tone_in(outcome.audio().astype(np.float64), RATE_HZ, 440.0, at_least_s=1.4)


def test_a_wide_band_call() -> None:
    """G.722: 6 kHz beside 3 kHz, which no telephone of 8 kHz carries."""
    outcome, _ = replay("g722-call-baresip")
    assert states(outcome) == TALKED
    sound = outcome.audio().astype(np.float64)[RATE_HZ // 2 : 3 * RATE_HZ // 2]
    powers = {hz: fit_at(sound, hz, RATE_HZ).power for hz in (3000.0, 6000.0)}
    assert all(10 * np.log10(2 * power) == pytest.approx(20 * np.log10(0.15), abs=1.5) for power in powers.values())
    assert sum(powers.values()) > 0.99 * float(np.mean(sound**2))


def test_an_opus_call_with_a_digit_on_its_clock() -> None:
    outcome, _ = replay("opus-call-baresip")
    assert digits(outcome) == [("5", "rtp", True)]
    sound = outcome.audio().astype(np.float64)[RATE_HZ // 2 : 3 * RATE_HZ // 2]
    assert fit_at(sound, 440.0, RATE_HZ).power > 0.9 * float(np.mean(sound**2))


def test_an_encrypted_call_is_read_by_the_keys_in_its_sdp() -> None:
    outcome, _ = replay("srtp-sdes-baresip")
    assert states(outcome) == TALKED
    assert (last(outcome).encryption, last(outcome).cipher) == ("sdes", "AEAD_AES_256_GCM")
    assert last(outcome).rejected_packets < 3
    assert_tone_in(outcome.audio().astype(np.float64), RATE_HZ, 440.0, at_least_s=1.4)


def test_an_encrypted_call_is_read_by_the_key_log_of_its_handshake() -> None:
    outcome, _ = replay("dtls-call-baresip")
    assert states(outcome) == ["Calling", "Ringing", "Active", "Active", "Terminating", "Terminated"]
    assert (last(outcome).encryption, last(outcome).cipher) == ("dtls", "AEAD_AES_256_GCM")
    assert last(outcome).rejected_packets < 3
    assert_tone_in(outcome.audio().astype(np.float64), RATE_HZ, 440.0, at_least_s=1.4)


def test_without_the_key_log_nothing_is_heard_and_it_is_said() -> None:
    script = make_script(read_capture(PCAPS / "dtls-call-baresip.pcap"))
    outcome = Player(script, user_agent="voipnode/test").play()
    assert outcome.refused[0] == NO_HANDSHAKES
    assert not outcome.audio().any()


def test_a_call_by_a_turn_server() -> None:
    """What the server carried is played as if the node had been at the server's address."""
    outcome, _ = replay("turn-call-baresip")
    assert states(outcome) == TALKED
    assert_tone_in(outcome.audio().astype(np.float64), RATE_HZ, 440.0, at_least_s=1.4)


def test_digits_by_rtp_events() -> None:
    outcome, _ = replay("dtmf-rfc4733-baresip")
    assert digits(outcome) == [("1", "rtp", True), ("5", "rtp", True), ("#", "rtp", True)]


def test_digits_by_info() -> None:
    outcome, _ = replay("dtmf-info-linphone")
    assert digits(outcome) == [("1", "info", True), ("9", "info", True)]
    assert last(outcome).detail == "hung up here"


def test_a_cancelled_call() -> None:
    outcome, sent = replay("cancelled-call-baresip")
    assert states(outcome) == ["Calling", "Ringing", "Terminating", "Terminated"]
    assert sent == ["INVITE", "CANCEL", "ACK"]


def test_a_busy_phone() -> None:
    outcome, _ = replay("busy-baresip")
    assert states(outcome)[-1] == "Terminated"
    assert (last(outcome).reason.value, last(outcome).status) == ("Busy", 486)


def test_an_incoming_call_whose_digit_may_not_open() -> None:
    outcome, _ = replay("incoming-call-baresip")
    assert digits(outcome) == [("1", "rtp", False)]
    assert states(outcome)[-1] == "Terminated"


def test_a_registration_refreshed_with_nonces_that_ran_out_and_taken_back() -> None:
    outcome, sent = replay("register-kamailio")
    assert registrations(outcome) == [("registering", "A"), ("registered", "A"), ("unregistered", "")]
    assert sent.count("REGISTER") >= 7, "twice to begin with, four for refreshes, and one to leave"
    heard = [seen.data for seen in read_capture(PCAPS / "register-kamailio.pcap")]
    assert sum(data.startswith(b"SIP/2.0 401 ") for data in heard) >= 2, "once for a nonce that ran out"


def test_a_failover_and_the_return() -> None:
    outcome, _ = replay("failover-kamailio")
    assert registrations(outcome) == [
        ("registering", "A"),
        ("registered", "A"),
        ("registering", "A"),  # what is wrong is told of the server that fell silent
        ("registered", "B"),
        ("registered", "A"),
        ("unregistered", ""),
    ]
    (account,) = make_script(read_capture(PCAPS / "failover-kamailio.pcap")).accounts
    assert account.secondary is not None
    assert account.response_timeout_s == 1.5, "seen in the capture"


def test_a_call_through_a_server_by_tls() -> None:
    outcome, sent = replay("tls-call-kamailio")
    assert registrations(outcome) == [("registering", "A"), ("registered", "A"), ("unregistered", "")]
    assert states(outcome) == TALKED
    assert digits(outcome) == [("1", "rtp", True)]
    assert last(outcome).detail == "hung up by the far side"
    assert [each for each in sent if each not in ("REGISTER", "OPTIONS")] == [
        "INVITE",
        "ACK",  # to the 407
        "INVITE",
        "ACK",
        "200 BYE",
    ]


def test_calls_by_tls_both_ways() -> None:
    outcome, sent = replay("tls-call-baresip")
    assert states(outcome) == ["Ringing", "Active", "Terminating", "Terminated", *TALKED]
    assert digits(outcome) == [("1", "rtp", True)]
    assert [each for each in sent if each != "100 INVITE"] == ["200 INVITE", "200 BYE", "INVITE", "ACK", "BYE"]


REGISTERED = ["register-kamailio", "failover-kamailio", "tls-call-kamailio"]


@pytest.mark.parametrize("name", REGISTERED)
def test_with_the_password_the_answers_to_challenges_are_those_of_then(name: str) -> None:
    script = make_script(read_capture(PCAPS / f"{name}.pcap"))
    then = list(script.digests)
    outcome = Player(script, user_agent="voipnode/test", accounts=account_of(name, "doorpw")).play()
    assert outcome.digests == then != []
    wrong = make_script(read_capture(PCAPS / f"{name}.pcap"))
    outcome = Player(wrong, user_agent="voipnode/test", accounts=account_of(name, "guess")).play()
    assert not set(outcome.digests) & set(then)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("register-kamailio", {"keep_alive_interval_s": 5.0}),
        ("failover-kamailio", {"keep_alive_interval_s": 1.0, "failback_s": 3}),
        ("tls-call-kamailio", {"keep_alive_interval_s": 5.0}),
    ],
)
def test_the_timers_that_the_node_had_then_change_nothing(name: str, more: dict[str, object]) -> None:
    """They come as late as they may, so that what was drawn earlier then is done when it was done then."""
    script = make_script(read_capture(PCAPS / f"{name}.pcap"))
    then = list(script.sent)
    assert Player(script, user_agent="voipnode/test", accounts=account_of(name, "doorpw", **more)).play().sent == then


def test_other_timers_than_then_are_noticed() -> None:
    script = make_script(read_capture(PCAPS / "failover-kamailio.pcap"))
    then, slow = list(script.sent), account_of("failover-kamailio", "doorpw", response_timeout_s=4.0)
    assert Player(script, user_agent="voipnode/test", accounts=slow).play().sent != then


def test_the_command_takes_the_nodes_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = PCAPS / "register-kamailio.pcap"
    (account,) = make_script(read_capture(path)).accounts
    settings = tmp_path / "voipnode.toml"

    def replayed(password: str) -> ExitCode:
        settings.write_text(
            f'[[accounts]]\nname = "PBX"\ntype = "registered"\nuser_id = "door"\ndomain = "pbx.test"\n'
            f'registrar = "{account.registrar}"\npassword = "{password}"\n'
        )
        return replay_capture(path, "", None, None, settings)

    assert replayed("doorpw") is ExitCode.OK
    assert "answers to challenges are those of then" in capsys.readouterr().out
    assert replayed("guess") is ExitCode.DIFFERENT
    assert "answers challenges in another way" in " ".join(capsys.readouterr().out.split())
    settings.write_text("[[accounts]]\nnonsense = 1\n")
    assert replay_capture(path, "", None, None, settings) is ExitCode.SETTINGS


@pytest.mark.parametrize("name", ["tls-call-kamailio", "tls-call-baresip"])
def test_tls_without_its_keys_is_said_to_need_them(tmp_path: Path, name: str) -> None:
    alone = tmp_path / f"{name}.pcap"
    alone.write_bytes((PCAPS / f"{name}.pcap").read_bytes())
    with pytest.raises(CaptureError, match="there is TLS, which needs the key log"):
        make_script(read_capture(alone))
    with_keys = read_capture(alone, PCAPS / f"{name}.keys")
    assert make_script(with_keys).sent == make_script(read_capture(PCAPS / f"{name}.pcap")).sent


def test_a_file_that_is_no_capture_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(b"hello")
    with pytest.raises(CaptureError, match="neither pcap nor pcapng"):
        read_capture(path)
    with pytest.raises(CaptureError, match="No such file"):
        read_capture(tmp_path / "missing.pcap")


def test_a_capture_that_breaks_off_in_mid_packet_is_played_up_to_there(tmp_path: Path) -> None:
    whole = (PCAPS / "busy-baresip.pcap").read_bytes()
    path = tmp_path / "cut.pcap"
    path.write_bytes(whole[:-10])
    assert 0 < len(read_capture(path)) < len(read_capture(PCAPS / "busy-baresip.pcap"))
