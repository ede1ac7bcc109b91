"""One try to deliver a message, by kind of recipient. Each raises `DeliveryError` with words where it fails."""

from __future__ import annotations

import asyncio
import logging
import ssl

from voipnode.modules.recipients.calling import Caller
from voipnode.modules.recipients.errors import DeliveryError
from voipnode.modules.recipients.folder import Folder
from voipnode.modules.recipients.ftp import store_by_ftp
from voipnode.modules.recipients.lines import send_line, send_record
from voipnode.modules.recipients.mail import send_mail
from voipnode.modules.recipients.message import Message
from voipnode.modules.recipients.settings import (
    CallRecipient,
    FolderRecipient,
    FtpRecipient,
    HttpRecipient,
    MailRecipient,
    Recipient,
    SftpRecipient,
    SyslogRecipient,
    TcpRecipient,
)
from voipnode.modules.recipients.sftp import store_by_sftp
from voipnode.modules.recipients.stored_file import stored_file
from voipnode.modules.recipients.webhook import post

log = logging.getLogger(__name__)


class Courier:
    """Delivers the messages of one recipient; `caller` places the calls of one that is called."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._folder = Folder()

    async def deliver(self, recipient: Recipient, message: Message, now_s: float) -> str:
        """Try once; what came of it in words. `now_s`: seconds since 1970, for signatures. Raises DeliveryError."""
        limit_s = None if isinstance(recipient, CallRecipient) else recipient.timeout_s  # a call has times of its own
        try:
            async with asyncio.timeout(limit_s):
                return await self._try(recipient, message, now_s)
        except TimeoutError:
            raise DeliveryError(f"no answer within {recipient.timeout_s:g} s") from None
        except ssl.SSLError as error:
            raise DeliveryError(f"TLS failed: {error.reason or error}") from error
        except DeliveryError:
            raise
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise DeliveryError(where + (error.strerror or str(error))) from error
        except Exception as error:  # the edge of seven libraries: what one of them trips over must be given up, too
            log.exception("recipient %r", recipient.name)
            raise DeliveryError(f"it failed by {type(error).__name__}: see the log") from error

    async def _try(self, recipient: Recipient, message: Message, now_s: float) -> str:
        match recipient:
            case HttpRecipient():
                return await post(recipient, message, now_s)
            case MailRecipient():
                return await send_mail(recipient, message)
            case TcpRecipient():
                return await send_line(recipient, message)
            case SyslogRecipient():
                return await send_record(recipient, message)
            case FtpRecipient():
                return await store_by_ftp(recipient, stored_file(recipient.file_name, message))
            case SftpRecipient():
                return await store_by_sftp(recipient, stored_file(recipient.file_name, message))
            case FolderRecipient():
                return await self._folder.store(recipient, stored_file(recipient.file_name, message))
            case CallRecipient():
                return await self._caller.call(recipient)
