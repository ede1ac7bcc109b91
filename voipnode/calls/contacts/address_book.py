"""Contacts as a JSON document, to be taken from one node to another.

    {"format": "voipnode contacts", "version": 1, "contacts": [{"name": "Anna", "address": "sip:anna@192.168.1.20"}]}

The keys of a contact are those of `[[contacts]]` in the settings file; what is left out is empty. A higher version is
one that this node cannot read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from voipnode.calls.contacts.settings import MAX_CONTACTS, ContactSettings
from voipnode.calls.errors import FieldsError

FORMAT = "voipnode contacts"
VERSION = 1
_RIGHT = f'{{"format": "{FORMAT}", "version": {VERSION}, "contacts": [...]}}'


def written_contacts(contacts: Sequence[ContactSettings]) -> str:
    """The contacts as JSON text; what is as if it were not set is left out."""
    entries = [contact.model_dump(exclude_defaults=True) for contact in contacts]
    document = {"format": FORMAT, "version": VERSION, "contacts": entries}
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def read_contacts(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The contacts of a document, not yet checked. Raises FieldsError that says what would be right."""
    if document.get("format") != FORMAT:
        raise FieldsError([("format", None, f"this is no list of contacts; it must look like {_RIGHT}")])
    if document.get("version") != VERSION:
        raise FieldsError([("version", None, f"this node reads version {VERSION}")])
    entries = document.get("contacts")
    if not isinstance(entries, list):
        raise FieldsError([("contacts", None, "must be a list")])
    if len(entries) > MAX_CONTACTS:
        raise FieldsError([("contacts", None, f"there are {len(entries)}; at most {MAX_CONTACTS}")])
    words = "must be an object"
    wrong = [(f"contacts[{i}]", None, words) for i, entry in enumerate(entries) if not isinstance(entry, dict)]
    if wrong:
        raise FieldsError(wrong)
    return entries
