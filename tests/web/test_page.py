"""The front panel in Chromium, with the real server and a door that answers."""

from __future__ import annotations

import asyncio
import re
import shutil
import threading
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from tests.support.aio import PATIENCE_S
from tests.support.clip_files import clip_file
from tests.support.exchange import last, passes, talking
from tests.support.web_rig import DESK, WebRig
from tests.web.test_extensions import told_by
from voipnode.calls.commands import (
    AddAccount,
    AnswerCall,
    ChangeAccount,
    ChangeSound,
    HangUp,
    PresentCard,
    PressInput,
    ReadKeys,
    RingRecipients,
    SendDtmf,
)
from voipnode.calls.events import (
    CallChanged,
    CallReason,
    CallState,
    GuardianChanged,
    NodeStarted,
    Problem,
    RegistrationChanged,
    RegistrationState,
    ScheduleChanged,
)
from voipnode.calls.hooks import House
from voipnode.modules.display.module import DisplayModule
from voipnode.modules.display.settings import PagesSettings
from voipnode.modules.light.module import LightModule
from voipnode.modules.light.settings import SignalsSettings

sync_api = pytest.importorskip("playwright.sync_api", reason="the playwright package is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: chromium)"),
]
ACCOUNT = "#about dt:text-is('Accounts') + .account"
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


class Site:
    """The server in a thread of its own, as Playwright's interface here is a blocking one."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._kept: list[Callable[[], Any]] = []
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self.rig: WebRig = self._in_loop(self._start())

    async def _start(self, port: int = 0) -> WebRig:
        rig = WebRig(port=port)
        rig.door.start()
        await rig.server.start()
        return rig

    def _in_loop(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    def do(self, act: Callable[[], Any]) -> Any:
        """Run `act` in the server's loop, as everything that touches the bus must."""
        done: Future[Any] = Future()
        self.loop.call_soon_threadsafe(lambda: done.set_result(act()))
        return done.result(10)

    def run(self, work: Any) -> Any:
        """What a coroutine in the server's loop returns."""
        return self._in_loop(work)

    def keep(self, stop: Callable[[], Any]) -> None:
        """Have this done, too, when the site closes."""
        self._kept.append(stop)

    def stop(self) -> None:
        self._in_loop(self.rig.server.stop())

    def restart(self) -> None:
        """A new node on the same address."""
        port = int(self.rig.url.rpartition(":")[2])
        self.rig = self._in_loop(self._start(port))

    def close(self) -> None:
        for stop in self._kept:
            self._in_loop(stop())
        self.stop()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield started
        started.close()


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.close()


@pytest.fixture
def page(browser: Any, site: Site) -> Iterator[Any]:
    """A page that has contact; fails the test when the browser complains (script errors, content security policy)."""
    context = browser.new_context(viewport={"width": 1200, "height": 900}, locale="en-GB")
    context.set_default_timeout(1000 * PATIENCE_S)
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    opened.goto(site.rig.url + "/")
    sync_api.expect(opened.locator("#link-words")).to_have_text("Live")
    yield opened
    context.close()
    expected = re.compile("ERR_CONNECTION_REFUSED|status of 4|ERR_INCOMPLETE|ERR_EMPTY|ERR_CONNECTION_RESET")
    assert [text for text in complaints if not expected.search(text)] == []


def shows(page: Any, selector: str, text: str | re.Pattern[str]) -> None:
    sync_api.expect(page.locator(selector)).to_contain_text(text)


def light(page: Any, colour: str) -> None:
    sync_api.expect(page.locator("body")).to_have_attribute("data-light", colour)


def test_at_rest_it_shows_name_door_and_node(page: Any) -> None:
    shows(page, "h1", "Front door")
    shows(page, "#glass-main", "Ready")
    shows(page, "#doors", "closed")
    shows(page, "#about", "sip:192.0.2.20:5060")
    shows(page, "#log", "voipnode 0.1.0 started")
    light(page, "off")
    assert page.title() == "Front door"


