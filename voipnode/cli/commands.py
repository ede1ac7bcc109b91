"""The commands and their options, as `voipnode --help` shows them."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Annotated

import typer

from voipnode import __version__

EXIT_CODES = (
    "Exit codes: 0 done; 1 failed; 2 wrong option; 3 settings have problems; 4 busy; 5 no answer; 6 refused;"
    " 7 unreachable; 8 the replay differs from the capture."
)
DEFAULT_SETTINGS = Path("voipnode.toml")

app = typer.Typer(
    help="A network door intercom and small SIP softswitch.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

SettingsOption = Annotated[
    Path | None,
    typer.Option(
        "--settings", "-s", metavar="FILE", help="Settings file; voipnode.toml here if there is one, else defaults."
    ),
]
StateOption = Annotated[
    Path | None,
    typer.Option("--state-dir", metavar="DIR", help="Folder for what the node remembers; made when missing."),
]


def _settings_path(given: Path | None) -> Path | None:
    if given is not None:
        return given
    return DEFAULT_SETTINGS if DEFAULT_SETTINGS.exists() else None


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"voipnode {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """A network door intercom and small SIP softswitch."""


@app.command()
def run(settings: SettingsOption = None, state_dir: StateOption = None) -> None:
    """Run the node until it is stopped by Ctrl-C or SIGTERM."""
    gc.disable()  # until it has started: all that is made meanwhile stays, and to look at it takes a tenth of the start
    from voipnode.cli.run import run_node

    raise typer.Exit(run_node(_settings_path(settings), state_dir))


@app.command()
def check(settings: SettingsOption = None) -> None:
    """Check the settings file: every problem with its line, what is wrong, what would be right."""
    from voipnode.cli.check import check_settings

    raise typer.Exit(check_settings(_settings_path(settings)))


@app.command()
def plugins(settings: SettingsOption = None) -> None:
    """List the plug-ins of the installed packages and of the settings, and whether each can be used; the exit code is 1
    where one of the settings cannot."""
    from voipnode.cli.plugins import list_plugins

    raise typer.Exit(list_plugins(_settings_path(settings)))


@app.command()
def doctor(
    settings: SettingsOption = None,
    state_dir: StateOption = None,
    ntp: Annotated[str, typer.Option(metavar="HOST", help="Compare the clock with this time server's.")] = "",
    quiet: Annotated[bool, typer.Option("--quiet", help="Play no tone on the loudspeaker.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Try what the settings name: ports, router, STUN, TURN, DNS, accounts, certificates, sound, clock, disk; say what
    is wrong and what helps. Takes up to a quarter of a minute; the exit code is 1 where there is a problem."""
    from voipnode.cli.doctor import examine_here

    raise typer.Exit(examine_here(_settings_path(settings), state_dir, ntp=ntp, plays=not quiet, as_json=as_json))


@app.command()
def call(
    uri: Annotated[str, typer.Argument(metavar="URI", help="Whom to call, like sip:anna@192.168.1.20")],
    play: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Audio file (any format) to say instead of silence.")
    ] = None,
    record: Annotated[Path | None, typer.Option(metavar="FILE", help="WAV file to write what is heard to.")] = None,
    dtmf: Annotated[str, typer.Option(metavar="DIGITS", help="Digits to send once answered: 0-9 A-D # *")] = "",
    duration: Annotated[
        float | None,
        typer.Option(
            metavar="S", min=0.1, max=3600, help="Hang up this many seconds after the answer; else at the file's end."
        ),
    ] = None,
    transport: Annotated[str, typer.Option(metavar="udp|tcp", help="SIP transport.")] = "udp",
    timeout: Annotated[int, typer.Option(metavar="S", min=1, max=600, help="Give up when nobody answers.")] = 60,
    codec: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Offer this codec alone; several in order of preference, as audio_codecs."),
    ] = None,
    account: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Call as this account of the settings: through its server, with its password. It is not registered"
            " for the call, so that the server goes on calling the node.",
        ),
    ] = "",
    settings: SettingsOption = None,
) -> None:
    """Call somebody from here, on a line of its own: no running node is needed. Shows progress."""
    from voipnode.cli.call import CallPlan, place_call

    plan = CallPlan(
        uri=uri,
        play=play,
        record=record,
        digits=dtmf,
        duration_s=duration,
        transport=transport,
        timeout_s=timeout,
        codecs=tuple(codec or ()),
    )
    raise typer.Exit(place_call(plan, account, _settings_path(settings)))


@app.command()
def press(
    name: Annotated[str, typer.Argument(metavar="[INPUT]", help="The input to press.")] = "button",
    ring: Annotated[
        list[str] | None, typer.Option("--ring", metavar="URI", help="Ring this address instead; up to six times.")
    ] = None,
    url: Annotated[str, typer.Option(metavar="URL", help="Where the node's page is.")] = "http://127.0.0.1:8080",
) -> None:
    """Press the button of the node that runs here."""
    from voipnode.cli.press import press_input

    raise typer.Exit(press_input(name, tuple(ring or ()), url))


@app.command("test-call")
def try_somebody(
    who: Annotated[str, typer.Argument(metavar="CONTACT|URI", help="Name of a contact, or an address.")],
    account: Annotated[str, typer.Option(metavar="NAME", help="Call an address from this account.")] = "",
    timeout: Annotated[float, typer.Option(metavar="S", min=1, max=120, help="How long it may ring.")] = 30.0,
    url: Annotated[str, typer.Option(metavar="URL", help="Where the node's page is.")] = "http://127.0.0.1:8080",
) -> None:
    """Have the node that runs here call somebody, hang up when that is answered, and tell how it went."""
    from voipnode.cli.trial import try_call

    raise typer.Exit(try_call(who, account, timeout, url))


@app.command("speaker-test")
def speaker_test(
    action: Annotated[
        str, typer.Argument(metavar="calibrate|run", help="Learn how it sounds when all is well, or test.")
    ],
    url: Annotated[str, typer.Option(metavar="URL", help="Where the node's page is.")] = "http://127.0.0.1:8080",
    settings: SettingsOption = None,
    state_dir: StateOption = None,
) -> None:
    """Test the door's loudspeaker by its microphone: by the node that runs here, or, where none does, with the sound of
    the settings. Plays loud sweeps. The exit code is 1 where something is wrong, or it is too noisy to tell."""
    from voipnode.cli.speaker_test import speaker_test as test

    raise typer.Exit(test(action, url, _settings_path(settings), state_dir))


@app.command()
def replay(
    capture: Annotated[Path, typer.Argument(metavar="CAPTURE", help="A pcap or pcapng file with a call of a node.")],
    node: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="The node's SIP address in the capture, where it cannot be told.")
    ] = "",
    record: Annotated[
        Path | None, typer.Option(metavar="FILE", help="WAV file to write what the loudspeaker played to.")
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Key log of the TLS in the capture; else the capture's name with .keys."),
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option(
            "--settings",
            "-s",
            metavar="FILE",
            help="The node's settings then, whose passwords are checked too; else accounts are made up as the capture"
            " shows them.",
        ),
    ] = None,
) -> None:
    """Feed a capture's far side back into the stack, in virtual time, and compare what the node does."""
    from voipnode.cli.replay import replay_capture

    raise typer.Exit(replay_capture(capture, node, record, keys, settings))
