"""The messages of the API: what is sent and what comes back, with the words and examples of its description."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from voipnode.calls.events import CallReason, CallState, SpeakerState
from voipnode.web.ports import Input, Port

MAX_URI_CHARS = 256
MAX_RECIPIENTS = 6


def _address(text: str) -> str:
    """A SIP URI or host without blanks and control characters; whether it can be called, the call layer decides."""
    if not text or len(text) > MAX_URI_CHARS or not re.fullmatch(r"[^\s\x00-\x1f\x7f]+", text):
        raise ValueError(
            f"must be a SIP address such as sip:desk@192.0.2.10, at most {MAX_URI_CHARS} characters, no blanks"
        )
    return text


def _digits(text: str) -> str:
    if not re.fullmatch(r"[0-9A-Da-d#*]{1,32}", text):
        raise ValueError("must be 1 to 32 of the digits 0-9 A-D # *")
    return text.upper()


Address = Annotated[str, AfterValidator(_address)]
Digits = Annotated[str, AfterValidator(_digits)]


class Request(BaseModel):
    """Base of what is sent: what is not known is refused, never ignored."""

    model_config = ConfigDict(extra="forbid")


class PressRequest(Request):
    """A press of an input."""

    recipients: list[Address] = Field(
        [],
        max_length=MAX_RECIPIENTS,
        description="Rings these instead of the button's own recipients, for this press only",
        examples=[["sip:desk@192.0.2.10"]],
    )
    source: Literal["api", "panel"] = Field("api", description="Who pressed, for the event log")


class PressResult(BaseModel):
    call: str = Field(description="The id of the call that the press began, empty when it began none", examples=["c7"])


class TransferRequest(Request):
    """Where to send the other party of a call: exactly one of the two."""

    to: Address | None = Field(None, description="SIP address to call", examples=["sip:desk@192.0.2.10"])
    with_call: str | None = Field(
        None, min_length=1, max_length=128, description="Id of the call to join it with", examples=["c8"]
    )

    @model_validator(mode="after")
    def _one(self) -> TransferRequest:
        if (self.to is None) == (self.with_call is None):
            raise ValueError("either to or with_call must be given, and not both")
        return self


class CallRequest(Request):
    """A call to place."""

    to: Address = Field(description="SIP address to call", examples=["sip:desk@192.0.2.10"])
    account: str = Field("", max_length=128, description="Account to call from; empty: the default", examples=[""])


class CallCreated(BaseModel):
    id: str = Field(description="The id of the new call", examples=["c7"])


class DtmfRequest(Request):
    digits: Digits = Field(description="1 to 32 of 0-9 A-D # *", examples=["42#"])


class RoomRequest(Request):
    """What of the simulated room to change; the ranges are those of `[audio.room]`."""

    fault: str | None = Field(None, max_length=32, description="What is wrong with it", examples=["muffled"])
    delay_ms: float | None = Field(None, description="From loudspeaker to microphone", examples=[30.0])
    echo_db: float | None = Field(None, description="Level of the echo against the loudspeaker's", examples=[-12.0])
    rt60_ms: float | None = Field(None, description="Reverberation", examples=[150.0])
    noise_dbfs: float | None = Field(None, description="Level of its noise", examples=[-65.0])
    seed: int | None = Field(None, description="Another number is another room of the same kind", examples=[2])


class Call(BaseModel):
    """A call that goes on or ended lately."""

    id: str = Field(examples=["c7"])
    state: CallState = Field(examples=["Active"])
    reason: CallReason = Field(description="Why it entered this state", examples=["AcceptedByRemote"])
    direction: Literal["incoming", "outgoing"]
    remote: str = Field(description="The other party", examples=["sip:desk@192.0.2.10"])
    account: str = Field(examples=["peer to peer"])
    status: int = Field(description="The SIP status that led here, 0 for none", examples=[200])
    detail: str = Field(description="In words, for people", examples=["answered"])
    encryption: str = Field(
        description='Of the sound: "sdes" or "dtls" (how keys are agreed on), "none": in the clear, "": not agreed yet',
        examples=["sdes"],
    )
    cipher: str = Field(description="The SRTP suite in use", examples=["AES_CM_128_HMAC_SHA1_80"])
    rejected_packets: int = Field(description="Forged, replayed or malformed packets that SRTP kept out", examples=[0])
    path: str = Field(
        description="The pair of addresses that ICE found for the sound, ours first; empty: the call does without",
        examples=["srflx 198.51.100.1:50000 with relay 203.0.113.20:49152"],
    )
    path_found_ms: int = Field(description="How long it took until sound could go by one", examples=[180])
    began_utc: str = Field(examples=["2026-11-20T08:00:00.000Z"])
    active_s: float = Field(description="Seconds since it was answered, or that it lasted", examples=[12.5])


class Guardian(BaseModel):
    """The process that alone holds the outputs."""

    up: bool
    detail: str


class ProblemNote(BaseModel):
    """Something that a maintainer should read."""

    time: str = Field(examples=["2026-11-20T08:00:00.000Z"])
    where: str = Field(examples=["store"])
    detail: str


class Account(BaseModel):
    """A SIP account and how it stands with its server."""

    id: str = Field(description='Its name; "name#2" for the second one of that name', examples=["Office"])
    name: str = Field(examples=["Office"])
    type: str = Field(description='"peer_to_peer" or "registered"', examples=["registered"])
    user_id: str = Field(examples=["100"])
    default: bool = Field(description="Used for calls that name no account")
    active: bool
    state: str = Field(
        description='"registered", "registering", "problem", or "unregistered": it does not register',
        examples=["registered"],
    )
    status: int = Field(description="The SIP status behind the state, 0 for none", examples=[200])
    reason: str = Field(description="In words, for an installer", examples=["registered at pbx.example.com"])
    server: str = Field(description="The server that has the registration", examples=["192.0.2.5:5060"])
    expires_s: int = Field(description="Validity that the server granted, in seconds", examples=[600])


class AccountId(BaseModel):
    id: str = Field(description="The id of the account; another one when it was renamed", examples=["PBX"])


class Node(BaseModel):
    """What this node is."""

    name: str = Field(description="Name on the plate", examples=["Main entrance"])
    version: str = Field(examples=["0.1.0"])
    started_utc: str = Field(examples=["2026-11-20T08:00:00.000Z"])
    previous: str = Field(description="How the run before ended, empty on the first", examples=["stopped cleanly"])
    sip_addresses: list[str] = Field(
        description="Addresses that this node can be called at", examples=[["sip:192.0.2.20:5060"]]
    )
    audio: str = Field(description="The audio device", examples=["simulated"])
    accounts: list[Account] = Field(description="SIP accounts")
    inputs: list[str] = Field(description="Inputs that can be pressed", examples=[["button"]])


class SoundRequest(Request):
    """What to change about the door's sound; what is not sent stays."""

    input_muted: bool | None = Field(None, description="Mute the microphone", examples=[True])
    input_gain_db: float | None = Field(None, description="-40 to 30", examples=[6.0])
    output_muted: bool | None = Field(None, description="Mute the loudspeaker")
    output_gain_db: float | None = Field(None, description="-40 to 30", examples=[-6.0])
    echo_cancellation: bool | None = None
    noise_cancellation: bool | None = None
    noise_reduction_db: float | None = Field(None, description="By how much at most, 3 to 40", examples=[18.0])
    automatic_gain_control: bool | None = None
    target_dbfs: float | None = Field(None, description="The level of speech it aims at, -40 to -6", examples=[-20.0])


