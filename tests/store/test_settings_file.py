"""Reading and writing voipnode.toml."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from voipnode.store import settings_file
from voipnode.store.problems import SettingsError, SettingsProblem
from voipnode.store.settings_file import MAX_FILE_BYTES, load_settings, save_settings


class Account(BaseModel):
    user: str = Field(min_length=1, max_length=10)
    transport: Literal["udp", "tcp", "tls"] = "udp"
    password: SecretStr = SecretStr("")
    gain_db: float | None = Field(None, ge=-12, le=12)


class Sip(BaseModel):
    model_config = ConfigDict(extra="forbid")
    port: int = Field(5060, ge=1024, le=65535)
    timeout_s: int = Field(60, ge=1, le=600)
    enabled: bool = True
    payload: int | Literal["auto"] = "auto"
    host: str = "localhost"

    @field_validator("host")
    @classmethod
    def _no_blank(cls, host: str) -> str:
        if " " in host:
            raise ValueError("a host has no spaces; write a name or an address")
        return host


class Wiegand(BaseModel):
    kind: Literal["wiegand"]
    bits: int = 26


class Osdp(BaseModel):
    kind: Literal["osdp"]
    address: int = Field(0, ge=0, le=126)


class Settings(BaseModel):
    sip: Sip = Sip()
    accounts: list[Account] = Field(default=[], max_length=4)
    rules: dict[str, Sip] = {}
    reader: Annotated[Wiegand | Osdp, Field(discriminator="kind")] | None = None
    database: int = 0


def _problems(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "voipnode.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(path, Settings)
    return [str(problem).removeprefix(f"{path}:") for problem in caught.value.problems]


def test_no_file_means_the_defaults() -> None:
    assert load_settings(None, Settings).sip.port == 5060


def test_a_good_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "voipnode.toml"
    path.write_bytes(b'\xef\xbb\xbfsip.port = 5070\n[[accounts]]\nuser = "d\xc3\xb6r"\n')
    settings = load_settings(path, Settings)
    assert (settings.sip.port, settings.accounts[0].user) == (5070, "dör")


def test_a_problem_reads_as_file_line_key_value_and_what_is_right() -> None:
    problem = SettingsProblem("voipnode.toml", 12, "sip.port", 80, "ports must be 1024 to 65535")
    assert str(problem) == "voipnode.toml:12: sip.port = 80: ports must be 1024 to 65535"


def test_everything_wrong_is_said_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """sip.port = 80
sip.timeout_s = "soon"
[[accounts]]
user = ""
transport = "tsl"
pasword = "hunter2"

