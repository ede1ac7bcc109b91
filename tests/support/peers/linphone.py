"""linphonec as a phone: steered by typing, plays a file, records what it hears."""

from __future__ import annotations

from pathlib import Path

from tests.support.free_ports import free_port, rtp_range
from tests.support.peers.process import PeerProcess, need

RC = """\
[sip]
sip_port={sip_port}
sip_tcp_port={tcp_port}
sip_tls_port={tls_port}
bind_address=127.0.0.1
use_ipv6=0
default_proxy={proxy}
contact=sip:{user}@127.0.0.1
guess_hostname=0
use_info={info}
use_rfc2833={rtp}
root_ca={ca}
verify_server_certs={verify}
[rtp]
audio_rtp_port={rtp_port}
[net]
mtu=1300
"""
REGISTERED = """[proxy_0]
reg_proxy=<sip:{server}>
reg_identity=sip:{user}@{domain}
reg_expires=60
reg_sendregister=1
publish=0
[auth_info_0]
username={user}
passwd={password}
realm={realm}
"""


class Linphone:
    """One linphonec. `uri` is where it is called; `digits_by` is "rtp" or "info"."""

    def __init__(self, folder: Path, process: PeerProcess, sip_port: int, user: str) -> None:
        self.process = process
        self.uri = f"sip:{user}@127.0.0.1:{sip_port}"
        self._heard = folder / "heard.wav"

    @classmethod
    async def start(
        cls,
        folder: Path,
        *,
        microphone: Path,
        auto_answer: bool = False,
        digits_by: str = "rtp",
        server: str = "",
        domain: str = "pbx.test",
        user: str = "bob",
        password: str = "bobpw",
        realm: str = "",
        more: str = "",
        ca: Path | None = None,
    ) -> Linphone:
        """Start it; with `server` it is `user`@`domain` there, "127.0.0.1:5070" or "localhost:5071;transport=tls", and
        answers challenges of `realm`, which is the domain's where nothing is said. `more` are more settings.

        It checks the server's certificate against `ca`, and takes no IP address for a name. That it has registered the
        server knows (`Kamailio.registered`).
        """
        need("linphonec")
        (folder / ".local" / "share" / "linphone").mkdir(parents=True, exist_ok=True)
        sip_port = free_port()
        text = RC.format(
            sip_port=sip_port,
            tcp_port=sip_port if server else 0,
            tls_port=sip_port + 1 if server else 0,
            rtp_port=rtp_range(),
            info=int(digits_by == "info"),
            rtp=int(digits_by == "rtp"),
            proxy=0 if server else -1,
            ca=ca or "",
            verify=int(ca is not None),
            user=user,
        )
        if server:
            account = {"user": user, "password": password, "realm": realm or domain}
            text += REGISTERED.format(server=server, domain=domain, **account)
        (folder / "rc").write_text(text + more)
        process = await PeerProcess.start("linphonec", "-c", folder / "rc", cwd=folder, env={"HOME": str(folder)})
        phone = cls(folder, process, sip_port, user)
        phone.say("soundcard use files")
        phone.say(f"play {microphone}")
        phone.say(f"record {phone._heard}")
        if auto_answer:
            phone.say("autoanswer enable")
        phone.say("status register")
        try:
            await process.line_with("registered=", "identity=")
        except AssertionError:
            await phone.stop()
            raise
        return phone

    def say(self, command: str) -> None:
        """Type a command: answer, terminate, call URI, a digit, ..."""
        self.process.say(command)

    def heard(self) -> Path:
        """The recording of what it heard; complete once the call is over."""
        return self._heard

    async def stop(self) -> None:
        if self.process.process.returncode is None:
            self.say("quit")
        await self.process.stop()
