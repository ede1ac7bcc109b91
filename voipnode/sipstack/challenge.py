"""Digest challenges as WWW-Authenticate and Proxy-Authenticate carry them (RFC 3261 §20.27, §20.44; RFC 7616 §3.3)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

from voipnode.sipstack.grammar import TOKEN_CHARS, unfold

MAX_CHALLENGES = 32
MAX_PARAMETER_CHARS = 2048

_BLANK = r"[ \t\r\n]*+"
_NAME = rf"([{TOKEN_CHARS}]++)"
_SCHEME = re.compile(rf"{_NAME}(?:[ \t\r\n]++|$)(?!=)")
_PARAMETER = re.compile(rf'{_NAME}{_BLANK}={_BLANK}(?:"((?:[^"\\]++|\\.)*+)"|([^\s,"\\]*+)){_BLANK}(?:,|$)', re.DOTALL)
_GAP = re.compile(r"[ \t\r\n,]*+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()  # the protocol's choice, not ours (RFC 7616 §3.2)


def _sha_256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _sha_512_256(data: bytes) -> str:
    return hashlib.new("sha512_256", data).hexdigest()


# From weak to strong (RFC 7616 §6.1). SHA-512/256 depends on how Python's OpenSSL was built.
HASHES: dict[str, Callable[[bytes], str]] = {"MD5": _md5, "SHA-256": _sha_256, "SHA-512-256": _sha_512_256}


@dataclass(frozen=True, slots=True)
class Challenge:
    """One Digest challenge that can be answered. `qop` None: RFC 2617 without quality of protection."""

    realm: str
    nonce: str
    opaque: str | None
    algorithm: str  # as in RFC 7616 §6.1, without "-sess"
    session: bool  # "-sess"
    explicit: bool  # the challenge names its algorithm
    qop: str | None
    stale: bool
    userhash: bool


def parse_challenges(value: str) -> list[Challenge]:
    """The Digest challenges of one WWW-Authenticate or Proxy-Authenticate value that can be answered, in their order.

    Other schemes, unknown algorithms and qop values (RFC 8760 §2.4: "MUST ignore"), malformed and oversized ones are
    left out; never raises.
    """
    found = (_challenge(parameters) for scheme, parameters in split_auth(value) if scheme == "digest")
    return [challenge for challenge in found if challenge is not None]


def split_auth(value: str) -> list[tuple[str, dict[str, str]]]:
    """(scheme, parameters) pairs, both names in lower case; what follows a syntax error, and its challenge, is lost."""
    text = unfold(value)
    found: list[tuple[str, dict[str, str]]] = []
    at = 0
    while len(found) <= MAX_CHALLENGES:
        if gap := _GAP.match(text, at):
            at = gap.end()
        if at == len(text):
            break
        if found and (match := _PARAMETER.match(text, at)):
            name, quoted, plain = match.groups()
            found[-1][1].setdefault(name.lower(), plain if quoted is None else quoted)
        elif match := _SCHEME.match(text, at):
            found.append((match[1].lower(), {}))
        else:
            return found[:-1]
        at = match.end()
    return found[:MAX_CHALLENGES]


def parse_parameters(value: str) -> dict[str, str]:
    """The parameters of a field without a scheme, such as Authentication-Info; unusable values are left out."""
    parsed = split_auth(f"digest {value}")[:1]
    return {name: text for name, text in parsed[0][1].items() if _usable(text)} if parsed else {}


def _usable(text: str) -> bool:
    return len(text) <= MAX_PARAMETER_CHARS and _CONTROL.search(text) is None


def _challenge(parameters: dict[str, str]) -> Challenge | None:
    realm, nonce = parameters.get("realm"), parameters.get("nonce")
    if realm is None or nonce is None or not all(map(_usable, parameters.values())):
        return None
    algorithm, session = parameters.get("algorithm", "MD5").upper(), False
    if algorithm.endswith("-SESS"):
        algorithm, session = algorithm.removesuffix("-SESS"), True
    qop = _choose_qop(parameters.get("qop"))
    # "-sess" needs a client nonce, and that needs qop (RFC 3261 §22.4 item 8).
    if algorithm not in HASHES or qop == "" or (session and qop is None):
        return None
    if algorithm == "SHA-512-256" and "sha512_256" not in hashlib.algorithms_available:
        return None
    return Challenge(
        realm=realm,
        nonce=nonce,
        opaque=parameters.get("opaque"),
        algorithm=algorithm,
        session=session,
        explicit="algorithm" in parameters,
        qop=qop,
        stale=parameters.get("stale", "").lower() == "true",
        userhash=parameters.get("userhash", "").lower() == "true",
    )


def _choose_qop(offered: str | None) -> str | None:
    """auth where offered, since bodies are rewritten on many roads, else auth-int; "" when both are missing."""
    if offered is None:
        return None
    values = {value.strip().lower() for value in offered.split(",")}
    return next((qop for qop in ("auth", "auth-int") if qop in values), "")
