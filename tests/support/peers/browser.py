"""Chromium as a phone: SIP over WebSocket and WebRTC, by a page of our own (`tests/support/browser_phone`)."""

from __future__ import annotations

import asyncio
import base64
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.aio import PATIENCE_S, at_end, within
from tests.support.namespaces import Namespace

PAGE = Path(__file__).parent.parent / "browser_phone"
ORIGIN = "http://localhost"  # a secure context, which may use the microphone and yet speak plain WebSocket
RATE_HZ = 16000  # of what is heard
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--ignore-certificate-errors",
    "--disable-features=LocalNetworkAccessChecks,WebRtcHideLocalIpsWithMdns",
)


class BrowserPhone:
    """A page that is a registered user, and its events: "ringing", "active", "connection", "over", ..."""

    def __init__(self, playwright: Any, browser: Any, page: Any) -> None:
        self._playwright = playwright
        self._browser = browser
        self._page = page
        self.events: list[tuple[str, str]] = []
        self._grown = asyncio.Condition()

    @classmethod
    async def start(
        cls,
        folder: Path,
        *,
        microphone: Path,
        url: str,
        user: str = "bob",
        domain: str = "pbx.test",
        password: str = "",
        register: bool = True,
        auto_answer: bool = False,
        ice_servers: tuple[dict[str, str], ...] = (),
        relay_only: bool = False,
        inside: Namespace | None = None,
    ) -> BrowserPhone:
        """Start it as a user of the SIP server at `url` ("ws://203.0.113.10:5072"); skips where there is no Chromium.

        `ice_servers` are RTCIceServers; `relay_only` has it use no other candidates.
        """
        api = pytest.importorskip("playwright.async_api", reason="the playwright package is not installed")
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        if chromium is None:
            pytest.skip("Chromium is not installed (Debian: chromium)")
        folder.mkdir(parents=True, exist_ok=True)
        if inside is not None:
            wrapper = folder / "chromium"
            wrapper.write_text("#!/bin/sh\nexec " + " ".join(map(str, inside.command(chromium))) + ' "$@"\n')
            wrapper.chmod(0o755)
            chromium = str(wrapper)
        playwright = await api.async_playwright().start()
        at_end(playwright.stop)
        arguments = [*FLAGS, f"--use-file-for-fake-audio-capture={microphone}"]
        browser = await playwright.chromium.launch(executable_path=chromium, args=arguments)
        at_end(browser.close)
        page = await browser.new_page(ignore_https_errors=True)
        page.set_default_timeout(1000 * PATIENCE_S)
        phone = cls(playwright, browser, page)
        page.on("pageerror", lambda error: phone._told("error", str(error)))
        await page.expose_function("told", phone._tell)
        await page.route(f"{ORIGIN}/**", _serve)
        await page.goto(f"{ORIGIN}/index.html")
        options = {
            "url": url,
            "user": user,
            "domain": domain,
            "password": password,
            "register": register,
            "autoAnswer": auto_answer,
            "servers": list(ice_servers),
            "policy": "relay" if relay_only else "all",
        }
        await page.evaluate("options => phone.start(options)", options)
        return phone

    def _told(self, what: str, detail: str) -> None:
        self.events.append((what, detail))

    async def _tell(self, what: str, detail: str) -> None:
        async with self._grown:
            self._told(what, detail)
            self._grown.notify_all()

    async def event(self, what: str, detail: str = "", *, after: int = 0, seconds: float = PATIENCE_S) -> str:
        """Wait for an event of that name and, in its words, `detail`; the words."""
        async with within(seconds, f"{what} {detail} from the page", lambda: f"there were {self.events}"), self._grown:
            while True:
                for name, words in self.events[after:]:
                    if name == what and detail in words:
                        return words
                await self._grown.wait()

    async def ask(self, expression: str) -> Any:
        """What a JavaScript expression comes to, promises awaited: `phone.statistics()`."""
        return await self._page.evaluate(expression)

    async def dial(self, target: str) -> None:
        """Call; returns when the call is answered or refused, see the events."""
        await self._page.evaluate("target => phone.dial(target)", target)

    async def hear(self, seconds: float) -> None:
        """Wait until so much has been heard, from the first sound on."""
        await self._page.wait_for_function("count => phone.ear.count >= count", arg=int(seconds * RATE_HZ))

    async def received(self, packets: int) -> None:
        """Wait until so many more packets of sound have come; fails when the call is over before."""
        async with within(PATIENCE_S, f"{packets} packets at the page", lambda: f"there were {self.events}"):
            wanted = packets + await self._packets()
            while await self._packets() < wanted:
                pass  # each question goes there and back

    async def _packets(self) -> int:
        count = int((await self.ask("phone.statistics()"))["received"])
        assert count >= 0, f"the call is over: {self.events}"
        return count

    async def heard(self) -> NDArray[np.float64]:
        """What was heard, at RATE_HZ, from the first sound on; full scale 1.0."""
        raw = base64.b64decode(await self.ask("phone.ear.heard()"))
        return np.frombuffer(raw, "<i2").astype(np.float64) / 32768.0

    async def first_sound_ms(self) -> float:
        """How long after the answer the first sound was heard."""
        return float(await self.ask("phone.ear.firstSoundAt - phone.times.answered"))

    async def ladder(self) -> str:
        """The messages it sent and received."""
        return str(await self.ask("phone.user.ladder.join('\\n\\n')"))

    async def stop(self) -> None:
        await self._browser.close()
        await self._playwright.stop()


async def _serve(route: Any) -> None:
    await route.fulfill(path=PAGE / route.request.url.rpartition("/")[2])
