"""The server's side of digest authentication (RFC 3261 §22, RFC 7616, RFC 8760): challenges, and who answered them.

Nothing is kept for a challenge that was sent, so that asking costs a forger of addresses nothing of ours (RFC 3261
§26.3.2.4): a nonce carries when it was made and a signature over that and over who was asked. Kept is only how often a
nonce was used by somebody who knew the password, so that nobody can use an overheard answer again (RFC 7616 §3.4.5).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable
from enum import Enum, auto
from typing import NamedTuple

from voipnode.sipstack.challenge import Challenge, split_auth
from voipnode.sipstack.digest import Credentials, Header, digest_response
from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.grammar import quote
from voipnode.sipstack.message import Request

ALGORITHMS = ("SHA-256", "MD5")  # in the order of preference that RFC 8760 §2.3 wants
_MAC_CHARS = 32
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")
_NEEDED = ("username", "nonce", "uri", "response", "qop", "nc", "cnonce")


class Verdict(Enum):
    """What credentials are worth."""

    ACCEPTED = auto()
    MISSING = auto()  # none for our realm
    STALE = auto()  # right perhaps, but the nonce has had its time or its count: ask again (RFC 7616 §3.3)
    WRONG = auto()  # no such user, another password, or nothing that can be checked


class Judgement(NamedTuple):
    """A verdict, and the user where it is ACCEPTED; else ""."""

    verdict: Verdict
    username: str = ""


class Authenticator:
    """Challenges requests and judges the credentials that come back; WWW-Authenticate and Authorization alone.

    `secret` (16 bytes or more, fresh at every start) signs the nonces; each of `algorithms` has its challenge. A nonce
    serves one source for `nonce_lifetime_s`. `max_nonces` in use are remembered; where they are more, the oldest turn
    stale. Raises LocalError for a short secret.
    """

    def __init__(
        self,
        realm: str,
        secret: bytes,
        *,
        algorithms: tuple[str, ...] = ALGORITHMS,
        nonce_lifetime_s: float = 300.0,
        max_nonces: int = 1024,
    ) -> None:
        if len(secret) < 16:
            raise LocalError(f"the secret that signs nonces has {len(secret)} bytes; 16 are the least")
        self._realm = realm
        self._secret = secret
        self._algorithms = algorithms
        self._lifetime_ms = int(nonce_lifetime_s * 1000)
        self._max_nonces = max_nonces
        self._uses: dict[str, int] = {}  # nonce -> the highest count seen, oldest nonce in use first
        self._none_before_ms = 0  # nonces made before this may have been used and forgotten
        self._made = 0
        self._read: list[str] = []
        self._given: dict[str, str] | None = None  # what was found in that

    def challenge(self, source: str, now: float, *, stale: bool = False) -> tuple[Header, ...]:
        """The fields of a 401 to a request from `source` (an IP address)."""
        self._made += 1
        nonce = self._nonce(f"{int(now * 1000):x}.{self._made:x}", source)
        note = ", stale=true" if stale else ""
        return tuple(
            (
                "WWW-Authenticate",
                f'Digest realm={quote(self._realm)}, nonce="{nonce}", algorithm={algorithm}, qop="auth"{note}',
            )
            for algorithm in self._algorithms
        )

    def judge(self, request: Request, source: str, now: float, password_of: Callable[[str], str | None]) -> Judgement:
        """What the request's credentials for our realm are worth. Never raises.

        An unknown user costs the same time and gets the same answer as a wrong password. The digest's `uri` is not
        compared with the Request-URI, which proxies rewrite; it is bound to the nonce's count, and so to one request.
        """
        given = self._find(request.headers.get_all("Authorization"))
        if given is None:
            return Judgement(Verdict.MISSING)
        nonce = given.get("nonce", "")
        if not self._is_ours(nonce, source):
            # Of an earlier run of ours, perhaps, or given to this phone at another address: not a wrong password. Nor
            # is it proven that the sender receives at the address which would have to answer for one.
            return Judgement(Verdict.STALE)
        algorithm = given.get("algorithm", "MD5").upper()
        if (
            algorithm not in self._algorithms
            or given.get("qop") != "auth"
            or any(name not in given for name in _NEEDED)
        ):
            return Judgement(Verdict.WRONG)
        count = _count(given["nc"])
        if count is None:
            return Judgement(Verdict.STALE)
        username = given["username"]
        password = password_of(username)
        right = self._matches(request.method, given, algorithm, password or "")
        if not right or password is None:
            return Judgement(Verdict.WRONG)
        if not self._use(nonce, count, now):
            return Judgement(Verdict.STALE)
        return Judgement(Verdict.ACCEPTED, username)

    def claimed(self, request: Request) -> str:
        """The user name of the request's credentials for our realm, right or wrong; "" where it has none."""
        given = self._find(request.headers.get_all("Authorization"))
        return given.get("username", "") if given is not None else ""

    def _find(self, values: list[str]) -> dict[str, str] | None:
        """The credentials for our realm; those of one request are asked for twice, and read once."""
        if values != self._read:
            self._read, self._given = values, self._search(values)
        return self._given

    def _search(self, values: Iterable[str]) -> dict[str, str] | None:
        for value in values:
            for scheme, parameters in split_auth(value):
                if scheme == "digest" and parameters.get("realm") == self._realm:
                    return parameters
        return None

    def _matches(self, method: str, given: dict[str, str], algorithm: str, password: str) -> bool:
        challenge = Challenge(
            realm=self._realm,
            nonce=given["nonce"],
            opaque=None,
            algorithm=algorithm,
            session=False,
            explicit=True,
            qop="auth",
            stale=False,
            userhash=False,
        )
        try:
            credentials = Credentials(given["username"], password)
        except LocalError:  # a line end within the name: nobody's
            return False
        expected = digest_response(challenge, credentials, method, given["uri"], b"", given["nc"], given["cnonce"])
        return hmac.compare_digest(expected.encode(), given["response"].lower().encode("utf-8", "surrogateescape"))

    def _nonce(self, made: str, source: str) -> str:
        mac = hmac.new(self._secret, f"{made} {source}".encode(), hashlib.sha256).hexdigest()[:_MAC_CHARS]
        return f"{made}.{mac}"

    def _is_ours(self, nonce: str, source: str) -> bool:
        made, _, _ = nonce.rpartition(".")
        return hmac.compare_digest(
            self._nonce(made, source).encode("utf-8", "surrogateescape"), nonce.encode("utf-8", "surrogateescape")
        )

    def _use(self, nonce: str, count: int, now: float) -> bool:
        """Count this use; False where the nonce is too old, or where this count was there before."""
        made_ms = int(nonce.partition(".")[0], 16)
        oldest_ms = max(int(now * 1000) - self._lifetime_ms, self._none_before_ms)
        if made_ms < oldest_ms or count <= self._uses.get(nonce, 0):
            return False
        if nonce not in self._uses and len(self._uses) >= self._max_nonces:
            self._forget(oldest_ms)
        self._uses[nonce] = count
        return True

    def _forget(self, oldest_ms: int) -> None:
        """Make room: what is too old anyway, else the older half, whose nonces are stale from now on."""
        made = {nonce: int(nonce.partition(".")[0], 16) for nonce in self._uses}
        limit_ms = oldest_ms
        if not any(at < oldest_ms for at in made.values()):
            limit_ms = sorted(made.values())[len(made) // 2] + 1
            self._none_before_ms = limit_ms
        self._uses = {nonce: uses for nonce, uses in self._uses.items() if made[nonce] >= limit_ms}


def _count(text: str) -> int | None:
    """The nonce count: eight hexadecimal digits (RFC 7616 §3.4)."""
    return int(text, 16) if len(text) == 8 and set(text) <= _HEX_DIGITS else None
