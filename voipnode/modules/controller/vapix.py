"""Requests to an Axis door controller's access control service, and its answers, without I/O.

As published (developer.axis.com, "Access control service"): POST to /vapix/pacs of JSON whose one member names the
function. RequestAccess takes what was read as IdData, in the order of the authentication profile (card, then PIN), and
answers AccessGranted and Reason; the controller opens its door by itself. Access points that lead in have an attribute
Direction of "in". Tried against a controller of our own making only: none of Axis' was at hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from voipnode.credentials.wiegand import detected

PATH = "/vapix/pacs"
ACCESS_POINTS: dict[str, Any] = {"pacsaxis:GetAccessPointList": {}}
ACCESS_CONTROLLERS: dict[str, Any] = {"pacsaxis:GetAccessControllerList": {}}
MAX_SHOWN = 20  # names in a message
# ONVIF's reasons (DenyReason) and that of the published example: nothing more that he shows would change them.
FINAL = {
    "InvalidCredential",
    "CredentialNotEnabled",
    "CredentialNotActive",
    "CredentialExpired",
    "InvalidPIN",
    "NotPermittedAtThisTime",
    "Unauthorized",
}


class VapixError(Exception):
    """The controller's answer is none that can be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where we are a reader: the access point's name, and the tokens that a request needs."""

    name: str
    token: str
    source: str  # of the reader (IdPoint)
    target: str  # of the door
    controller: str


def entrances(points: Any, controllers: Any) -> list[Entrance]:
    """The access points that lead in and have a reader, of the answers to the two requests. Raises VapixError."""
    found = []
    holders = _list(controllers, "AccessController")
    for point in _list(points, "AccessPoint"):
        devices = [each for each in _list(point, "IdPointDevice") if _text(each, "IdPoint")]
        if not devices or _attribute(point, "Direction") not in ("", "in"):
            continue
        token = _text(point, "token")
        owner = next((each for each in holders if token in _texts(each, "AccessPoint")), None)
        owner = owner if owner is not None else next(iter(holders), {})
        name = _text(point, "Name") or token
        found.append(Entrance(name, token, _text(devices[0], "IdPoint"), _text(point, "Entity"), _text(owner, "token")))
    return found


def chosen(found: Sequence[Entrance], wanted: str) -> Entrance:
    """The entrance of that name or token; "": the only one. Raises VapixError that names what there is."""
    fitting = [each for each in found if wanted in ("", each.name, each.token)]
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(f'"{each.name}"' for each in found[:MAX_SHOWN]) or "none"
    if not wanted:
        raise VapixError(f"access_point is needed: there are {names}")
    words = "is the name of several; write its token" if fitting else "is not there"
    raise VapixError(f'access_point "{wanted}" {words}; there are {names}')


def access_request(
    entrance: Entrance, *, bits: str = "", pin: str = "", card_as: Literal["Card", "CardNr"] = "Card"
) -> dict[str, Any]:
    """May who has this card, this PIN, or both, enter?"""
    data = []
    if bits:
        said = detected(bits)
        number = int(bits, 2) if said is None else said.number
        value = str(number) if card_as == "CardNr" else f"{int(bits, 2):0{(len(bits) + 3) // 4}X}"
        data.append({"Name": card_as, "Value": value})
    if pin:
        data.append({"Name": "PIN", "Value": pin})
    return {
        "pacsaxis:RequestAccess": {
            "Action": "Access",
            "IdData": data,
            "SourceToken": entrance.source,
            "TargetToken": entrance.target,
            "Token": entrance.controller,
        }
    }


def granted(answer: Any) -> bool:
    """Whether the controller lets him in. Raises VapixError where it does not say."""
    if not isinstance(answer, Mapping) or not isinstance(answer.get("AccessGranted"), bool):
        raise VapixError("its answer does not say whether access is granted")
    return bool(answer["AccessGranted"])


def is_final(answer: Any) -> bool:
    """Whether a denial is for good; else it may want the PIN as well. How it asks for that is not published."""
    return isinstance(answer, Mapping) and _text(answer, "Reason") in FINAL


def _list(holder: Any, key: str) -> list[dict[str, Any]]:
    """A list of tables; absent, or one table, as some answers have it, is one too."""
    if not isinstance(holder, Mapping):
        raise VapixError(f"its answer has no {key}")
    value = holder.get(key) or []
    value = [value] if isinstance(value, dict) else value
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise VapixError(f"its answer has no {key}")
    return value


def _text(holder: Mapping[str, Any], key: str) -> str:
    value = holder.get(key, "")
    return value if isinstance(value, str) else ""


def _texts(holder: Mapping[str, Any], key: str) -> list[str]:
    value = holder.get(key)
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _attribute(point: Mapping[str, Any], name: str) -> str:
    return next((_text(each, "Value") for each in _list(point, "Attribute") if _text(each, "Name") == name), "")
