"""The command line as scripts see it: what it prints and with which code it ends."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests.support.aio import PATIENCE_S, run_test
from tests.support.certificates import Authority
from tests.support.free_ports import free_port
from tests.support.node import Node
from tests.support.peers.baresip import Baresip
from tests.support.peers.process import PeerProcess
from tests.support.sound import PCM_TONE_HZ, assert_tone
from tests.support.wav_files import write_tone
from voipnode.cli.exit_codes import ExitCode

PCAPS = Path(__file__).resolve().parents[2] / "pcaps"


async def voipnode(*arguments: str | Path, cwd: Path, seconds: float = PATIENCE_S) -> tuple[int, str]:
    """Run the command to its end: exit code and everything it printed."""
    process = await PeerProcess.start(sys.executable, "-m", "voipnode", *arguments, cwd=cwd, env={"COLUMNS": "160"})
    code = await process.wait(seconds)
    await process.stop()
    return code, "\n".join(process.lines)


def run_command(*arguments: str | Path, cwd: Path) -> tuple[int, str]:
    return run_test(voipnode(*arguments, cwd=cwd))


def test_help_names_every_command_and_the_exit_codes(tmp_path: Path) -> None:
    code, said = run_command("--help", cwd=tmp_path)
    assert code == 0
    for word in ("run", "check", "call", "press", "replay", "Exit codes"):
        assert word in said


def test_check_tells_every_problem_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "voipnode.toml").write_text('[sip]\nport = 80\n[audio]\ndevice = "trumpet"\n')
    code, said = run_command("check", cwd=tmp_path)
    assert code == ExitCode.SETTINGS
    assert "voipnode.toml:2: sip.port = 80" in said
    assert "voipnode.toml:4: audio.device" in said
    assert "2 problems" in said


def test_check_looks_into_the_files_of_certificates_too(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    good, other = authority.issue("door.example"), authority.issue("other.example")
    (tmp_path / "empty.pem").write_text("")
    (tmp_path / "voipnode.toml").write_text(f"""\
