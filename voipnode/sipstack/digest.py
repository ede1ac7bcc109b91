"""The client's side of digest authentication (RFC 3261 §22, RFC 7616, RFC 8760; RFC 2617 for peers without qop).

A `DigestSession` belongs to one dialog or registration. It answers the challenges of a 401 or 407, keeps each realm's
nonce and the count of its uses (nc), and signs later requests without being asked again. It may hold the credentials of
several askers, those of the account and one for each proxy on the way: a realm gets those that name it, else the first
that it has not refused.

Which challenge of a realm is answered is local policy (RFC 8760 §2.4): the strongest algorithm that we know, and of
equally strong ones the topmost. The text inside a challenge's quotation marks is hashed and sent back as it stands:
"unq" of RFC 7616 §3.4 takes the marks off and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from voipnode.sipstack.challenge import HASHES, Challenge, parse_challenges, parse_parameters, split_auth
from voipnode.sipstack.grammar import check_writable, quote

MAX_ATTEMPTS = 4
"""How often one request may go out with one set of credentials: a hostile peer can call every nonce stale."""

MAX_REALMS = 8

Header = tuple[str, str]
_Space = tuple[str, str]  # protection space: the name of the answering field, and the realm

_ANSWER_TO = {"www-authenticate": "Authorization", "proxy-authenticate": "Proxy-Authorization"}
_ANSWERS = {name.lower(): name for name in _ANSWER_TO.values()}
_INFO_OF = {"authentication-info": "Authorization", "proxy-authentication-info": "Proxy-Authorization"}

_STRENGTH = {name: place for place, name in enumerate(HASHES)}


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user name and password; `realm` None means that they are good for any realm that asks.

    Raises LocalError for text with a line end or NUL in it.
    """

    username: str
    password: str = field(repr=False)
    realm: str | None = None

    def __post_init__(self) -> None:
        check_writable(self.username, "the user name")
        check_writable(self.password, "the password")


@dataclass(slots=True)
class _Nonce:
    """A challenge in use: whom it is answered for, how often its nonce was used, and the client nonce that its "-sess"
    key was made of."""

    challenge: Challenge
    credentials: Credentials
    uses: int = 0
    session_cnonce: str = ""

    def answers(self, challenge: Challenge) -> bool:
        """Whether this challenge asks for nothing new."""
        return (self.challenge.nonce, self.challenge.algorithm) == (challenge.nonce, challenge.algorithm)


class DigestSession:
    """Answers challenges with the credentials that fit and remembers them. Hostile challenges never raise."""

    def __init__(self, credentials: tuple[Credentials, ...]) -> None:
        self._credentials = credentials
        self._nonces: dict[_Space, _Nonce] = {}
        self._refused: dict[_Space, list[Credentials]] = {}

    @property
    def max_attempts(self) -> int:
        """How often one request may go out, all told."""
        return MAX_ATTEMPTS - 1 + len(self._credentials)

    def respond(
        self,
        challenges: Iterable[Header],
        *,
        method: str,
        uri: str,
        cnonce: str,
        body: bytes = b"",
        refused: Iterable[Header] = (),
    ) -> list[Header]:
        """All the credentials that the repeated request must carry, in place of those that it had; [] means give up.

        `challenges` are the header fields of the 401 or 407, `refused` those of the request that it answers; fields of
        other names are skipped. `uri` is the Request-URI as sent, `cnonce` a fresh token. Nothing is returned when no
        challenge can be answered or when every password for it was refused (RFC 3261 §22.1); the realm is forgotten
        then, so that the next request begins anew and how often that may be is for the caller to say. A stale nonce is
        no refusal, so bound the repeats by `max_attempts`.
        """
        had = _used_nonces(refused)
        asked = _strongest(challenges)
        answered = [space for space, challenge in asked.items() if self._take(space, challenge, had.get(space))]
        if not answered:
            return []
        # A proxy that let the request pass did so for its credentials: they go along again (RFC 3261 §22.3).
        satisfied = [space for space in had if space in self._nonces and space not in asked]
        return [self._sign(space, method, uri, body, cnonce) for space in satisfied + answered]

    @property
    def asked(self) -> bool:
        """Whether somebody has asked for credentials that are at hand."""
        return bool(self._nonces)

    def prepare(self, *, method: str, uri: str, cnonce: str, body: bytes = b"") -> list[Header]:
        """Credentials for a further request, for every realm that has asked so far (RFC 3261 §22.2, §22.3)."""
        return [self._sign(space, method, uri, body, cnonce) for space in self._nonces]

    def learn(self, headers: Iterable[Header]) -> None:
        """Takes the next nonce that a 2xx may carry in Authentication-Info (RFC 7616 §3.5, RFC 3261 §20.6)."""
        for name, value in headers:
            if (answer := _INFO_OF.get(name.lower())) is None:
                continue
            nonce = parse_parameters(value).get("nextnonce")
            spaces = [space for space in self._nonces if space[0] == answer]
            # The field names no realm: with two it is anybody's guess, and a wrong one costs only a stale=true.
            if nonce and len(spaces) == 1 and not (held := self._nonces[spaces[0]]).challenge.session:
                self._nonces[spaces[0]] = _Nonce(replace(held.challenge, nonce=nonce, stale=False), held.credentials)

    def _take(self, space: _Space, challenge: Challenge, refused_nonce: str | None) -> bool:
        """Make this challenge the one that its realm's requests are signed for; False where there is nobody to sign."""
        held = self._nonces.get(space)
        if held is None:
            if len(self._nonces) >= MAX_REALMS or challenge.nonce == refused_nonce:
                return False
            credentials = self._choose(space, challenge.realm)
        elif refused_nonce is not None and _refuses(challenge, held, refused_nonce):
            self._refused.setdefault(space, []).append(held.credentials)
            credentials = self._choose(space, challenge.realm)
        else:
            credentials = held.credentials
        if credentials is None:
            self._nonces.pop(space, None)
            self._refused.pop(space, None)
            return False
        if held is not None and held.answers(challenge):
            held.credentials = credentials  # nc counts the uses of the nonce, whoever signs
        else:
            self._nonces[space] = _Nonce(challenge, credentials)
        return True

    def _choose(self, space: _Space, realm: str) -> Credentials | None:
        """Those that name the realm before those that are good for any, without those that it refused."""
        left = [each for each in self._credentials if each not in self._refused.get(space, ())]
        named = (each for each in left if each.realm == realm)
        return next(named, None) or next((each for each in left if each.realm is None), None)

    def _sign(self, space: _Space, method: str, uri: str, body: bytes, cnonce: str) -> Header:
        held = self._nonces[space]
        held.uses += 1
        held.session_cnonce = held.session_cnonce or cnonce
        challenge = held.challenge
        # A "-sess" key is made of the first client nonce (RFC 7616 §3.4.2); staying with it suits every reading.
        client_nonce = held.session_cnonce if challenge.session else cnonce
        return space[0], _credentials_value(challenge, held.credentials, method, uri, body, held.uses, client_nonce)


