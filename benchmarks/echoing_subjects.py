"""The programs of `listening.py`: each answers a call by itself and sends back what it plays, as it is and at once."""

from __future__ import annotations

import sys
from pathlib import Path

from subjects import BARESIP_CONFIG, Subject, free_port, need, start_program

# A room without noise, whose loudspeaker is at its microphone.
NODE = """\
[sip]
hosts = ["127.0.0.1"]
port = {sip_port}
rtp_start_port = {rtp_port}
tls = {{ enabled = false }}

[[accounts]]
auto_answer = true
audio_direction = "both"
audio_codecs = ["PCMU"]

[web]
port = {web_port}

[audio]
device = "simulated"
rate_hz = 8000
echo_cancellation = false
noise_cancellation = false
automatic_gain_control = false
high_pass_hz = 0
room = {{ delay_ms = 0, echo_db = 0, rt60_ms = 0, noise_dbfs = -120, clip_dbfs = 40 }}
"""


def start_echoing_node(folder: Path) -> Subject:
    """`voipnode run` in a simulated room."""
    folder.mkdir(parents=True)
    sip_port, rtp_port = free_port(), free_port()
    settings = folder / "voipnode.toml"
    settings.write_text(NODE.format(sip_port=sip_port, rtp_port=min(rtp_port, 65000) // 2 * 2, web_port=free_port()))
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
    return start_program("voipnode", command, sip_port, folder / "output.log").wait_for("is running")


def start_echoing_baresip(folder: Path) -> Subject:
    """baresip with its player and its source joined by aubridge."""
    need("baresip")
    folder.mkdir(parents=True)
    sip_port = free_port()
    config = BARESIP_CONFIG.format(sip_port=sip_port, microphone="").replace(
        "audio_source aufile,", "audio_source aubridge,loop"
    )
    config = config.replace("audio_player aubridge,sink", "audio_player aubridge,loop")
    (folder / "config").write_text(config)
    (folder / "accounts").write_text(f"<sip:door@127.0.0.1:{sip_port}>;regint=0;answermode=auto;audio_codecs=PCMU\n")
    (folder / "contacts").write_text("")
    command = ["baresip", "-4", "-f", str(folder)]
    return start_program("baresip", command, sip_port, folder / "output.log").wait_for("baresip is ready")
