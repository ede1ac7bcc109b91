"""Records pcaps/ anew: a node, real phones and real servers on loopback, `make captures`.

Each scenario is a short call or registration; what each capture must show stands in pcaps/README.md and tests/replay.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.aio import run_test, within
from tests.support.capture_net import Capture
from tests.support.certificates import Authority
from tests.support.free_ports import free_port, rtp_range
from tests.support.node import Node
from tests.support.peers.baresip import Baresip
from tests.support.peers.coturn import PASSWORD, USER, Coturn
from tests.support.peers.kamailio import USERS, Kamailio
from tests.support.peers.linphone import Linphone
from tests.support.running import running
from tests.support.wav_files import write_tone, write_wav

PCAPS = Path(__file__).resolve().parents[2] / "pcaps"
TALK_S = 2.0
PBX_HOST = "127.0.0.2"
Scenario = Callable[[Path], Coroutine[Any, Any, None]]


async def _record(name: str, node: Node, play: Callable[[], Awaitable[None]]) -> None:
    async with _capturing(name, f"udp port {node.sip_port} or {_media(node.rtp_start)}"):
        await play()
        await node.event("call.changed", state="Terminated", after=0)


@asynccontextmanager
async def _capturing(name: str, ports: str) -> AsyncIterator[None]:
    """Everything on these ports until the end of the block, and no byte of anybody else's."""
    capture = await Capture.start(PCAPS / f"{name}.pcap", ports)
    try:
        yield
    finally:
        await capture.stop()


def _media(rtp_start: int) -> str:
    return f"udp portrange {rtp_start}-{rtp_start + 20}"


def _new_keys(name: str) -> Path:
    """Where the node is to write the keys of that capture's TLS; nothing stands there yet."""
    keys = PCAPS / f"{name}.keys"
    keys.unlink(missing_ok=True)
    return keys


def _account(registrar: str, more: str) -> str:
    return (
        f'[[accounts]]\nname = "PBX"\ntype = "registered"\ndefault = true\nuser_id = "door"\ndomain = "pbx.test"\n'
        f'registrar = "{registrar}"\npassword = "{USERS["door"]}"\n{more}'
    )


async def p2p_call_baresip(folder: Path) -> None:
    """The button rings baresip, which answers, talks for 2 s and hangs up."""
    phone = await Baresip.start(folder / "phone", microphone=write_tone(folder / "440.wav", 440.0))
    node = await Node.start(folder / "node", audio='device = "files"\nmicrophone = "tone:1000"')

    async def play() -> None:
        await node.press(phone.uri)
        await phone.event("CALL_INCOMING")
        phone.command("accept")
        await phone.event("CALL_RTPESTAB")
        await asyncio.sleep(TALK_S)
        phone.command("hangup")

    try:
        await _record("p2p-call-baresip", node, play)
    finally:
        await node.stop()
        await phone.stop()


async def ice_call_baresip(folder: Path) -> None:
    """The button rings baresip, which answers with ICE; its packets come from an address that only its checks show."""
    phone = await Baresip.start(
        folder / "phone",
        microphone=write_tone(folder / "440.wav", 440.0),
        answer="auto",
        modules=("stun", "ice"),
        media="medianat=ice",
    )
    audio = 'device = "files"\nmicrophone = "tone:1000"'
    node = await Node.start(folder / "node", audio=audio, more="[sip.ice]\nenabled = true\n")

    async def play() -> None:
        await node.press(phone.uri)
        await node.event("call.path", chosen=True)
        await phone.event("CALL_RTPESTAB")
        await asyncio.sleep(TALK_S)
        phone.command("hangup")

    try:
        await _record("ice-call-baresip", node, play)
    finally:
        await node.stop()
        await phone.stop()


async def g722_call_baresip(folder: Path) -> None:
    """The button rings baresip, which takes G.722 alone, says 3 kHz and 6 kHz for 2 s and hangs up."""
    both = 0.15 * sum(np.sin(2 * np.pi * hz * np.arange(20 * 48000) / 48000) for hz in (3000, 6000))
    microphone = write_wav(folder / "both.wav", both, 48000)
    phone = await Baresip.start(folder / "phone", microphone=microphone, answer="auto", codecs="G722/16000/1")
    await _call(folder, "g722-call-baresip", phone)


async def opus_call_baresip(folder: Path) -> None:
    """The button rings baresip, which takes Opus alone, says 440 Hz for 2 s, presses 5 and hangs up."""
    microphone = write_tone(folder / "440.wav", 440.0)
    phone = await Baresip.start(folder / "phone", microphone=microphone, answer="auto", codecs="opus/48000/2")
    await _call(folder, "opus-call-baresip", phone, digit="5")