def test_a_visit_from_the_bell_to_the_open_door(page: Any, site: Site) -> None:
    page.get_by_label("SIP address to ring").fill("guard@192.0.2.30")
    shows(page, "#target-words", "rings guard@192.0.2.30")
    page.locator("#bell").click()
    shows(page, "#glass-main", "Calling")
    light(page, "amber")
    guard = "sip:guard@192.0.2.30"
    assert site.rig.door.seen == [PressInput(input="button", recipients=(guard,), source="panel")]
    site.do(lambda: site.rig.door.picked_up("c1"))
    shows(page, "#glass-main", "In a call")
    light(page, "blue")
    shows(page, "#log", "guard@192.0.2.30 answered")
    site.do(lambda: site.rig.door.open("c1", 30.0))
    shows(page, "#glass-main", "Door open")
    shows(page, "#doors", re.compile(r"open, (30|2\d) s left"))
    shows(page, "#log", 'Door opened for 30 s by guard@192.0.2.30, dtmf "1"')
    light(page, "green")
    shows(page, "#announce", "Door open")
    site.do(site.rig.door.close)
    shows(page, "#doors", "closed")
    page.get_by_role("button", name="Hang up: guard@192.0.2.30").click()
    shows(page, "#calls", "ended")
    shows(page, "#glass-main", "Ready")
    assert site.rig.door.seen[-1] == HangUp(call="c1")


def test_the_sound_is_muted_switched_and_made_louder(page: Any, site: Site) -> None:
    site.do(site.rig.door.tell_sound)
    mute = page.get_by_role("button", name="Mute microphone")
    sync_api.expect(mute).to_have_attribute("aria-pressed", "false")
    mute.click()
    sync_api.expect(mute).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Echo cancellation").click()
    page.get_by_label("Loudspeaker", exact=True).fill("-6")
    shows(page, "#log", "Sound: microphone muted, loudspeaker −6 dB, echo cancellation off")
    assert site.rig.door.seen == [
        ChangeSound(input_muted=True),
        ChangeSound(echo_cancellation=False),
        ChangeSound(output_gain_db=-6),
    ]
    site.do(lambda: site.rig.door.picked_up(site.rig.door.ring_in()))
    words = "Microphone −32 dBFS · loudspeaker −24 dBFS · sent −21 dBFS · echo −32 dB · gain +5 dB"
    shows(page, "#sound-now", words)


def test_an_incoming_call_is_answered_and_digits_are_sent(page: Any, site: Site) -> None:
    site.do(site.rig.door.ring_in)
    shows(page, "#glass-main", "Incoming call")
    light(page, "amber-flash")
    shows(page, "#announce", "Incoming call")
    page.get_by_role("button", name="Answer: desk@192.0.2.10").click()
    shows(page, "#glass-main", "In a call")
    page.get_by_role("button", name="Keypad: desk@192.0.2.10").click()
    page.get_by_role("group", name="Keypad").get_by_role("button", name="#").click()
    page.wait_for_function("() => !document.querySelector('[aria-busy]')")
    assert site.rig.door.seen == [AnswerCall(call="c1"), SendDtmf(call="c1", digits="#")]


@pytest.mark.parametrize(
    ("encryption", "cipher", "words", "title"),
    [
        ("none", "", "not encrypted", ""),
        ("sdes", "AEAD_AES_256_GCM", "in a call, encrypted", "AEAD_AES_256_GCM (SDES)"),
        ("dtls", "AES_CM_128_HMAC_SHA1_80", "in a call, encrypted", "AES_CM_128_HMAC_SHA1_80 (DTLS)"),
    ],
)
def test_each_call_says_whether_it_is_encrypted(
    page: Any, site: Site, encryption: str, cipher: str, words: str, title: str
) -> None:
    call = site.do(site.rig.door.ring_in)
    site.do(lambda: site.rig.door.picked_up(call, encryption, cipher))
    shows(page, "#calls", words)
    sync_api.expect(page.locator("#calls .call-words")).to_have_attribute("title", title)


