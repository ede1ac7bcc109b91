"""`voipnode call`: one call on a line of its own."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass
from pathlib import Path

import av
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.status import Status

from voipnode.calls.accounts import account_named
from voipnode.calls.commands import HangUp, PlaceCall, SendDtmf
from voipnode.calls.errors import CallError, NotNowError
from voipnode.calls.events import CallChanged, CallReason, CallState, DtmfReceived
from voipnode.calls.hooks import Bus, Commands, Tasks
from voipnode.calls.settings import AccountSettings, SipSettings
from voipnode.cli.check import load_or_complain
from voipnode.cli.console import errors
from voipnode.cli.exit_codes import ExitCode
from voipnode.door import Door
from voipnode.line import Line
from voipnode.modules.audio.module import make_device, recorded
from voipnode.modules.audio.settings import AudioSettings
from voipnode.net.loop import run
from voipnode.settings import NodeSettings

START_PORT = 20000  # clear of a node's own RTP ports on the same machine
AFTER_ANSWER_S = 0.5  # before the first digit, so that the far side's audio path is up
OUTCOMES = {
    CallReason.BUSY: ExitCode.BUSY,
    CallReason.NO_ANSWER: ExitCode.NO_ANSWER,
    CallReason.DENIED: ExitCode.REFUSED,
    CallReason.FAILED: ExitCode.UNREACHABLE,
}


@dataclass(frozen=True, slots=True)
class CallPlan:
    """What `voipnode call` was asked to do."""

    uri: str
    play: Path | None
    record: Path | None
    digits: str
    duration_s: float | None
    transport: str
    timeout_s: int
    codecs: tuple[str, ...] = ()  # (): those of the account


def place_call(plan: CallPlan, account: str = "", settings_path: Path | None = None) -> ExitCode:
    """Place the call, show its progress, return when it is over. `account`: as which one of the settings ("": none)."""
    if plan.transport not in ("udp", "tcp"):
        errors().print(f'[red]--transport "{escape(plan.transport)}": udp or tcp is needed[/red]')
        return ExitCode.USAGE
    if plan.play is not None and not plan.play.is_file():
        errors().print(f"[red]--play {escape(str(plan.play))}: there is no such file[/red]")
        return ExitCode.USAGE
    sip, caller = (
        SipSettings(),
        AccountSettings(default=True, user_id="voipnode", transport="tcp" if plan.transport == "tcp" else "udp"),
    )
    if account:
        settings = load_or_complain(settings_path)
        if settings is None:
            return ExitCode.SETTINGS
        try:
            caller = _account_of(settings, account)
        except CallError as error:
            errors().print(f"[red]--account: {escape(str(error))}[/red]")
            return ExitCode.USAGE
        sip = settings.sip
    if plan.codecs:
        try:
            wanted = AccountSettings(audio_codecs=plan.codecs).audio_codecs
        except ValidationError as error:
            words = error.errors()[0]["msg"].removeprefix("Value error, ")
            errors().print(f"[red]--codec: {escape(words)}[/red]")
            return ExitCode.USAGE
        caller = caller.model_copy(update={"audio_codecs": wanted})
    return run(_Caller(plan, sip, caller, errors()).call())


def _account_of(settings: NodeSettings, name: str) -> AccountSettings:
    """The active account of that id or name, as the default one. Raises UnknownNameError."""
    found = account_named(name, [account for account in settings.all_accounts if account.active])
    return found.model_copy(update={"default": True})


class _Caller:
    """Runs one call on a line of its own and follows it."""

    def __init__(self, plan: CallPlan, sip: SipSettings, account: AccountSettings, console: Console) -> None:
        self._plan = plan
        self._account = account
        self._sip = sip.model_copy(
            update={
                "enabled": True,
                "allow_incoming": False,
                "calling_timeout_s": plan.timeout_s,
                "max_call_duration_s": 3600,
                "rtp_start_port": START_PORT,
            }
        )
        self._console = console
        self._commands = Commands()
        self._over: asyncio.Future[CallChanged] | None = None
        self._tasks = Tasks("call")
        self._status: Status | None = None
        self._was_active = False
        self._id = ""
        self._played_s: float | None = None  # how long the file to play is

    async def call(self) -> ExitCode:
        plan, loop = self._plan, asyncio.get_running_loop()
        self._over = loop.create_future()
        bus = Bus(loop.time)
        bus.subscribe(CallChanged, self._changed, who="call")
        bus.subscribe(DtmfReceived, self._digit, who="call")
        try:
            self._played_s = await asyncio.to_thread(_length_s, plan.play) if plan.play else None
            audio = self._audio()
            device = recorded(make_device(audio, audio.rate_hz, bus), audio, bus)
            door = Door(device, bus, sound=audio.front_end)
            accounts = (self._account,)
            line = Line(
                self._sip,
                accounts,
                door=door,
                bus=bus,
                commands=self._commands,
                port=0,
                registers=False,
            )
            await line.open()
        except (CallError, OSError) as error:
            self._console.print(f"[red]{escape(str(error))}[/red]")
            return ExitCode.FAILED
        loop.add_signal_handler(signal.SIGINT, self._interrupted)
        try:
            with self._console.status(f"calling {escape(plan.uri)}") as self._status:
                self._id = await self._commands.execute(PlaceCall(to=plan.uri))
                return self._exit_code(await self._over)
        except CallError as error:
            self._console.print(f"[red]{escape(str(error))}[/red]")
            return ExitCode.UNREACHABLE if isinstance(error, NotNowError) else ExitCode.USAGE
        finally:
            await self._tasks.close()
            await line.close()

    def _audio(self) -> AudioSettings:
        return AudioSettings(
            device="files",
            microphone=str(self._plan.play) if self._plan.play else "silence",
            loudspeaker_recording=str(self._plan.record) if self._plan.record else "",
        )

    def _changed(self, event: CallChanged) -> None:
        words = event.detail
        if event.state is CallState.ACTIVE and event.cipher and event.cipher not in words:
            words += f", encrypted ({event.cipher}, {event.encryption.upper()})"
        line = f"{event.state.lower()}: {event.remote} {words}".strip()
        self._console.print(escape(line))
        if self._status is not None:
            self._status.update(escape(line))
        if event.state is CallState.ACTIVE:
            self._was_active = True
            self._tasks.start(self._in_call(event.call))
        elif event.state is CallState.TERMINATED and self._over is not None and not self._over.done():
            self._over.set_result(event)

    def _digit(self, event: DtmfReceived) -> None:
        self._console.print(f"digit received: {event.digit}")

    async def _in_call(self, call: str) -> None:
        plan, loop = self._plan, asyncio.get_running_loop()
        answered_at = loop.time()
        if plan.digits:
            await asyncio.sleep(AFTER_ANSWER_S)
            try:
                await self._commands.execute(SendDtmf(call=call, digits=plan.digits))
                self._console.print(f"digits sent: {escape(plan.digits)}")
            except CallError as error:
                self._console.print(f"[red]{escape(str(error))}[/red]")
        duration_s = plan.duration_s if plan.duration_s is not None else self._played_s
        if duration_s is not None:
            await asyncio.sleep(max(0.0, answered_at + duration_s - loop.time()))
            await self._commands.execute(HangUp(call=call))

    def _interrupted(self) -> None:
        self._tasks.start(self._hang_up())

    async def _hang_up(self) -> None:
        try:
            await self._commands.execute(HangUp(call=self._id))
        except CallError:
            return  # it ended in this moment, or has not begun

    def _exit_code(self, event: CallChanged) -> ExitCode:
        if self._was_active:
            return ExitCode.OK
        return OUTCOMES.get(event.reason, ExitCode.FAILED)


def _length_s(path: Path) -> float | None:
    """How long an audio file is; None where it does not say. Raises CallError for what is no audio file."""
    try:
        with av.open(str(path)) as file:
            return file.duration / av.time_base if file.duration else None
    except (av.FFmpegError, OSError) as error:
        raise CallError(f"--play {path}: this is no audio file that can be read ({error})") from error
