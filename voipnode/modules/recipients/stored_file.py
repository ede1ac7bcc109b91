"""What of a message becomes a file on a server or in a folder, and the name of that file."""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

from voipnode.modules.recipients.message import Message, filled

MODIFIERS = "YymdjHMSaAbB%"
TEMPORARY = ".part"
_MODIFIER = re.compile(f"%([{MODIFIERS}])")
_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")


class StoredFile(NamedTuple):
    """A file to be stored. The same message has the same name at every try, so that a try again makes no second one."""

    name: str
    content: bytes

    @property
    def temporary(self) -> str:
        """Its name until it is whole."""
        return f"{self.name}{TEMPORARY}"


def stored_file(template: str, message: Message) -> StoredFile:
    """The attachment, or without one the text, under the name that the template makes of date, number and values."""
    attachment = message.attachment
    if attachment is None:
        suffix, content = ".txt", f"{message.subject}\n{message.text}\n".encode()
    else:
        suffix, content = f".{attachment.name.rpartition('.')[2]}", attachment.content
    values = {**message.all, "number": f"{message.number:06}"}
    dated = _MODIFIER.sub(lambda found: _moment(message).strftime(found[0]), template)
    stem = _UNFIT.sub("_", filled(dated, values)).lstrip(".")[:120]
    return StoredFile(f"{stem or 'message'}{suffix}", content)


def _moment(message: Message) -> datetime:
    """When it was, by the local clock."""
    return datetime.fromisoformat(message.at_utc).astimezone()