async def _call(folder: Path, name: str, phone: Baresip, digit: str = "") -> None:
    node = await Node.start(folder / "node", audio='device = "files"\nmicrophone = "tone:1000"')

    async def play() -> None:
        await node.press(phone.uri)
        await phone.event("CALL_RTPESTAB")
        await asyncio.sleep(TALK_S)
        if digit:
            phone.command("sndcode", digit)
            await node.event("dtmf.received", digit=digit)
            await asyncio.sleep(0.5)
        phone.command("hangup")

    try:
        await _record(name, node, play)
    finally:
        await node.stop()
        await phone.stop()


async def srtp_sdes_baresip(folder: Path) -> None:
    """The button rings baresip, both encrypt by keys in the SDP; it talks for 2 s and hangs up."""
    tone = write_tone(folder / "440.wav", 440.0)
    more = '[[accounts]]\ndefault = true\nmedia_encryption = "mandatory"\nmedia_keying = ["sdes"]\n'
    async with (
        running(
            Baresip.start(
                folder / "phone", microphone=tone, answer="auto", modules=("srtp",), media="mediaenc=srtp-mand"
            )
        ) as phone,
        running(
            Node.start(
                folder / "node",
                audio='device = "files"\nmicrophone = "tone:1000"',
                more=more + "sdes_in_clear_signalling = true\n",
            )
        ) as node,
    ):
        sip_port = phone.tls_port - 1  # UDP, or TCP where keys make an INVITE too long for a datagram
        async with _capturing("srtp-sdes-baresip", f"port {sip_port} or {_media(node.rtp_start)}"):
            await node.press(phone.uri)
            await phone.event("CALL_RTPESTAB")
            await asyncio.sleep(TALK_S)
            phone.command("hangup")
            await node.event("call.changed", state="Terminated")


async def dtls_call_baresip(folder: Path) -> None:
    """The button rings baresip, keys come by DTLS, and are written down; it talks for 2 s and hangs up."""
    name = "dtls-call-baresip"
    tone, keys = write_tone(folder / "440.wav", 440.0), _new_keys(name)
    more = '[[accounts]]\ndefault = true\nmedia_encryption = "mandatory"\nmedia_keying = ["dtls"]\n'
    async with (
        running(
            Baresip.start(
                folder / "phone", microphone=tone, answer="auto", modules=("dtls_srtp",), media="mediaenc=dtls_srtp"
            )
        ) as phone,
        running(
            Node.start(
                folder / "node",
                audio='device = "files"\nmicrophone = "tone:1000"',
                tls=f'key_log = "{keys}"',
                more=more,
            )
        ) as node,
    ):
        sip_port = phone.tls_port - 1
        async with _capturing(name, f"port {sip_port} or {_media(node.rtp_start)}"):
            await node.press(phone.uri)
            await phone.event("CALL_RTPESTAB")
            await asyncio.sleep(TALK_S)
            phone.command("hangup")
            await node.event("call.changed", state="Terminated")


async def turn_call_baresip(folder: Path) -> None:
    """The button rings baresip, whose router lets nothing in, so to speak: all sound goes by a TURN server, by UDP."""
    certificate = Authority(folder / "ca").issue("localhost")
    port, first = free_port(), rtp_range()
    more = (
        "[sip.nat]\nlocal_networks = []\n"
        f'[[sip.turn]]\nserver = "{PBX_HOST}:{port}"\nusername = "{USER}"\npassword = "{PASSWORD}"\n'
    )
    relays = Coturn.start(
        folder / "coturn",
        host=PBX_HOST,
        certificate=certificate,
        port=port,
        tls_port=free_port(),
        relays=(first, first + 199),
        more="allow-loopback-peers",
    )
    tone = write_tone(folder / "440.wav", 440.0)
    async with (
        running(relays),
        running(Baresip.start(folder / "phone", microphone=tone, answer="auto")) as phone,
        running(Node.start(folder / "node", audio='device = "files"\nmicrophone = "tone:1000"', more=more)) as node,
    ):
        sip_port = phone.tls_port - 1
        async with _capturing("turn-call-baresip", f"port {sip_port} or udp port {port}"):
            await node.press(phone.uri)
            await phone.event("CALL_RTPESTAB")
            await asyncio.sleep(TALK_S)
            phone.command("hangup")
            await node.event("call.changed", state="Terminated")


async def dtmf_rfc4733_baresip(folder: Path) -> None:
    """The button rings baresip, which answers and presses 1, 5 and #."""
    phone = await Baresip.start(folder / "phone", microphone=write_tone(folder / "440.wav", 440.0), answer="auto")
    node = await Node.start(folder / "node")

    async def play() -> None:
        await node.press(phone.uri)
        await phone.event("CALL_RTPESTAB")
        for digit in "15#":
            phone.command("sndcode", digit)
            await node.event("dtmf.received", digit=digit)
            await asyncio.sleep(0.5)
        phone.command("hangup")

    try:
        await _record("dtmf-rfc4733-baresip", node, play)
    finally:
        await node.stop()
        await phone.stop()


