"""Files put on a server over SFTP, whose host key is pinned."""

from __future__ import annotations

import asyncio
import contextlib
import re
from pathlib import PurePosixPath
from typing import Any

from voipnode.modules.recipients.errors import DeliveryError
from voipnode.modules.recipients.settings import SftpRecipient, host_key_fingerprint
from voipnode.modules.recipients.stored_file import StoredFile

# RFC 8332, RFC 5656, RFC 8709. A server has one key of each kind and shows that of the first kind on the list that it
# knows; the pinned one may be another.
KINDS = (
    ("rsa-sha2-512", "rsa-sha2-256"),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("ssh-ed25519",),
)
_MD5 = re.compile(r"[0-9a-f]{32}")


async def store_by_sftp(recipient: SftpRecipient, file: StoredFile) -> str:
    """Put the file there, whole or not at all. Raises DeliveryError, OSError."""
    import asyncssh  # 200 ms that a node without such a recipient does without

    try:
        async with await _connect(recipient) as connection, connection.start_sftp_client() as client:
            await _put(client, recipient, file)
    except asyncssh.PermissionDenied as error:
        raise DeliveryError(f"the server refuses the login: {error.reason}") from error
    except asyncssh.SFTPError as error:
        raise DeliveryError(f"{_path(recipient, file.name)}: the server said: {error.reason}") from error
    except asyncssh.Error as error:
        raise DeliveryError(f"SSH failed: {error.reason}") from error
    return f"stored as {_path(recipient, file.name)}"


async def _put(client: Any, recipient: SftpRecipient, file: StoredFile) -> None:
    import asyncssh

    path = _path(recipient, file.name)
    first = _path(recipient, file.temporary) if recipient.use_temporary_name else path
    async with client.open(first, "wb") as remote:
        await remote.write(file.content)
        with contextlib.suppress(asyncssh.SFTPOpUnsupported):  # OpenSSH's extension, which others may not have
            await remote.fsync()
    if first == path:
        return
    try:
        await client.posix_rename(first, path)  # takes the place of what a try before has left
    except asyncssh.SFTPOpUnsupported:
        with contextlib.suppress(asyncssh.SFTPNoSuchFile):
            await client.remove(path)
        await client.rename(first, path)


def _path(recipient: SftpRecipient, name: str) -> str:
    return str(PurePosixPath(recipient.folder) / name)


async def _connect(recipient: SftpRecipient) -> Any:
    """A connection to the host with the pinned key; it is asked for its keys of all kinds before it is refused."""
    import asyncssh

    # None, and not an empty list: that would try whatever keys this user has at home.
    keys = [await asyncio.to_thread(_key, recipient)] if recipient.key_file else None
    shown: list[str] = []
    why = ""
    for algorithms in (tuple(name for kind in KINDS for name in kind), *KINDS):
        client = _pinning_client(recipient.host_key, shown)
        try:
            return await asyncssh.connect(
                recipient.host,
                recipient.port,
                client_factory=client,
                known_hosts=([], [], []),  # nobody is known but by the pinned key
                server_host_key_algs=algorithms,
                username=recipient.username,
                password=recipient.password.get_secret_value() or None,
                client_keys=keys,
                agent_path=None,
                config=(),
                login_timeout=recipient.timeout_s,
            )
        except (asyncssh.HostKeyNotVerifiable, asyncssh.KeyExchangeFailed) as error:
            why = why or error.reason
    if not shown:
        raise DeliveryError(f"SSH failed: {why}")
    raise DeliveryError(
        f"the server's host key is not the pinned one: it shows {' and '.join(shown)},"
        f" and {pinned_words(recipient.host_key)} is expected; nothing was sent"
    )


def _key(recipient: SftpRecipient) -> Any:
    import asyncssh

    try:
        return asyncssh.read_private_key(recipient.key_file, recipient.key_passphrase.get_secret_value() or None)
    except (OSError, asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise DeliveryError(f"key_file {recipient.key_file}: {error}") from error


def _pinning_client(pinned: str, shown: list[str]) -> Any:
    import asyncssh

    class PinningClient(asyncssh.SSHClient):
        """Takes the one key only, and notes what else was shown."""

        def validate_host_public_key(self, host: str, addr: str, port: int, key: Any) -> bool:
            if is_pinned(pinned, key.get_fingerprint("md5"), key.get_fingerprint("sha256")):
                return True
            kind = "md5" if _MD5.fullmatch(pinned) else "sha256"
            words = f"{key.get_fingerprint(kind)} ({key.algorithm.decode()})"
            if words not in shown:
                shown.append(words)
            return False

    return PinningClient


def is_pinned(pinned: str, *fingerprints: str) -> bool:
    """Whether one of a key's fingerprints, as OpenSSH writes them, is the one in the settings."""
    return any(host_key_fingerprint(fingerprint) == pinned for fingerprint in fingerprints)


def pinned_words(pinned: str) -> str:
    """A fingerprint as OpenSSH writes it."""
    if _MD5.fullmatch(pinned):
        return "MD5:" + ":".join(pinned[at : at + 2] for at in range(0, 32, 2))
    return f"SHA256:{pinned}"
