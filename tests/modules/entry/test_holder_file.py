"""The holders on disk: unique, counted, and whole after a kill."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from voipnode.calls.errors import CallError, NotNowError, UnknownNameError
from voipnode.modules.entry.holder import checked
from voipnode.modules.entry.holder_file import HolderFile


@pytest.fixture
def file(tmp_path: Path) -> Any:
    file = HolderFile(tmp_path, 5)
    file.open()
    yield file
    file.close()


def add(file: HolderFile, name: str, **values: Any) -> int:
    return file.add(checked({"name": name, **values}, 4))


def test_a_holder_is_found_by_card_and_by_each_code(file: HolderFile) -> None:
    anna = add(file, "Anna", card_uid="04A1B2C3", pin="7391", duress_pin="7392", visitor_code="5555", note="flat 3")
    add(file, "Bob", pin="1111")
    found = file.by_card("04A1B2C3")
    assert found is not None
    assert (found.id, found.name, found.fields.note, found.wants_pin_with_card) == (anna, "Anna", "flat 3", True)
    whose = {code: file.by_code(code) for code in ("7391", "7392", "5555", "1111", "0000")}
    assert {code: hit and (hit[0].name, hit[1]) for code, hit in whose.items()} == {
        "7391": ("Anna", "pin"),
        "7392": ("Anna", "duress_pin"),
        "5555": ("Anna", "visitor_code"),
        "1111": ("Bob", "pin"),
        "0000": None,
    }
    assert [holder.name for holder in file.all()] == ["Anna", "Bob"]


def test_nobody_who_reads_the_file_reads_a_code(file: HolderFile) -> None:
    add(file, "Anna", pin="7391", card_uid="04A1B2C3")
    file.close()
    assert b"7391" not in file.path.read_bytes()
    assert file.path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"name": "Anna", "pin": "1234"}, 'name: "Anna" has it already'),
        ({"name": "Bob", "card_uid": "04 A1 B2 C3"}, 'card_uid: "Anna" has it already'),
        ({"name": "Bob", "pin": "7391"}, "pin: this code is taken"),
        ({"name": "Bob", "visitor_code": "7392"}, "visitor_code: this code is taken"),
    ],
)
def test_what_somebody_has_nobody_else_gets(file: HolderFile, values: dict[str, Any], words: str) -> None:
    add(file, "Anna", card_uid="04A1B2C3", pin="7391", duress_pin="7392")
    with pytest.raises(CallError, match=words):
        file.add(checked(values, 4))
    assert [holder.name for holder in file.all()] == ["Anna"]


def test_changes_and_removal(file: HolderFile) -> None:
    anna = add(file, "Anna", pin="7391")
    known = file.one(anna)
    file.change(anna, checked({"card_uid": "AABB"}, 4, known.fields), {"pin": ""})
    changed = file.one(anna)
    assert (changed.fields.card_uid, changed.kinds, file.by_code("7391")) == ("AABB", frozenset(), None)
    file.change(anna, changed.fields, {"pin": "1234"})  # and the card may stay its own
    file.remove(anna)
    assert (file.all(), file.by_code("1234"), file.by_card("AABB")) == ([], None, None)
    for gone in (file.one, file.remove):
        with pytest.raises(UnknownNameError):
            gone(anna)


def test_there_are_only_so_many(file: HolderFile) -> None:
    for number in range(5):
        add(file, f"holder {number}")
    with pytest.raises(CallError, match=r"entry\.max_holders = 5"):
        add(file, "one more")


def test_uses_are_counted_to_the_last_and_not_beyond(file: HolderFile) -> None:
    anna, bob = add(file, "Anna", uses_left=2), add(file, "Bob")
    assert [file.use(anna) for _ in range(4)] == [(True, 1), (True, 0), (False, 0), (False, 0)]
    assert all(file.use(bob) == (True, None) for _ in range(4))
    file.give_back(anna)
    assert (file.one(anna).fields.uses_left, file.one(bob).fields.uses_left) == (1, None)
    file.change(anna, checked({"uses_left": 7}, 4, file.one(anna).fields), {})
    assert file.one(anna).fields.uses_left == 7


def test_a_file_that_is_none_is_told_and_opens_nothing(tmp_path: Path) -> None:
    (tmp_path / "entry.db").write_bytes(b"not a database, but long enough to be looked at" * 100)
    file = HolderFile(tmp_path, 5)
    with pytest.raises(NotNowError, match=r"entry\.db cannot be used"):
        file.open()
    with pytest.raises(NotNowError, match="is not open"):
        file.by_card("AABB")


def test_a_file_of_a_later_version_is_left_alone(file: HolderFile) -> None:
    file.close()
    with sqlite3.connect(file.path) as connection:
        connection.execute("UPDATE meta SET value = X'32' WHERE key = 'version'")
    connection.close()
    with pytest.raises(NotNowError, match="another version"):
        file.open()


def test_a_disk_that_takes_nothing_lets_those_in_who_are_not_counted(file: HolderFile) -> None:
    anna, bob = add(file, "Anna", uses_left=2), add(file, "Bob")
    assert file._connection is not None
    file._connection.execute("PRAGMA query_only = ON")  # as a disk that is mounted for reading
    with pytest.raises(NotNowError, match="cannot be written"):
        file.use(anna)
    assert file.use(bob).taken
    file._connection.execute("PRAGMA query_only = OFF")
    assert file.one(anna).fields.uses_left == 2


USER = """
import sys
from pathlib import Path
from voipnode.modules.entry.holder_file import HolderFile
file = HolderFile(Path(sys.argv[1]), 5)
file.open()
while file.use(1).taken:
    sys.stdout.write("+")
    sys.stdout.flush()
"""


def test_kill_9_never_wins_a_use(file: HolderFile, tmp_path: Path) -> None:
    """Whoever is killed while he takes uses has told of no more than were taken off, and of one less at most."""
    add(file, "Anna", uses_left=100_000)
    left, told = 100_000, 0
    for round_number in range(3):
        child = subprocess.Popen([sys.executable, "-c", USER, str(tmp_path)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        told += len(child.stdout.read(20 + 7 * round_number))  # it is in the midst of them
        os.kill(child.pid, signal.SIGKILL)
        told += len(child.stdout.read())
        child.stdout.close()
        child.wait()
        before, left = left, file.one(1).fields.uses_left or 0
        assert before - left > 0
        assert told <= 100_000 - left <= told + round_number + 1
