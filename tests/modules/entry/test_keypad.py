"""Keys become codes, in time or not at all; wrong ones cost ever more of it."""

from __future__ import annotations

from voipnode.modules.entry.holder import Holder, checked
from voipnode.modules.entry.keypad import Keypad
from voipnode.modules.entry.lockout import LONGEST_LOCK_S, Lockout

ANNA = Holder(id=1, fields=checked({"name": "Anna", "card_uid": "AABB"}, 4), kinds=frozenset({"pin"}))


def press(keypad: Keypad, keys: str, now: float = 0.0) -> list[str]:
    return [code for key in keys if (code := keypad.key(key, now)) is not None]


def test_the_last_digit_completes_a_code_and_a_hash_ends_it_sooner() -> None:
    keypad = Keypad(4, 10.0)
    assert press(keypad, "73915555") == ["7391", "5555"]
    assert press(keypad, "12#") == ["12"]
    assert press(keypad, "#") == []
    assert press(keypad, "99*7391") == ["7391"]
    assert press(keypad, "7A3 9\x001") == ["7391"]  # keys that are none


def test_who_takes_too_long_begins_anew() -> None:
    keypad = Keypad(4, 10.0)
    press(keypad, "73", 0.0)
    assert press(keypad, "9", 9.9) == []
    assert press(keypad, "1111", 20.0) == ["1111"]


def test_a_card_waits_for_its_pin_and_not_for_ever() -> None:
    keypad = Keypad(4, 10.0)
    press(keypad, "73", 0.0)
    keypad.expect_pin(ANNA, 1.0)
    assert press(keypad, "7391", 5.0) == ["7391"]
    assert keypad.card is ANNA
    keypad.expect_pin(ANNA, 20.0)
    assert not keypad.expire(29.9)
    assert keypad.expire(30.0)
    assert keypad.card is None
    assert not keypad.expire(31.0)


def test_without_pins_keys_are_nothing() -> None:
    assert press(Keypad(0, 10.0), "0123456789#*") == []


def test_wrong_codes_in_a_row_lock_ever_longer_and_a_right_one_forgives() -> None:
    lock = Lockout(3, 30.0)
    assert [lock.wrong(0.0) for _ in range(3)] == [0.0, 0.0, 30.0]
    assert (lock.left_s(10.0), lock.left_s(30.0)) == (20.0, 0.0)
    assert [lock.wrong(40.0) for _ in range(3)] == [0.0, 0.0, 60.0]
    lock.right()
    assert [lock.wrong(200.0) for _ in range(3)] == [0.0, 0.0, 30.0]
    for _ in range(60):
        longest = lock.wrong(0.0)
    assert longest == LONGEST_LOCK_S
