"""Files put on a server over FTP (RFC 959). Data connections, too, are opened from here: EPSV (RFC 2428), or PASV."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voipnode.modules.recipients.errors import DeliveryError
from voipnode.modules.recipients.settings import FtpRecipient
from voipnode.modules.recipients.stored_file import StoredFile

if TYPE_CHECKING:
    import aioftp


async def store_by_ftp(recipient: FtpRecipient, file: StoredFile) -> str:
    """Put the file there; under its name only when it is whole, where that is wished. Raises DeliveryError, OSError."""
    import aioftp  # 80 ms that a node without such a recipient does without

    try:
        async with aioftp.Client.context(
            recipient.host,
            recipient.port,
            recipient.username or "anonymous",
            recipient.password.get_secret_value(),
            socket_timeout=recipient.timeout_s,
        ) as client:
            if recipient.folder:
                await client.change_directory(recipient.folder)
            first = file.temporary if recipient.use_temporary_name else file.name
            async with client.upload_stream(first) as stream:
                await stream.write(file.content)
            if first != file.name:
                await _rename(client, first, file.name)
    except aioftp.StatusCodeError as error:
        said = " ".join(line.strip() for line in error.info)
        raise DeliveryError(f"the server said {error.received_codes[-1]} {said}"[:300]) from error
    except aioftp.AIOFTPException as error:
        raise DeliveryError(f"FTP failed: {error}") from error
    return f"stored as {file.name}"


async def _rename(client: aioftp.Client, first: str, name: str) -> None:
    """Give the file its name; RFC 959 leaves it open whether it takes the place of one that a try before has left."""
    import aioftp

    try:
        await client.rename(first, name)
    except aioftp.StatusCodeError:
        await client.remove_file(name)
        await client.rename(first, name)
