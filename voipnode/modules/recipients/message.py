"""A message to a recipient, with the file that it may carry, and the templates that make its text."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import quote_plus

MAX_TEXT = 16_000
_FIELD = re.compile(r"\{([a-z_]+)\}")
# Whatever a program may take for the end of a line: those of `str.splitlines`, by which mail refuses a header, and NUL.
_LINE_ENDS = re.compile(r"[\r\n\x00\v\f\x1c-\x1e\x85\u2028\u2029]+")


class Attachment(NamedTuple):
    """A file that goes with a message; `name` without folders."""

    name: str
    content: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Message:
    """What is told. `values` are what templates may name, `number` is unique for each recipient and grows."""

    subject: str
    text: str
    values: Mapping[str, str] = field(default_factory=dict)
    at_utc: str = ""
    number: int = 0
    attachment: Attachment | None = None

    def to_json(self) -> str:
        """As it is kept, without its attachment."""
        data = {"subject": self.subject, "text": self.text, "values": dict(self.values), "at_utc": self.at_utc}
        return json.dumps(data)

    @classmethod
    def from_json(cls, text: str, number: int, attachment: Attachment | None = None) -> Message:
        return cls(**json.loads(text), number=number, attachment=attachment)

    @property
    def all(self) -> dict[str, str]:
        """All that templates may name."""
        return {
            **self.values,
            "subject": self.subject,
            "text": self.text,
            "time": self.at_utc,
            "number": str(self.number),
            **({"attachment": self.attachment.name} if self.attachment is not None else {}),
        }


def filled(template: str, values: Mapping[str, str]) -> str:
    """The template with {name} replaced by what it stands for; names that stand for nothing stay as they are."""
    return _FIELD.sub(lambda found: values.get(found[1], found[0]), template)[:MAX_TEXT]


def fitted(values: Mapping[str, str], content_type: str) -> dict[str, str]:
    """The values as they stand for themselves in a template of that type, and end nothing that was begun there.

    Of JSON within quotation marks (RFC 8259 §7), of XML and HTML in text or an attribute, of forms percent-encoded.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind.endswith(("/json", "+json")):
        return {name: json.dumps(value)[1:-1] for name, value in values.items()}
    if kind.endswith(("/xml", "+xml", "/html")):
        return {name: html.escape(value) for name, value in values.items()}
    if kind == "application/x-www-form-urlencoded":
        return {name: quote_plus(value) for name, value in values.items()}
    return dict(values)


def one_line(text: str) -> str:
    """The text where a line end would begin something else."""
    return _LINE_ENDS.sub(" ", text)
