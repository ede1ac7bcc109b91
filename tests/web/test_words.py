"""The panel has a sentence for everything that can happen."""

from __future__ import annotations

import re

from voipnode.calls import events
from voipnode.web.assets import STATIC


def test_every_event_has_its_words() -> None:
    kinds = [each for each in vars(events).values() if isinstance(each, type) and issubclass(each, events.Event)]
    names = {kind.name for kind in kinds if kind.name}
    table = (STATIC / "words.js").read_text(encoding="utf-8").partition("const SENTENCES = {")[2].partition("\n};")[0]
    told = set(re.findall(r'^  "?([a-z_.]+)"?:', table, re.MULTILINE))
    assert names - told == set()
    assert told - names == set()