class Sound(BaseModel):
    """How the door's sound is treated, unless an account wants it otherwise."""

    input_enabled: bool = Field(description="false: there is no microphone, by the settings")
    input_muted: bool
    input_gain_db: float = Field(examples=[0.0])
    output_muted: bool
    output_gain_db: float = Field(examples=[0.0])
    echo_cancellation: bool
    noise_cancellation: bool
    noise_reduction_db: float = Field(examples=[18.0])
    automatic_gain_control: bool
    target_dbfs: float = Field(examples=[-20.0])


class SoundNow(BaseModel):
    """What is heard at the door now. Levels are in dBFS of a sine, -120 is silence; all is silence outside calls."""

    echo_cancellation: bool = Field(description="In force, with what the accounts of the present calls want")
    noise_cancellation: bool
    automatic_gain_control: bool
    input_dbfs: float = Field(description="What the microphone hears", examples=[-31.5])
    input_peak_dbfs: float = Field(examples=[-18.0])
    far_dbfs: float = Field(description="What the loudspeaker plays", examples=[-24.0])
    output_dbfs: float = Field(description="What the calls are sent", examples=[-21.0])
    noise_dbfs: float | None = Field(description="The noise around the microphone", examples=[-58.0])
    speech_probability: float | None = Field(description="Whether somebody speaks there, 0 to 1", examples=[0.9])
    erle_db: float | None = Field(description="By how much the echo canceller softens the echo", examples=[32.0])
    delay_ms: float | None = Field(description="How late the echo is; null: not known", examples=[24.0])
    drift_ppm: float = Field(description="By how much the microphone's clock is the faster one", examples=[12.0])
    gain_db: float = Field(description="Of the automatic gain control", examples=[4.5])
    limited_db: float = Field(description="What the limiter takes away", examples=[0.0])
    latency_ms: float = Field(description="By how much all this delays the microphone", examples=[10.0])


