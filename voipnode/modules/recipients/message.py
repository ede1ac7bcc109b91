"""A message to a recipient, and the templates that make its text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

MAX_TEXT = 16_000
_FIELD = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class Message:
    """What is told. `values` are what templates may name, `number` is unique for each recipient and grows."""

    subject: str
    text: str
    values: Mapping[str, str] = field(default_factory=dict)
    at_utc: str = ""
    number: int = 0

    def to_json(self) -> str:
        """As it is kept."""
        data = asdict(self)
        del data["number"]
        return json.dumps(data)

    @classmethod
    def from_json(cls, text: str, number: int) -> Message:
        return cls(**json.loads(text), number=number)

    @property
    def all(self) -> dict[str, str]:
        """All that templates may name."""
        return {
            **self.values,
            "subject": self.subject,
            "text": self.text,
            "time": self.at_utc,
            "number": str(self.number),
        }


def filled(template: str, values: Mapping[str, str]) -> str:
    """The template with {name} replaced by what it stands for; names that stand for nothing stay as they are."""
    return _FIELD.sub(lambda found: values.get(found[1], found[0]), template)[:MAX_TEXT]