def _refuses(challenge: Challenge, held: _Nonce, refused_nonce: str) -> bool:
    """Whether a challenge to a request that had credentials says that they are wrong."""
    if challenge.nonce == refused_nonce:
        return True
    # A new nonce without "stale" says that the password is wrong, unless the old one has served before: then it
    # ran out, and the server did not care to say so. An older nonce than the one we hold was in flight with it.
    return not challenge.stale and held.uses <= 1 and held.challenge.nonce == refused_nonce


def _strongest(headers: Iterable[Header]) -> dict[_Space, Challenge]:
    best: dict[_Space, Challenge] = {}
    for name, value in headers:
        if (answer := _ANSWER_TO.get(name.lower())) is None:
            continue
        for challenge in parse_challenges(value):
            held = best.setdefault((answer, challenge.realm), challenge)
            if _STRENGTH[challenge.algorithm] > _STRENGTH[held.algorithm]:
                best[answer, challenge.realm] = challenge
    return best


def _used_nonces(headers: Iterable[Header]) -> dict[_Space, str]:
    used: dict[_Space, str] = {}
    for name, value in headers:
        if (answer := _ANSWERS.get(name.lower())) is None:
            continue
        for scheme, parameters in split_auth(value):
            if scheme == "digest":
                used[answer, parameters.get("realm", "")] = parameters.get("nonce", "")
    return used


def _credentials_value(
    challenge: Challenge, credentials: Credentials, method: str, uri: str, body: bytes, uses: int, cnonce: str
) -> str:
    """The value of (Proxy-)Authorization (RFC 7616 §3.4); nc and cnonce only go with qop (RFC 2617 §3.2.2)."""
    digest = HASHES[challenge.algorithm]
    username = credentials.username
    if challenge.userhash:
        username = digest(_encode(f"{username}:{challenge.realm}"))
    count = f"{uses:08x}"
    parameters = [
        f"username={quote(username)}",
        f'realm="{challenge.realm}"',
        f'nonce="{challenge.nonce}"',
        f"uri={quote(uri)}",  # always in quotation marks (RFC 3261 §22.4 item 2)
        f'response="{digest_response(challenge, credentials, method, uri, body, count, cnonce)}"',
    ]
    if challenge.explicit:
        parameters.append(f"algorithm={challenge.algorithm}{'-sess' if challenge.session else ''}")
    if challenge.opaque is not None:
        parameters.append(f'opaque="{challenge.opaque}"')
    if challenge.qop is not None:
        parameters += [f"qop={challenge.qop}", f"nc={count}", f"cnonce={quote(cnonce)}"]
    if challenge.userhash:
        parameters.append("userhash=true")
    return "Digest " + ", ".join(parameters)


def digest_response(
    challenge: Challenge, credentials: Credentials, method: str, uri: str, body: bytes, count: str, cnonce: str
) -> str:
    """The `response` parameter: KD(H(A1), nonce:...:H(A2)) of RFC 7616 §3.4.1, or of RFC 2617 §3.2.2.1 without qop."""
    digest = HASHES[challenge.algorithm]
    secret = digest(_encode(f"{credentials.username}:{challenge.realm}:{credentials.password}"))
    if challenge.session:
        secret = digest(_encode(f"{secret}:{challenge.nonce}:{cnonce}"))
    request = f"{method}:{uri}"
    if challenge.qop == "auth-int":
        request = f"{request}:{digest(body)}"
    middle = f"{challenge.nonce}:{count}:{cnonce}:{challenge.qop}" if challenge.qop else challenge.nonce
    return digest(_encode(f"{secret}:{middle}:{digest(_encode(request))}"))


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