def test_it_works_with_the_keyboard_alone(page: Any, site: Site) -> None:
    page.get_by_label("SIP address to ring").focus()
    page.keyboard.type("desk@192.0.2.10")
    page.keyboard.press("Enter")
    shows(page, "#glass-main", "Calling")
    hang_up = page.get_by_role("button", name="Hang up: desk@192.0.2.10")
    hang_up.focus()
    site.do(lambda: site.rig.door.picked_up("c1"))
    shows(page, "#glass-main", "In a call")
    sync_api.expect(hang_up).to_be_focused()
    page.keyboard.press("Enter")
    shows(page, "#glass-main", "Ready")


def test_the_address_is_remembered_and_an_empty_one_rings_the_buttons_own(page: Any, site: Site) -> None:
    field = page.get_by_label("SIP address to ring")
    field.fill(DESK)
    field.press("Enter")
    shows(page, "#glass-main", "Calling")
    page.reload()
    sync_api.expect(field).to_have_value(DESK)
    page.get_by_role("button", name="Hang up: desk@192.0.2.10").click()
    shows(page, "#glass-main", "Ready")
    field.fill("")
    shows(page, "#target-words", "own recipients")
    page.locator("#bell").click()
    shows(page, "#glass-main", "Calling")
    assert site.rig.door.seen[-1] == PressInput(input="button", recipients=(), source="panel")


def test_a_refusal_is_said_beside_the_field(page: Any, site: Site) -> None:
    site.do(site.rig.door.ring_in)
    shows(page, "#glass-main", "Incoming call")
    page.locator("#bell").click()
    shows(page, "#target-error", "a call goes on already")
    field = page.get_by_label("SIP address to ring")
    sync_api.expect(field).to_have_attribute("aria-invalid", "true")
    field.fill("two words")
    field.press("Enter")
    shows(page, "#target-error", "must be a SIP address")


def test_what_a_caller_calls_himself_is_text_and_never_markup(page: Any, site: Site) -> None:
    evil = '<img src=x onerror="document.title=1">'
    site.do(lambda: site.rig.door.ring_in(evil))
    shows(page, "#log", "img src=x onerror")
    assert page.locator("#log img, #calls img, .glass img").count() == 0


def test_problems_and_a_lost_guardian_are_shown_and_can_be_dismissed(page: Any, site: Site) -> None:
    site.do(lambda: site.rig.bus.publish(Problem(where="store", detail="no space left")))
    site.do(lambda: site.rig.bus.publish(GuardianChanged(up=False, detail="it is started again")))
    shows(page, "#notices", "no space left")
    shows(page, "#notices", "every door is in its normal state")
    page.get_by_role("button", name="Dismiss").click()
    sync_api.expect(page.locator("#notices")).not_to_contain_text("no space left")
    site.do(lambda: site.rig.bus.publish(GuardianChanged(up=True, detail="1 line")))
    sync_api.expect(page.locator("#notices")).to_be_empty()


ACCOUNT = "#about .account >> nth=0"


def test_an_account_is_green_while_registered_and_red_with_its_reason(page: Any, site: Site) -> None:
    def told(state: RegistrationState, reason: str) -> None:
        event = RegistrationChanged(account="peer to peer", id="peer to peer", state=state, reason=reason)
        site.do(lambda: site.rig.bus.publish(event))

    def dot() -> Any:
        return page.locator(ACCOUNT).evaluate("row => getComputedStyle(row, '::before').backgroundColor")

    told(RegistrationState.REGISTERED, "registered at pbx.example")
    shows(page, ACCOUNT, "registered at pbx.example")
    sync_api.expect(page.locator(ACCOUNT)).to_have_attribute("data-state", "registered")
    green = dot()
    told(RegistrationState.PROBLEM, "wrong password")
    shows(page, "#notices", "Account peer to peer: wrong password.")
    shows(page, "#log", "Account peer to peer: wrong password")
    sync_api.expect(page.locator(ACCOUNT)).to_have_attribute("data-state", "problem")
    assert dot() != green
    told(RegistrationState.REGISTERED, "registered at pbx.example")
    sync_api.expect(page.locator("#notices")).to_be_empty()