async def dtmf_info_linphone(folder: Path) -> None:
    """The button rings linphonec, which answers and sends 1 and 9 by INFO; the node hangs up."""
    phone = await Linphone.start(
        folder / "phone", microphone=write_tone(folder / "440.wav", 440.0), auto_answer=True, digits_by="info"
    )
    node = await Node.start(folder / "node")

    async def play() -> None:
        await node.press(phone.uri)
        call = await node.event("call.changed", state="Active")
        for digit in "19":
            phone.say(digit)
            await node.event("dtmf.received", digit=digit)
        await node.client.delete(f"/api/v1/calls/{call['call']}")

    try:
        await _record("dtmf-info-linphone", node, play)
    finally:
        await node.stop()
        await phone.stop()


async def cancelled_call_baresip(folder: Path) -> None:
    """The button rings baresip; before anybody answers, the node gives up."""
    phone = await Baresip.start(folder / "phone", microphone=write_tone(folder / "440.wav", 440.0))
    node = await Node.start(folder / "node")

    async def play() -> None:
        await node.press(phone.uri)
        call = await node.event("call.changed", state="Ringing")
        await asyncio.sleep(0.5)
        await node.client.delete(f"/api/v1/calls/{call['call']}")

    try:
        await _record("cancelled-call-baresip", node, play)
    finally:
        await node.stop()
        await phone.stop()


async def busy_baresip(folder: Path) -> None:
    """The button rings baresip, which refuses with 486."""
    phone = await Baresip.start(folder / "phone", microphone=write_tone(folder / "440.wav", 440.0))
    node = await Node.start(folder / "node")

    async def play() -> None:
        await node.press(phone.uri)
        await phone.event("CALL_INCOMING")
        phone.command("hangup")

    try:
        await _record("busy-baresip", node, play)
    finally:
        await node.stop()
        await phone.stop()


async def incoming_call_baresip(folder: Path) -> None:
    """baresip calls the door, which answers by itself; baresip presses 1, which opens nothing, and hangs up."""
    phone = await Baresip.start(folder / "phone", microphone=write_tone(folder / "440.wav", 440.0))
    node = await Node.start(
        folder / "node", audio='device = "files"\nmicrophone = "tone:1000"', more="[[accounts]]\nauto_answer = true"
    )

    async def play() -> None:
        phone.command("dial", node.uri)
        await phone.event("CALL_RTPESTAB")
        await asyncio.sleep(TALK_S)
        phone.command("sndcode", "1")
        await node.event("dtmf.received", digit="1")
        await asyncio.sleep(0.5)
        phone.command("hangup")

    try:
        await _record("incoming-call-baresip", node, play)
    finally:
        await node.stop()
        await phone.stop()


async def _last_cseq(pbx: Kamailio) -> int:
    """The number of the door's last REGISTER that was taken."""
    found = await pbx.rpc("ul.lookup", "location", "door")
    return int(found["Contacts"][0]["Contact"]["CSeq"])


async def register_kamailio(folder: Path) -> None:
    """The node registers for 3 s with a nonce that is good for 1 s, refreshes twice, and leaves."""
    start = Kamailio.start(folder / "pbx", host=PBX_HOST, max_expires_s=3, nonce_expire_s=1)
    async with running(start) as pbx, _capturing("register-kamailio", f"udp port {pbx.port}"):
        registrar = f"{pbx.host}:{pbx.port}"
        async with running(Node.start(folder / "node", more=_account(registrar, ""))) as node:
            await node.account("registered")
            first = await _last_cseq(pbx)
            async with within(15, "two refreshes"):
                while await _last_cseq(pbx) < first + 4:  # most are refused once for their nonce
                    pass


async def failover_kamailio(folder: Path) -> None:
    """The primary is frozen, the secondary takes over, the node returns to the primary once it lives again."""
    async with (
        running(Kamailio.start(folder / "a", host=PBX_HOST)) as first,
        running(Kamailio.start(folder / "b", host=PBX_HOST)) as second,
        _capturing("failover-kamailio", f"udp port {first.port} or udp port {second.port}"),
    ):
        at = [f"{pbx.host}:{pbx.port}" for pbx in (first, second)]
        more = (
            "keep_alive_interval_s = 1\nresponse_timeout_s = 1.5\nfailback_s = 3\n"
            f'secondary = {{ registrar = "{at[1]}" }}'
        )
        async with running(Node.start(folder / "node", more=_account(at[0], more))) as node:
            await node.account("registered")
            await asyncio.sleep(1.0)  # so that the server is known to answer OPTIONS
            first.freeze()
            await node.event("registration.changed", state="registered", server=at[1])
            first.thaw()
            mark = len(node.events)
            await node.event("registration.changed", state="registered", server=at[0], after=mark)
            await asyncio.sleep(1.5)