[sip.tls]
certificate = "{good}"
private_key = "gone.pem"
[[accounts]]
name = "Office"
type = "registered"
domain = "pbx.example"
transport = "sctp"
[[accounts]]
name = "Off"
active = false
ca = "gone.pem"
""")
    code, said = run_command("check", cwd=tmp_path)
    assert code == ExitCode.SETTINGS
    assert 'voipnode.toml:8: accounts[0].transport = "sctp"' in said
    text = (tmp_path / "voipnode.toml").read_text()
    bad = f'transport = "tls"\nca = "empty.pem"\ncertificate = "{good}"\nprivate_key = "{other}"\n'
    (tmp_path / "voipnode.toml").write_text(text.replace('transport = "sctp"\n', bad))
    for command in ("check", "run"):
        code, said = run_command(command, cwd=tmp_path)
        assert code == ExitCode.SETTINGS
        assert 'voipnode.toml:3: sip.tls.private_key = "(not shown)": gone.pem cannot be read: No such file' in said
        assert 'voipnode.toml:9: accounts[0].ca = "empty.pem": empty.pem holds no certificate in PEM form' in said
        assert "voipnode.toml:11: accounts[0].private_key" in said
        assert "does not belong to the certificate" in said
        assert "3 problems" in said


def test_call_as_an_account_that_there_is_not(tmp_path: Path) -> None:
    (tmp_path / "voipnode.toml").write_text('[[accounts]]\nname = "Office"\n')
    code, said = run_command("call", "1001", "--account", "Ofice", cwd=tmp_path)
    assert code == ExitCode.USAGE
    assert '--account: account "Ofice": no such active account; there is "Office"' in said


def test_check_is_content_with_the_defaults_and_refuses_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert run_command("check", cwd=tmp_path) == (0, "The defaults: no problems.")
    code, said = run_command("check", "--settings", "other.toml", cwd=tmp_path)
    assert code == ExitCode.SETTINGS
    assert "other.toml" in said


def test_press_without_a_node_says_so(tmp_path: Path) -> None:
    code, said = run_command("press", "--url", f"http://127.0.0.1:{free_port()}", cwd=tmp_path)
    assert code == ExitCode.UNREACHABLE
    assert "voipnode run" in said
    code, said = run_command("press", "--url", "file:///etc/passwd", cwd=tmp_path)
    assert code == ExitCode.USAGE


@pytest.mark.interop
def test_press_presses_the_button_of_a_running_node(tmp_path: Path) -> None:
    async def play() -> None:
        node = await Node.start(tmp_path / "node")
        try:
            code, said = await voipnode("press", "--url", node.url, cwd=tmp_path)
            assert (code, "recipients" in said) == (ExitCode.REFUSED, True), "nobody is set to ring"
            code, said = await voipnode("test-call", "Zoe", "--url", node.url, cwd=tmp_path)
            assert (code, "no such contact" in said) == (ExitCode.REFUSED, True)
            code, said = await voipnode("press", "gong", "--url", node.url, cwd=tmp_path)
            assert (code, "gong" in said) == (ExitCode.REFUSED, True)
            peer = f"sip:nobody@127.0.0.1:{free_port()}"
            code, said = await voipnode("press", "--ring", peer, "--url", node.url, cwd=tmp_path)
            assert code == 0, said
            await node.event("call.changed", state="Calling", remote=peer)
        finally:
            await node.stop()

    run_test(play())


@pytest.mark.interop
def test_call_plays_records_sends_digits_and_hangs_up(tmp_path: Path) -> None:
    async def play() -> None:
        phone = await Baresip.start(tmp_path / "p", microphone=write_tone(tmp_path / "440.wav", 440.0), answer="auto")
        try:
            said_file, heard_file = write_tone(tmp_path / "said.wav", PCM_TONE_HZ, seconds=4.0), tmp_path / "heard.wav"
            command = ("call", phone.uri, "--play", said_file, "--record", heard_file, "--dtmf", "5#")
            code, said = await voipnode(*command, cwd=tmp_path)
            assert code == 0, said
            assert "active" in said
            digits = [(await phone.event("CALL_DTMF_START"))["param"] for _ in range(2)]
            assert digits == ["5", "#"]
            await phone.event("CALL_CLOSED")
        finally:
            await phone.stop()
        assert_tone(heard_file, 440.0)

    run_test(play())


@pytest.mark.interop
def test_call_says_busy_and_no_answer_by_its_exit_code(tmp_path: Path) -> None:
    async def play() -> None:
        phone = await Baresip.start(tmp_path / "p", microphone=write_tone(tmp_path / "440.wav", 440.0))
        try:
            calling = asyncio.create_task(voipnode("call", phone.uri, cwd=tmp_path))
            await phone.event("CALL_INCOMING")
            phone.command("hangup")
            assert (await calling)[0] == ExitCode.BUSY
            code, _ = await voipnode("call", phone.uri, "--timeout", "1", cwd=tmp_path)
            assert code == ExitCode.NO_ANSWER
        finally:
            await phone.stop()

    run_test(play())


def test_call_to_nobody_and_to_nonsense(tmp_path: Path) -> None:
    code, said = run_command("call", f"sip:x@127.0.0.1:{free_port()}", cwd=tmp_path)
    assert code == ExitCode.UNREACHABLE, said
    code, said = run_command("call", "sip:a b@c", cwd=tmp_path)
    assert code == ExitCode.USAGE
    assert "sip:anna@192.168.1.20" in said
    code, said = run_command("call", "sip:x@127.0.0.1", "--play", "missing.wav", cwd=tmp_path)
    assert code == ExitCode.USAGE
    assert "missing.wav" in said


def test_replay_tells_whether_the_node_does_what_it_did(tmp_path: Path) -> None:
    code, said = run_command("replay", PCAPS / "dtmf-info-linphone.pcap", "--record", tmp_path / "r.wav", cwd=tmp_path)
    assert code == 0
    assert "digit 1 by info" in said
    assert (tmp_path / "r.wav").stat().st_size > 1000
    (tmp_path / "x.pcap").write_bytes(b"nonsense")
    code, said = run_command("replay", tmp_path / "x.pcap", cwd=tmp_path)
    assert code == ExitCode.FAILED
    code, said = run_command("replay", PCAPS / "busy-baresip.pcap", "--node", "127.0.0.1", cwd=tmp_path)
    assert code == ExitCode.FAILED
    assert "HOST:PORT" in said


def test_run_refuses_bad_settings_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "voipnode.toml").write_text("[sip]\nport = 80\n")
    code, said = run_command("run", "--state-dir", tmp_path / "state", cwd=tmp_path)
    assert code == ExitCode.SETTINGS
    assert "sip.port" in said
    assert not (tmp_path / "state").exists()