[[accounts]]
gain_db = 40
password = 1234
"""
    assert _problems(tmp_path, text) == [
        "1: sip.port = 80: ports must be 1024 to 65535",
        '2: sip.timeout_s = "soon": must be 1 to 600 seconds',
        '4: accounts[0].user = "": must have 1 to 10 characters, has 0',
        '5: accounts[0].transport = "tsl": must be "udp", "tcp" or "tls"; did you mean "tls"?',
        '6: accounts[0].pasword = "hunter2": there is no such setting; did you mean "password"?',
        '8: accounts[1].user: is missing; it must be text in quotes, such as "abc"',
        "9: accounts[1].gain_db = 40: must be -12 to 12 dB",
        '10: accounts[1].password = "(not shown)": must be text in quotes, such as "abc"',
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("sip.enabled = 'maybe'", '1: sip.enabled = "maybe": must be true or false (without quotes)'),
        ("sip.prot = 1", '1: sip.prot = 1: there is no such setting; did you mean "port"?'),
        (
            "\nsip.zzz = 1",
            "2: sip.zzz = 1: there is no such setting; known here: enabled, host, payload, port, timeout_s",
        ),
        ("sip = 3", "1: sip = 3: must be a table of its own"),
        ("accounts = 'x'", '1: accounts = "x": must be a list in brackets, such as [1, 2]'),
        ("sip.payload = 'b'", '1: sip.payload = "b": must be a whole number or "auto"'),
        ("sip.host = 'a b'", '1: sip.host = "a b": a host has no spaces; write a name or an address'),
        ("[rules.day]\n[rules.night]\nport = 1", "3: rules.night.port = 1: ports must be 1024 to 65535"),
        ("rules.x = {prt = 4}", '1: rules.x.prt = 4: there is no such setting; did you mean "port"?'),
        ("reader = {kind='osdp', address=200}", "1: reader.address = 200: must be 0 to 126"),
        ("reader = {kind='usb'}", "1: reader.kind = \"usb\": must be one of 'wiegand', 'osdp'"),
        ("reader = {bits=26}", "1: reader.kind: is missing; it says which kind of entry this is"),
        ("database = 'db://u:secret@h/x'", '1: database = "db://…@h/x": must be a whole number'),
        ("accounts = [" + "{user='a'}," * 5 + "]", "1: accounts: must have at most 4 entries, has 5"),
    ],
)
def test_each_kind_of_mistake_is_said_in_plain_words(tmp_path: Path, text: str, problem: str) -> None:
    assert _problems(tmp_path, text) == [problem]


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("a = 1\nb = \n", "2: this is not TOML: invalid value"),
        ("[x\n", "1: this is not TOML: expected ']'"),
        ("a = 1\n\n\na = 'x", "4: this is not TOML"),
        ("a = " + "[" * 100_000, " lists and tables are nested too deeply"),
    ],
)
def test_what_is_not_toml_is_said_with_its_line(tmp_path: Path, text: str, start: str) -> None:
    [problem] = _problems(tmp_path, text)
    assert problem.startswith(start)


def test_a_file_that_is_absent_a_folder_too_large_or_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "voipnode.toml"
    with pytest.raises(SettingsError, match="there is no such file"):
        load_settings(path, Settings)
    with pytest.raises(SettingsError, match="this is not a file"):
        load_settings(tmp_path, Settings)
    path.write_bytes(b"# \n" * (MAX_FILE_BYTES // 3 + 1))
    with pytest.raises(SettingsError, match="larger than"):
        load_settings(path, Settings)
    path.write_bytes(b"# fine\n# \xff\n")
    with pytest.raises(SettingsError, match=r"voipnode\.toml:2: byte 0xff is not UTF-8"):
        load_settings(path, Settings)


def test_saving_keeps_comments_order_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "voipnode.toml"
    path.write_text('# mine\n[sip] # here\nport = 5060 # why\n\n[[accounts]]\nuser = "a" # first\ngain_db = 3\n')
    path.chmod(0o640)
    changes = {"sip.port": 5080, "accounts[0].user": "b", "accounts[0].gain_db": None, "rules.day.port": 2000}
    assert save_settings(path, changes, Settings).sip.port == 5080
    assert path.read_text() == (
        '# mine\n[sip] # here\nport = 5080 # why\n\n[[accounts]]\nuser = "b" # first\n\n[rules.day]\nport = 2000\n'
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["voipnode.toml"]


def test_a_new_file_is_for_its_owner_only_and_a_link_stays_a_link(tmp_path: Path) -> None:
    link = tmp_path / "link.toml"
    link.symlink_to(tmp_path / "etc" / "real.toml")
    save_settings(link, {"sip.port": 5080}, Settings)
    assert link.is_symlink()
    assert stat.S_IMODE(link.stat().st_mode) == 0o600
    assert load_settings(link, Settings).sip.port == 5080


def test_a_change_that_is_wrong_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "voipnode.toml"
    path.write_text("sip.port = 5060 # mine\n")
    for changes, message in [
        ({"sip.port": 80}, "ports must be 1024 to 65535"),
        ({"accounts[3].user": "x"}, "no such place"),
        ({"sip.port.deeper": 1}, "no such place"),
    ]:
        with pytest.raises(SettingsError, match=message):
            save_settings(path, changes, Settings)
    with pytest.raises(ValueError, match="not a key"):
        save_settings(path, {"sip..port": 1}, Settings)
    assert path.read_text() == "sip.port = 5060 # mine\n"


def test_a_write_that_fails_half_way_leaves_the_old_file_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "voipnode.toml"
    path.write_text("sip.port = 5060\n")

    def full_disk(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(settings_file.os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        save_settings(path, {"sip.port": 5080}, Settings)
    assert path.read_text() == "sip.port = 5060\n"
    assert os.listdir(tmp_path) == ["voipnode.toml"]