async def tls_call_kamailio(folder: Path) -> None:
    """The node registers by TLS and rings a user, who answers, presses 1 and hangs up; the node leaves."""
    name = "tls-call-kamailio"
    authority, keys = Authority(folder / "ca"), _new_keys(name)
    certificate = authority.issue("pbx.test", PBX_HOST)
    tls_port, rtp_start = free_port(), rtp_range()  # Kamailio connects to the node too
    tone = write_tone(folder / "440.wav", 440.0)
    async with running(Kamailio.start(folder / "pbx", host=PBX_HOST, certificate=certificate)) as pbx:
        server = f"{PBX_HOST}:{pbx.port}"
        bob_start = Baresip.start(folder / "bob", microphone=tone, user="bob", password=USERS["bob"], servers=(server,))
        more = _account(f"{PBX_HOST}:{pbx.tls_port}", f'transport = "tls"\nca = "{authority.ca}"')
        async with (
            running(bob_start) as bob,
            _capturing(name, f"tcp port {pbx.tls_port} or tcp port {tls_port} or {_media(rtp_start)}"),
            running(
                Node.start(
                    folder / "node", tls=f'key_log = "{keys}"', more=more, tls_port=tls_port, rtp_start=rtp_start
                )
            ) as node,
        ):
            await node.account("registered")
            await bob.registered()
            bob.command("uafind", f"sip:bob@{server}")
            await node.press("bob")
            await bob.event("CALL_INCOMING")
            bob.command("accept")
            await node.event("call.changed", state="Active")
            bob.command("sndcode", "1")
            await node.event("dtmf.received", digit="1")
            await asyncio.sleep(0.5)
            bob.command("hangup")
            await node.event("call.changed", state="Terminated")


async def tls_call_baresip(folder: Path) -> None:
    """baresip calls the node by TLS and hangs up; the node rings baresip by TLS, which answers, presses 1; BYE."""
    name = "tls-call-baresip"
    authority, keys = Authority(folder / "ca"), _new_keys(name)
    certificate = authority.issue("127.0.0.1", "localhost")
    tone = write_tone(folder / "440.wav", 440.0)
    more = f'[[accounts]]\ndefault = true\nauto_answer = true\nca = "{authority.ca}"\n'
    async with (
        running(Baresip.start(folder / "phone", microphone=tone, certificate=certificate)) as phone,
        running(Node.start(folder / "node", tls=f'key_log = "{keys}"', more=more)) as node,
        _capturing(name, f"tcp port {node.tls_port} or tcp port {phone.tls_port} or {_media(node.rtp_start)}"),
    ):
        phone.command("dial", f"sip:door@127.0.0.1:{node.tls_port};transport=tls")
        await phone.event("CALL_ESTABLISHED")
        await asyncio.sleep(0.5)
        phone.command("hangup")
        await node.event("call.changed", state="Terminated")
        mark = len(node.events)
        await node.press(f"sip:anna@localhost:{phone.tls_port};transport=tls")
        await phone.event("CALL_INCOMING")
        phone.command("accept")
        call = await node.event("call.changed", state="Active", after=mark)
        phone.command("sndcode", "1")
        await node.event("dtmf.received", digit="1")
        await asyncio.sleep(0.5)
        await node.client.delete(f"/api/v1/calls/{call['call']}")
        await node.event("call.changed", state="Terminated", after=mark)


SCENARIOS: tuple[Scenario, ...] = (
    p2p_call_baresip,
    ice_call_baresip,
    g722_call_baresip,
    opus_call_baresip,
    srtp_sdes_baresip,
    dtls_call_baresip,
    turn_call_baresip,
    dtmf_rfc4733_baresip,
    dtmf_info_linphone,
    cancelled_call_baresip,
    busy_baresip,
    incoming_call_baresip,
    register_kamailio,
    failover_kamailio,
    tls_call_kamailio,
    tls_call_baresip,
)


def main() -> None:
    """Record the scenarios named on the command line, or all."""
    wanted = set(sys.argv[1:])
    for scenario in SCENARIOS:
        if not wanted or scenario.__name__ in wanted:
            with tempfile.TemporaryDirectory() as folder:
                run_test(scenario(Path(folder)))
            print(f"recorded {scenario.__name__}")


if __name__ == "__main__":
    main()
