"""What can be put under load: this node, and baresip beside it as a yardstick. Each answers by itself at a UDP port."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import wave
from dataclasses import dataclass
from pathlib import Path

READY_S = 30.0
NODE_SETTINGS = """\
[sip]
hosts = ["127.0.0.1"]
port = {sip_port}
rtp_start_port = 20000
max_calls = 3000
access = {{ source_per_s = 0, total_per_s = 0 }}
qos = {{ real_time = {real_time} }}
tls = {{ enabled = false }}

[[accounts]]
auto_answer = true
audio_direction = "{audio}"
{account}
{more}
[web]
port = {web_port}

[audio]
device = "files"
microphone = "{microphone}"

[log]
level = "{log_level}"
"""
BARESIP_CONFIG = """\
poll_method epoll
call_local_timeout 120
call_max_calls 1000
sip_listen 127.0.0.1:{sip_port}
audio_source aufile,{microphone}
audio_player aubridge,sink
audio_alert aubridge,sink
audio_path /usr/share/baresip
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
rtp_ports 20000-24000
rtcp_mux no
net_interface 127.0.0.1
module_path /usr/lib/baresip/modules
module g711.so
module g722.so
module srtp.so
module aufile.so
module aubridge.so
module_tmp account.so
module_app menu.so
"""


class BenchmarkError(Exception):
    """The benchmark cannot be run; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What the kernel says of a process: seconds since the load began, resident memory, processor time so far.

    `waited_s`: how long it has been ready to run and had no core, because others had it. `stolen_s`: how long the
    first core, which it is kept on, was with another machine of the same host, however ready it was.
    """

    at_s: float
    rss_mb: float
    cpu_s: float
    waited_s: float
    stolen_s: float


class Subject:
    """A running program that answers calls to `sip:door@127.0.0.1:sip_port`."""

    def __init__(
        self, name: str, process: subprocess.Popen[bytes], sip_port: int, log: Path, web_port: int = 0
    ) -> None:
        self.name = name
        self.sip_port = sip_port
        self.web_port = web_port
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        return self._process.pid

    def sample(self, since: float) -> Sample:
        """Its memory and processor time now (proc(5)); of the process itself, not of its children."""
        if self._process.poll() is not None:
            raise BenchmarkError(f"{self.name} ended with {self._process.returncode}: {self._last_words()}")
        proc = Path("/proc") / str(self._process.pid)
        # The second field is the program's name in brackets, which may hold blanks.
        fields = (proc / "stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])  # utime, stime
        pages = int((proc / "statm").read_text().split()[1])
        return Sample(
            at_s=time.monotonic() - since,
            rss_mb=pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
            cpu_s=ticks / os.sysconf("SC_CLK_TCK"),
            waited_s=_waited_ns(proc) / 1e9,
            stolen_s=_stolen_ticks() / os.sysconf("SC_CLK_TCK"),
        )

    def wait_for(self, words: str) -> Subject:
        """Wait until its output holds these words."""
        give_up_at = time.monotonic() + READY_S
        while words not in self._log.read_text(errors="replace"):
            if time.monotonic() > give_up_at or self._process.poll() is not None:
                self.stop()
                raise BenchmarkError(f"{self.name} does not start: {self._last_words()}")
            time.sleep(0.05)
        return self

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _last_words(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-10:])


def start_node(
    folder: Path,
    *,
    audio: str,
    log_level: str,
    account: str = "",
    microphone: str = "silence",
    real_time: bool = False,
    more: str = "",
) -> Subject:
    """`voipnode run`: answers every call; `audio` is "none" for signalling only, "both" for sound as well.

    `account` are more lines of its account's settings, `more` other sections, `microphone` is what the door says.
    `real_time`: it runs before ordinary programs.
    """
    folder.mkdir(parents=True)
    sip_port, web_port = free_port(), free_port()
    settings = folder / "voipnode.toml"
    settings.write_text(
        NODE_SETTINGS.format(
            sip_port=sip_port,
            web_port=web_port,
            audio=audio,
            log_level=log_level,
            account=account,
            more=more,
            microphone=microphone,
            real_time=str(real_time).lower(),
        )
    )
    command = [
        sys.executable,
        "-m",
        "voipnode",
        "run",
        "--settings",
        str(settings),
        "--state-dir",
        str(folder / "state"),
    ]
    return start_program("voipnode", command, sip_port, folder / "output.log", web_port).wait_for("is running")


def start_baresip(folder: Path, *, account: str = "audio_codecs=PCMU,PCMA", microphone_s: int = 10) -> Subject:
    """baresip: answers every call, and sends `microphone_s` seconds of silence as RTP, once in each call.

    `account` are the parameters of its account.
    """
    need("baresip")
    folder.mkdir(parents=True)
    sip_port = free_port()
    microphone = folder / "microphone.wav"
    with wave.open(str(microphone), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(2 * 8000 * microphone_s))
    (folder / "config").write_text(BARESIP_CONFIG.format(sip_port=sip_port, microphone=microphone))
    account = f"<sip:door@127.0.0.1:{sip_port}>;regint=0;answermode=auto;{account}\n"
    (folder / "accounts").write_text(account)
    (folder / "contacts").write_text("")
    command = ["baresip", "-4", "-f", str(folder)]
    return start_program("baresip", command, sip_port, folder / "output.log").wait_for("baresip is ready")


def start_program(name: str, command: list[str], sip_port: int, log: Path, web_port: int = 0) -> Subject:
    """Run it on the first core, its output in `log`."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*on_core(0), *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "COLUMNS": "200"},
        )
    return Subject(name, process, sip_port, log, web_port)


def _waited_ns(proc: Path) -> int:
    """The second number of schedstat, of the main thread; 0 where the kernel does not count it."""
    try:
        return int((proc / "schedstat").read_text().split()[1])
    except (OSError, IndexError):
        return 0


def _stolen_ticks() -> int:
    """The eighth number of a core's line in /proc/stat (proc(5))."""
    core = f"cpu{min(os.sched_getaffinity(0))} "
    lines = Path("/proc/stat").read_text().splitlines()
    return next((int(line.split()[8]) for line in lines if line.startswith(core)), 0)


def on_core(number: int) -> list[str]:
    """The command that keeps a program on one core, so that caller and called do not take each other's."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2 or shutil.which("taskset") is None:
        return []
    return ["taskset", "--cpu-list", str(cores[number])]


def need(program: str) -> None:
    """Raise BenchmarkError where a program is not installed."""
    if shutil.which(program) is None:
        raise BenchmarkError(f"{program} is not installed (Debian: sip-tester, baresip, tshark)")


def free_port() -> int:
    """A port of loopback that is free for UDP and TCP now."""
    while True:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
        ):
            tcp.bind(("127.0.0.1", 0))
            port: int = tcp.getsockname()[1]
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