def test_losing_the_node_is_shown_and_it_comes_back_by_itself(page: Any, site: Site) -> None:
    site.stop()
    shows(page, "#link-words", "Reconnecting")
    shows(page, "#glass-main", "No contact")
    page.locator("#bell").click()
    shows(page, "#target-error", "The node does not answer")
    site.restart()
    shows(page, "#link-words", "Live")
    shows(page, "#glass-main", "Ready")


def test_an_ended_call_says_why(page: Any, site: Site) -> None:
    door = site.rig.door
    call = site.do(door.ring_out)
    busy = (call, CallState.TERMINATED, CallReason.BUSY, "outgoing", DESK)
    site.do(lambda: door.change(*busy, light="off"))
    shows(page, "#calls", "busy")
    shows(page, "#log", "Call to desk@192.0.2.10: busy")


@pytest.mark.parametrize("width", [320, 390, 768, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows_on_any_width(page: Any, site: Site, width: int, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    site.do(lambda: site.rig.door.ring_in("sip:" + "averylongname" * 12 + "@host.example"))
    shows(page, "#glass-main", "Incoming call")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    answer = page.get_by_role("button", name="Answer", exact=True) if width <= 900 else page.get_by_text("Answer")
    sync_api.expect(answer.first).to_be_in_viewport()


def test_an_account_is_added_with_what_is_wrong_said_beside_its_field(page: Any, site: Site) -> None:
    page.click("a[href='/accounts']")
    shows(page, "#accounts", "peer to peer")
    page.click("#add")
    page.fill("#field-name", "PBX")
    page.fill("#field-registrar", "pbx.example.com")
    page.fill("#field-password", "secret")
    page.select_option("#field-transport", label="x")
    page.click("#save")
    shows(page, "#error-transport", "udp is right")
    page.select_option("#field-transport", label="udp")
    page.click("summary")
    page.fill("#field-failback_s", "30")
    page.fill("#field-codecs", "b, a")
    page.click("#field-proxies button")
    page.fill("#field-proxies-0-address", "proxy.example.com")
    page.click("#save")
    sync_api.expect(page.locator("#editor")).to_be_hidden()
    assert site.rig.door.seen[-1] == AddAccount(
        settings={
            "name": "PBX",
            "type": "registered",
            "registrar": "pbx.example.com",
            "password": "secret",
            "failback_s": 30,
            "codecs": ["b", "a"],
            "proxies": [{"address": "proxy.example.com"}],
        }
    )


def test_a_contact_is_tried_and_changed_with_what_is_wrong_said_beside_its_field(
    page: Any, site: Site, tmp_path: Path
) -> None:
    anna = '[[contacts]]\nname = "Anna"\naddress = "anna@192.0.2.1"\n'
    bob = '[[contacts]]\nname = "Bob"\naddress = "102"\nfallback = "Anna"\n'
    book = site.do(lambda: site.rig.contacts(tmp_path / "voipnode.toml", anna + bob))
    calling = threading.Event()
    site.do(lambda: site.rig.bus.subscribe(CallChanged, lambda event: calling.set(), who="test"))
    page.click("a[href='/contacts']")
    row = page.locator("#contacts li").first
    row.get_by_role("button", name="Test call").click()
    sync_api.expect(row).to_contain_text("Calling…")
    assert calling.wait(PATIENCE_S)
    site.do(lambda: site.rig.door.change("c1", CallState.TERMINATED, CallReason.BUSY, "outgoing", DESK, light="off"))
    sync_api.expect(row).to_contain_text("Is busy")
    row.get_by_role("button", name="Edit").click()
    page.fill("#field-fallback", "Bob")
    page.click("#save")
    shows(page, "#error-fallback", "leads in a circle: Anna -> Bob -> Anna")
    page.fill("#field-fallback", "")
    page.fill("#field-speed_dial", "11")
    page.click("#save")
    sync_api.expect(page.locator("#editor")).to_be_hidden()
    sync_api.expect(row.locator("kbd")).to_have_text("11")
    assert [(each.name, each.speed_dial) for each in book.contacts] == [("Anna", "11"), ("Bob", "")]


def test_a_group_is_made_of_stages_and_seen_where_its_people_are(page: Any, site: Site, tmp_path: Path) -> None:
    path = tmp_path / "voipnode.toml"
    anna = '[[contacts]]\nname = "Anna"\naddress = "anna@192.0.2.1"\n'
    site.do(lambda: site.rig.clips(path))
    site.do(lambda: site.rig.contacts(path, anna))
    page.click("text=Contacts")
    page.click("text=Groups")
    sync_api.expect(page.locator("#empty")).to_be_visible()
    page.click("#add")
    page.fill("#field-name", "family")
    page.click("#field-stages >> text=Add one")
    page.fill("#field-stages-0-ring", "Anna, Zoe")
    page.click("#save")
    shows(page, "#field-stages ~ .error", "there is no such contact")
    page.fill("#field-stages-0-ring", "Anna")
    page.fill("#field-stages-0-for_s", "10")
    page.click("#field-stages >> text=Add one")
    page.fill("#field-stages-1-ring", "Anna, sip:bob@192.0.2.2")
    page.click("#more summary")
    page.select_option("#field-on_busy", label="end all")
    page.click("#save")
    row = page.locator("#groups li").first
    sync_api.expect(row).to_contain_text("Anna (10 s) → Anna, sip:bob@192.0.2.2 (20 s)")
    assert [each["on_busy"] for each in tomllib.loads(path.read_text())["groups"]] == ["end_all"]
    row.get_by_role("button", name="Edit").click()
    page.fill("#field-name", "people")
    page.click("#save")
    sync_api.expect(row).to_contain_text("people")
    page.click("text=Contacts")
    sync_api.expect(page.locator("#contacts li").first).to_contain_text("in people")


def test_a_clip_is_added_from_a_file_played_linked_to_and_removed(page: Any, site: Site, tmp_path: Path) -> None:
    (tmp_path / "good morning.mp3").write_bytes(clip_file("mp3"))
    (tmp_path / "words.txt").write_text("not a sound")
    stock = site.do(lambda: site.rig.clips(tmp_path / "voipnode.toml"))
    page.click("a[href='/clips']")
    sync_api.expect(page.locator("#empty")).to_be_visible()  # so the page acts by itself already
    page.set_input_files("#file", tmp_path / "words.txt")
    page.click("#add")
    shows(page, "#complaint", "none of au, wav, mp3, opus and vorbis")
    page.fill("#name", "")
    page.set_input_files("#file", tmp_path / "good morning.mp3")
    sync_api.expect(page.locator("#name")).to_have_value("good morning")
    page.click("#add")
    row = page.locator("#clips li").first
    sync_api.expect(row).to_contain_text("good_morning.mp3")
    page.fill("#volume", "50")
    page.fill("#repeat", "2")
    row.get_by_role("button", name="Link").click()
    url = f"{site.rig.url}/api/v1/clips/good%20morning/play?volume=50&repeat=2&to=door"
    sync_api.expect(row).to_contain_text(url)
    row.get_by_role("button", name="Play").click()
    row.get_by_role("button", name="Stop").click()
    page.on("dialog", lambda dialog: dialog.accept("Morning"))
    row.get_by_role("button", name="Rename").click()
    sync_api.expect(row.locator("[data-part=name]")).to_have_text("Morning")
    row.get_by_role("button", name="Remove").click()
    sync_api.expect(page.locator("#empty")).to_be_visible()
    assert (stock.library.clips, list((tmp_path / "clips").iterdir())) == ((), [])


def test_past_calls_are_found_by_who_took_part(page: Any, site: Site, tmp_path: Path) -> None:
    site.keep(site.run(site.rig.history(tmp_path)).stop)
    for who in ("sip:anna@192.0.2.1", DESK):
        call = site.do(lambda who=who: site.rig.door.ring_out(who))
        site.do(lambda call=call: site.rig.door.picked_up(call, "dtls"))
    site.do(lambda: site.rig.door.open("c2"))
    page.click("a[href='/history']")
    sync_api.expect(page.locator("#past li")).to_have_count(2)
    shows(page, "#past li:first-child", 'door opened by desk@192.0.2.10, dtmf "1"')
    page.fill("#text", "anna")
    sync_api.expect(page.locator("#past li")).to_have_count(1)
    shows(page, "#past", "encrypted (DTLS)")
    sync_api.expect(page.locator("#csv")).to_have_attribute("href", "/api/v1/history/export?text=anna&format=csv")


def test_who_is_registered_and_talks_is_shown_and_changes_by_itself(page: Any, site: Site) -> None:
    board, anna, _ = talking()
    site.do(lambda: told_by(board, site.rig))
    page.goto(f"{site.rig.url}/extensions")
    row = page.locator("#extensions > li").first
    sync_api.expect(row).to_contain_text("101 · Anna")
    sync_api.expect(row).to_contain_text("talks with 102@door")
    sync_api.expect(row).to_contain_text("192.168.1.21:5060 (UDP)")

    def hang_up() -> None:
        anna.endpoint.hang_up(anna.session, board.wire.now)
        passes(board, 1.0)
        site.rig.bus.publish(last(board))

    site.do(hang_up)
    sync_api.expect(row).not_to_contain_text("talks")


def test_an_account_is_changed_and_only_what_was_changed_is_sent(page: Any, site: Site) -> None:
    page.click("a[href='/accounts']")
    page.click("[data-act=edit]")
    page.uncheck("#field-active")
    page.click("#save")
    sync_api.expect(page.locator("#editor")).to_be_hidden()
    assert site.rig.door.seen[-1] == ChangeAccount(account="peer to peer", changes={"active": False})


AT_DOOR = {
    "pages": [
        {"name": "Home", "items": [{"type": "text", "name": "Welcome"}, {"ring": "Reception", "size": "large"}]},
        {"name": "Map page", "items": [{"type": "text", "name": "You are here"}]},
    ]
}
ALARM = {"signals": [{"name": "Alarm", "light": "flash", "light_colour": "red", "siren": "wail", "priority": 8}]}


def test_the_device_at_the_door_shows_and_takes_what_a_visitor_would_see_and_do(page: Any, site: Site) -> None:
    done: list[Any] = []

    def take(command: Any) -> str:
        done.append(command)
        if isinstance(command, RingRecipients):
            return site.rig.door.ring_out("sip:reception@192.0.2.9")
        return "denied" if isinstance(command, ReadKeys) else "ignored"

    def furnish() -> tuple[LightModule, DisplayModule]:
        house = House(site.rig.bus, site.rig.commands, Path("/nonexistent"))
        for kind in (RingRecipients, PresentCard, ReadKeys):
            site.rig.commands.register(kind, take, who="test")
        return (
            LightModule(house, SignalsSettings.model_validate(ALARM)),
            DisplayModule(house, PagesSettings.model_validate(AT_DOOR)),
        )

    for module in site.do(furnish):
        site.run(module.start())
        site.keep(module.stop)
    site.do(lambda: site.rig.bus.publish(NodeStarted(version="1", previous="")))
    page.goto(site.rig.url + "/panel")
    shows(page, "#page", "Welcome")
    lamp = page.locator("#lamp")
    page.get_by_role("button", name="Start").click()
    sync_api.expect(lamp).to_have_attribute("aria-label", "Light: red flashing, medium")
    shows(page, "#siren", "wail, level 3")
    shows(page, "#activities", "until stopped")
    page.get_by_role("button", name="Stop Alarm").click()
    sync_api.expect(lamp).to_have_attribute("aria-label", "Light: off")
    page.locator("#pages").select_option("Map page")
    page.get_by_role("button", name="Show for 30 s").click()
    shows(page, "#page", "You are here")
    page.get_by_role("button", name="Home page").click()
    page.get_by_role("button", name="7").click()
    shows(page, "#announce", "Not let in")
    page.get_by_label("UID").fill("04A1B2C3")
    page.get_by_role("button", name="Hold it to the reader").click()
    shows(page, "#announce", "This kind of card is not read here")
    page.get_by_role("button", name="Reception").click()
    shows(page, "#over", "reception@192.0.2.9")
    page.get_by_role("button", name="Hang up").click()
    sync_api.expect(page.locator("#over")).to_be_hidden()
    assert done == [
        ReadKeys(reader="panel", keys="7"),
        PresentCard(reader="panel", uid="04A1B2C3"),
        RingRecipients(plan="Reception", button="Reception"),
    ]


EACH_KIND = """selects => selects.map(select => {
  const values = [...select.options].map(option => option.value);
  for (const value of [...values, select.value]) {
    select.value = value;
    select.onchange();
  }
  return values.length;
})"""


def test_a_rule_is_made_tried_and_pulled_with_what_is_wrong_said_beside_its_field(
    page: Any, site: Site, tmp_path: Path
) -> None:
    path = tmp_path / "voipnode.toml"
    site.keep(site.run(site.rig.rules(path, '# ours\n[[schedules]]\nname = "day"\ntimes = ["00:00-24:00"]\n')).stop)
    page.click("a[href='/rules']")
    shows(page, "#ready-rules", "Loud ringer")
    page.click("#add")
    page.fill("#field-name", "Help")
    kinds = page.locator("#editor .part-head select")
    tried = kinds.evaluate_all(EACH_KIND)
    assert min(tried) > 20
    condition = page.locator("#field-conditions .part").nth(0)
    condition.get_by_role("combobox").first.select_option("trigger")
    condition.get_by_label("Name").fill("Please")
    page.click("text=Add a condition")
    page.click("#save")
    wrong = page.locator("#field-conditions .part").nth(1)
    sync_api.expect(wrong).to_contain_text('there is no such schedule; there is "day"')
    wrong.get_by_label("Name").select_option("day")
    page.locator("#field-actions").get_by_label("Port").select_option("door")
    page.locator("#field-actions").get_by_label("Duration (s)").fill("00:00:30")
    page.click("#save")
    sync_api.expect(page.locator("#editor")).to_be_hidden()
    row = page.locator("#rules li.rule")
    sync_api.expect(row).to_contain_text('activate "door" for 30 s')
    row.get_by_role("button", name="Dry run").click()
    sync_api.expect(row).to_contain_text('It would not fire: does not hold: schedule "day" is active.')
    site.do(lambda: site.rig.bus.publish(ScheduleChanged(schedule="day", active=True)))
    page.get_by_role("button", name="Pull: Please").click()
    shows(page, "#lately", 'Help: trigger "Please" was pulled')
    row.get_by_role("switch").click()
    sync_api.expect(row.get_by_role("switch")).to_have_attribute("aria-checked", "false")
    assert path.read_text().startswith("# ours\n")
    assert "enabled = false" in path.read_text()