class SoundLevel(BaseModel):
    """How loud it is at the door."""

    above: bool = Field(description="Louder than the threshold, or not quiet for long enough since")
    level: int = Field(description="0 is very soft, 100 is full scale", examples=[31])
    threshold: int = Field(description="The level that is set", examples=[50])
    level_dbfs: float = Field(description="The level in dBFS of a sine", examples=[-55.4])


class SpeakerTestResult(BaseModel):
    """A test; lists have a number for each third octave."""

    verdict: str = Field(
        description='"ok", "moved", "muffled", "rattling", "weak", "dead loudspeaker", "dead microphone" or'
        ' "too noisy to tell"',
        examples=["muffled"],
    )
    words: str = Field(examples=["it sounds muffled: high tones are 14 dB lower against deep ones; is it covered?"])
    trigger: str = Field(description="Who wanted it", examples=["schedule"])
    runs: int = Field(description="How often it was measured until it was clear", examples=[2])
    bands_hz: list[float] = Field(examples=[[100.0, 125.0]])
    level_db: list[float] = Field(description="The microphone over what was played")
    change_db: list[float] = Field(description="Against the calibration")
    tolerance_db: list[float]
    snr_db: list[float] = Field(description="Signal to noise")
    counts: list[bool] = Field(description="false: too much noise in this band for a judgement")
    offset_db: float = Field(description="The change of all bands together", examples=[-0.3])
    delay_ms: float = Field(description="From loudspeaker to microphone, device and all", examples=[63.1])
    drift_ppm: float = Field(description="By how much the microphone's clock is the faster one")
    distortion_db: float = Field(description="All harmonics over the fundamental", examples=[-42.0])
    harmonics_db: list[float] = Field(description="Orders 2 to 5 of them")
    noise_dbfs: float = Field(description="The noise around", examples=[-58.0])
    sameness: float = Field(description="How alike the early response is, 0 to 1", examples=[0.998])


class SpeakerTestStatus(BaseModel):
    """How the test of the door's loudspeaker stands."""

    state: SpeakerState = Field(examples=["OK"])
    words: str = Field(examples=["it sounds as it did: within 0.3 dB"])
    verdict: str = Field(description="Of the last test; empty before the first", examples=["ok"])
    calibrated_utc: str = Field(examples=["2026-11-20T08:00:00+00:00"])
    tested_utc: str
    next_utc: str = Field(description="When the next test is due by the schedule; empty: never")
    last: SpeakerTestResult | None = Field(description="The last test since the node started")


class Status(BaseModel):
    """Everything at once."""

    node: Node
    light: str = Field(description='"off", "amber", "amber-flash", "blue", "green" or "red"', examples=["blue"])
    guardian: Guardian | None = Field(description="null until it has reported")
    calls: list[Call]
    ports: list[Port]
    inputs: list[Input]
    sound: Sound | None = Field(description="null where the node has no telephone line")
    sound_level: SoundLevel | None = Field(description="When it last passed the threshold; null: not yet, or not asked")
    speaker_test: SpeakerTestStatus | None = Field(description="null where the node has none")
    problems: list[ProblemNote] = Field(description="The newest, newest first")
    last_event_id: str = Field(description="Continue the event stream from here", examples=["5f1c2a90-41"])
