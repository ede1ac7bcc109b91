"""The node as a reader of an Axis door controller over HTTP or HTTPS."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from voipnode.calls.errors import CallError, NotNowError
from voipnode.calls.hooks import Tasks
from voipnode.modules.controller.link import AMBER, CONNECTED, CONNECTING, GREEN, RED, Ear
from voipnode.modules.controller.settings import VapixSettings
from voipnode.modules.controller.vapix import (
    ACCESS_CONTROLLERS,
    ACCESS_POINTS,
    PATH,
    Entrance,
    VapixError,
    access_request,
    chosen,
    entrances,
    granted,
    is_final,
)

if TYPE_CHECKING:
    import httpx

# Light, for how long, and beeps.
GRANTED, DENIED, PIN_WANTED = (GREEN, 3.0, 1), (RED, 2.0, 3), (AMBER, 10.0, 1)
CARD_KEPT_S = 10.0  # a card that was not enough alone, for its PIN
MAX_READERS = 64
CHECK_S = 60.0  # so that a controller that has died is noticed before somebody stands at the door
RETRY_S = (2.0, 4.0, 8.0, 16.0, 30.0)
MAX_ANSWER = 1_000_000


class VapixLink:
    """An access point of the controller at `settings.address`. `clock`: monotonic seconds."""

    def __init__(self, settings: VapixSettings, clock: Callable[[], float]) -> None:
        self.name = f"{settings.scheme} {settings.address}"
        self._settings = settings
        self._clock = clock
        self._client: httpx.AsyncClient | None = None
        self._ear: Ear | None = None
        self._entrance: Entrance | None = None
        self.found: Sequence[Entrance] = ()
        self._cards: dict[str, tuple[str, float]] = {}  # by reader: a card that waits for its PIN, and until when
        self._trouble = "not yet"
        self._ask_now = asyncio.Event()
        self._tasks = Tasks("controller")

    async def start(self, ear: Ear) -> None:
        """Begin to seek the controller. Raises CallError where `ca` cannot be read."""
        import httpx

        self._ear = ear
        settings = self._settings
        try:
            context = ssl.create_default_context(cafile=settings.ca or None)
        except (OSError, ssl.SSLError) as error:
            raise CallError(f"controller.http.ca: {settings.ca}: {error.strerror or error}") from error
        if not settings.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        login = None
        if settings.username:
            login = httpx.DigestAuth(settings.username, settings.password.get_secret_value())
        self._client = httpx.AsyncClient(
            base_url=f"{settings.scheme}://{settings.address}",
            verify=context,
            trust_env=False,
            timeout=settings.timeout_s,
            auth=login,
        )
        self._tasks.start(self._keep())

    async def stop(self) -> None:
        await self._tasks.close()
        self._ear = None
        self._cards.clear()
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def card(self, bits: str, reader: str) -> None:
        await self._request(reader, bits=bits)

    async def keys(self, keys: str, reader: str) -> None:
        """A PIN; "#" at its end only says that it is complete. It goes with the card that came before it."""
        pin = keys.removesuffix("#")
        if not pin.isdigit():
            raise NotNowError("a PIN has digits only")
        bits, until = self._cards.pop(reader, ("", 0.0))
        await self._request(reader, bits=bits if self._clock() < until else "", pin=pin)

    async def _request(self, reader: str, *, bits: str, pin: str = "") -> None:
        """Ask whether he may enter, and show the answer. Raises NotNowError where there is none."""
        self._cards.pop(reader, None)
        if self._entrance is None:
            self._ask_now.set()
            raise NotNowError(f"the door controller is not reached: {self._trouble}")
        try:
            answer = await self._ask(access_request(self._entrance, bits=bits, pin=pin, card_as=self._settings.card_as))
            is_in = granted(answer)
        except VapixError as error:
            self._lost(str(error))
            self._ask_now.set()
            raise NotNowError(f"the door controller is not reached: {error}") from None
        wants_pin = not is_in and not pin and not is_final(answer)
        if wants_pin and len(self._cards) < MAX_READERS:
            self._cards[reader] = bits, self._clock() + CARD_KEPT_S
        if self._ear is not None:
            self._ear.shown(*(GRANTED if is_in else PIN_WANTED if wants_pin else DENIED))

    async def _keep(self) -> None:
        """Seek the controller, and look after it."""
        tries = 0
        while True:
            self._ask_now.clear()
            try:
                await self._connect()
                tries, wait_s = 0, CHECK_S
            except VapixError as error:
                self._lost(str(error))
                wait_s = RETRY_S[min(tries, len(RETRY_S) - 1)]
                tries += 1
            try:
                async with asyncio.timeout(wait_s):
                    await self._ask_now.wait()
                await asyncio.sleep(RETRY_S[0])  # somebody at the door does not make us ask faster
            except TimeoutError:
                continue

    async def _connect(self) -> None:
        points = await self._ask(ACCESS_POINTS)
        self.found = entrances(points, await self._ask(ACCESS_CONTROLLERS))
        entrance = chosen(self.found, self._settings.access_point)
        if entrance != self._entrance and self._ear is not None:
            self._ear.linked(CONNECTED, f"reader of {entrance.name}")
        self._entrance, self._trouble = entrance, ""

    def _lost(self, words: str) -> None:
        if words != self._trouble and self._ear is not None:
            self._ear.linked(CONNECTING, words)
        self._entrance, self._trouble = None, words

    async def _ask(self, request: Any) -> Any:
        """The answer to a request. Raises VapixError, which says nothing of what was asked."""
        import httpx

        assert self._client is not None
        try:
            async with (
                asyncio.timeout(self._settings.timeout_s),
                self._client.stream("POST", PATH, json=request) as answer,
            ):
                body = bytearray()
                async for piece in answer.aiter_bytes():
                    body += piece
                    if len(body) > MAX_ANSWER:
                        raise VapixError("its answer is too long")
        except TimeoutError:
            raise VapixError(f"no answer within {self._settings.timeout_s:g} s") from None
        except httpx.HTTPError as error:
            raise VapixError(str(error) or type(error).__name__) from None
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            raise VapixError("it does not accept username and password")
        try:
            said = json.loads(body)
        except (ValueError, RecursionError):
            raise VapixError(f"it answers {answer.status_code} without JSON") from None
        if not answer.is_success or (isinstance(said, dict) and "FaultMsg" in said):
            raise VapixError(f"it answers with a fault ({answer.status_code})")
        return said
