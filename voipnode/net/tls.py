"""TLS settings made ready for use: contexts that follow their files, and sessions to resume (RFC 5246, RFC 8446)."""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

log = logging.getLogger(__name__)

Versions = Literal["auto", "1.2", "1.3"]
MAX_SESSIONS = 64  # remembered for resumption, per profile

# 1.0 and 1.1 are never spoken (RFC 8996).
_VERSIONS: dict[str, tuple[ssl.TLSVersion, ssl.TLSVersion]] = {
    "auto": (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3),
    "1.2": (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2),
    "1.3": (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3),
}


class TlsError(Exception):
    """A certificate, key, CA or key log file cannot be used.

    `field` is the setting, "certificate", "key", "ca" or "key_log"; `profile` the account that it is of, "" for the
    node's own.
    """

    def __init__(self, field: str, words: str, profile: str = "") -> None:
        super().__init__(words)
        self.field = field
        self.profile = profile


@dataclass(frozen=True, slots=True)
class TlsProfile:
    """How one side of TLS is spoken. Files are PEM; `key` None: it is in the certificate's file.

    `verify`: as a client, the server's certificate must be good and prove its name. `ca` None are the system's CAs.
    `wildcards`: "*.example.com" proves a.example.com, as it does everywhere but in SIP (RFC 6125 §6.4.3).
    `clients` says what a server asks of its clients: "no" certificate, an "optional" or a "required" one. Who has the
    file `key_log` reads what went over the connections (draft-ietf-tls-keylogfile): None but for captures.
    """

    verify: bool = True
    versions: Versions = "auto"
    certificate: Path | None = None
    key: Path | None = None
    ca: Path | None = None
    clients: Literal["no", "optional", "required"] = "no"
    wildcards: bool = False
    key_log: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that contexts are made of."""
        return tuple(path for path in (self.certificate, self.key, self.ca) if path is not None)


class WatchedContext:
    """A context that is made anew when one of its files has changed: looked at when a connection begins, never polled.

    While new files cannot be used (half copied, or the key of another certificate) the old ones serve on.
    """

    def __init__(self, profile: TlsProfile, build: Callable[[TlsProfile], ssl.SSLContext]) -> None:
        self.profile = profile
        self._build = build
        self._context: ssl.SSLContext | None = None
        self._stamps: tuple[object, ...] = ()
        self._sessions: dict[str, ssl.SSLSession] = {}

    def current(self) -> ssl.SSLContext:
        """The context for a new connection. Raises TlsError where there has never been a usable one."""
        stamps = tuple(_stamp(path) for path in self.profile.files)
        if self._context is None or stamps != self._stamps:
            try:
                self._take(self._build(self.profile), stamps)
            except TlsError as error:
                if self._context is None:
                    raise
                self._stamps = stamps  # told once, until the files change again
                log.warning("TLS files have changed and cannot be used, the old ones serve on: %s", error)
        assert self._context is not None
        return self._context

    def reload(self) -> None:
        """Read the files again, changed or not. Raises TlsError, the old ones serving on."""
        self._take(self._build(self.profile), tuple(_stamp(path) for path in self.profile.files))

    def _take(self, context: ssl.SSLContext, stamps: tuple[object, ...]) -> None:
        if self._context is not None:
            log.info("TLS files have been read anew: %s", ", ".join(map(str, self.profile.files)))
        self._context, self._stamps = context, stamps
        self._sessions.clear()  # a session belongs to its context

    def session(self, domain: str, context: ssl.SSLContext) -> ssl.SSLSession | None:
        """What a connection to `domain` may resume."""
        return self._sessions.get(domain) if context is self._context else None

    def keep_session(self, domain: str, context: ssl.SSLContext, session: ssl.SSLSession | None) -> None:
        """Remember the session of a connection whose peer has proven its name."""
        if session is None or context is not self._context:
            return
        self._sessions.pop(domain, None)
        if len(self._sessions) >= MAX_SESSIONS:
            self._sessions.pop(next(iter(self._sessions)))
        self._sessions[domain] = session


def client_context(profile: TlsProfile) -> ssl.SSLContext:
    """For connections that we open. Raises TlsError. Names are checked by `tls_layer`: OpenSSL knows no sip URIs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    _common(context, profile)
    if profile.verify:
        _trust(context, profile.ca)
    else:
        context.verify_mode = ssl.CERT_NONE
    if profile.certificate is not None:
        _load_own(context, profile)
    return context


def server_context(profile: TlsProfile) -> ssl.SSLContext:
    """For connections that others open. Raises TlsError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _common(context, profile)
    _load_own(context, profile)
    if profile.clients != "no":
        _trust(context, profile.ca)
        context.verify_mode = ssl.CERT_REQUIRED if profile.clients == "required" else ssl.CERT_OPTIONAL
    return context


def _common(context: ssl.SSLContext, profile: TlsProfile) -> None:
    context.minimum_version, context.maximum_version = _VERSIONS[profile.versions]
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    if profile.key_log is not None:
        _write_keys(context, profile.key_log)


def _write_keys(context: ssl.SSLContext, key_log: Path) -> None:
    """Add the secrets of all connections of this context to a file that is for its owner alone."""
    try:
        os.close(os.open(key_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
        context.keylog_filename = str(key_log)
    except OSError as error:
        raise TlsError("key_log", f"{key_log} cannot be written: {error.strerror or error}") from error


def _trust(context: ssl.SSLContext, ca: Path | None) -> None:
    if ca is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return
    try:
        context.load_verify_locations(ca)
    except ssl.SSLError as error:
        raise TlsError("ca", f"{ca} holds no certificate in PEM form") from error
    except OSError as error:
        raise TlsError("ca", f"{ca} cannot be read: {error.strerror}") from error


def _load_own(context: ssl.SSLContext, profile: TlsProfile) -> None:
    assert profile.certificate is not None
    for field, path in (("certificate", profile.certificate), ("key", profile.key)):
        if path is not None and (problem := _unreadable(path)):
            raise TlsError(field, f"{path} cannot be read: {problem}")
    try:
        # A pass phrase that is asked for would stop the node at a terminal, or for ever.
        context.load_cert_chain(profile.certificate, profile.key, password=lambda: b"")
    except ssl.SSLError as error:
        raise _own_error(profile, error) from error
    except (OSError, ValueError) as error:
        raise TlsError("certificate", f"{profile.certificate} cannot be used: {error}") from error


def _own_error(profile: TlsProfile, error: ssl.SSLError) -> TlsError:
    key = profile.key or profile.certificate
    if error.reason == "KEY_VALUES_MISMATCH":
        return TlsError("key", f"the key in {key} does not belong to the certificate in {profile.certificate}")
    if error.reason in ("BAD_DECRYPT", "BAD_PASSWORD_READ"):
        return TlsError("key", f"the key in {key} is protected by a pass phrase; store it without")
    if error.reason in ("EE_KEY_TOO_SMALL", "CA_MD_TOO_WEAK"):
        return TlsError("certificate", f"{profile.certificate} is too weak to be used: {error.reason}")
    return TlsError("certificate", f"no certificate with its key in PEM form in {profile.certificate} and {key}")


def _unreadable(path: Path) -> str:
    try:
        with path.open("rb"):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def _stamp(path: Path) -> object:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
