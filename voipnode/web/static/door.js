// The device at the door as a visitor sees and uses it: its display, light, siren, keypad and reader, and the door.
// What the node says is the only truth: an event says that something changed, then it is read again.

import { $, complain } from "./editor.js";
import { lightWords, shine, sirenWords } from "./lamp.js";
import { API, ask } from "./node.js";
import { drawPage } from "./screen.js";
import { bare, clock, isOver, isRingingIn, sentence } from "./words.js";

const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];
const LETTERS = { 2: "ABC", 3: "DEF", 4: "GHI", 5: "JKL", 6: "MNO", 7: "PQRS", 8: "TUV", 9: "WXYZ" };
const OWN_READER = "panel";
const SHOWN = 60; // of what happened
const NOBODY_MS = 4000;
const PROMPTS = {
  pin: "Now the PIN", key: "Go on", granted: "Come in", denied: "Not let in", locked: "Locked for a while", idle: "",
  ignored: "This kind of card is not read here",
};
const SAID = { ...PROMPTS, idle: "No key is taken" };
const BELL = "M24 5a3 3 0 0 0-3 3v1.4C15.2 10.7 11 15.8 11 22v8.5L7.6 35.4A1.7 1.7 0 0 0 9 38h30a1.7 1.7 0 0 0 1.4-2.6L37 30.5V22c0-6.2-4.2-11.3-10-12.6V8a3 3 0 0 0-3-3Zm-5.2 35a5.3 5.3 0 0 0 10.4 0Z";
const PHONE = "M14 6h6l3 9-4 3a22 22 0 0 0 11 11l3-4 9 3v6c0 3-2 5-5 5C21 39 9 27 9 11c0-3 2-5 5-5Z";
const OPEN = "M10 6h20a3 3 0 0 1 3 3v30h5v3H6v-3h4V6Zm16 20a2.200 2.200 0 1 0 0-4.400 2.200 2.200 0 0 0 0 4.400Z";

let status = null;
let signals = null;
let display = null;
let readAt = 0; // performance.now() when these were true
let isReading = false;
let isStale = false;
let heldAt = 0;
let promptTimer = 0;
let typed = 0;
let isNobody = false; // a button was pressed, and nobody could be called

// ---- asking the node -------------------------------------------------------------------------------------------------

async function refresh() {
  isStale = true;
  if (isReading) return;
  isReading = true;
  try {
    while (isStale) {
      isStale = false;
      [status, signals, display] = await Promise.all([ask("GET", "/status"), ask("GET", "/signals"), ask("GET", "/display")]);
      readAt = performance.now();
      render();
    }
  } catch (error) {
    complain(error.message);
  } finally {
    isReading = false;
  }
}

async function act(work) {
  complain("");
  try {
    return await work();
  } catch (error) {
    complain(error.message);
    return null;
  } finally {
    refresh();
  }
}

// Readers that are set up, beside the one of this page.
async function findReaders() {
  const found = await ask("GET", "/readers").catch(() => []);
  const names = [OWN_READER, ...(Array.isArray(found) ? found : []).map((reader) => reader.name)];
  $("reader-name").replaceChildren(...[...new Set(names)].map((name) => new Option(name === OWN_READER ? "of this page" : name, name)));
}

async function findCards() {
  const holders = await ask("GET", "/holders").catch(() => []);
  $("cards").replaceChildren(...holders.filter((each) => each.card_uid).map((each) => new Option(each.name, each.card_uid)));
}

function follow() {
  const source = new EventSource(`${API}/events?newest=20`);
  let isFirst = true;
  source.onopen = () => {
    if (isFirst) $("log").replaceChildren();
    isFirst = false;
    linkIs("live", "Live");
    complain("");
    findReaders();
    findCards();
    refresh();
  };
  source.onmessage = (message) => {
    const event = JSON.parse(message.data);
    note(event);
    if (event.event === "reader.prompt" && event.reader === reader()) prompt(event);
    if (event.event === "reader.feedback" && event.reader === reader()) feedback(event);
    refresh();
  };
  source.onerror = () => {
    linkIs("lost", "Reconnecting…");
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, 2000);
  };
}

function linkIs(state, words) {
  document.body.dataset.link = state;
  $("link-words").textContent = words;
  if (state !== "live") shine($("lamp"), {});
}

// ---- drawing ---------------------------------------------------------------------------------------------------------

function element(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function render() {
  $("plate").textContent = status.node.name || "Door station";
  const shown = signals.shown;
  shine($("lamp"), shown.light);
  $("lamp").setAttribute("aria-label", `Light: ${lightWords(shown.light) || "off"}`);
  $("siren").hidden = !sirenWords(shown.siren);
  $("siren-words").textContent = status.calls.some((call) => !isOver(call)) ? "silent: a call is on" : sirenWords(shown.siren);
  const page = display.pages.find((each) => each.name === display.page) ?? { items: [] };
  $("page").setAttribute("aria-label", `Display: ${display.page}`);
  drawPage($("page"), page, pressItem);
  renderIndicators();
  renderOver();
  renderDoors();
  renderActivities();
  renderDisplay();
  tick();
}

function renderIndicators() {
  const drawn = JSON.stringify(signals.indicators);
  if ($("indicators").dataset.drawn === drawn) return; // or they would begin to blink anew
  $("indicators").dataset.drawn = drawn;
  $("indicators").replaceChildren(
    ...Object.entries(signals.indicators).map(([name, { colour, blink }]) => {
      const made = element("li", "indicator", name);
      made.dataset.colour = colour;
      made.dataset.blink = String(blink);
      made.setAttribute("aria-label", `${name}: ${colour}${blink ? ", blinking" : ""}`);
      return made;
    }),
  );
}

function renderOver() {
  const open = status.light === "green" && status.ports.find((port) => port.active); // green: an output that is a door
  const going = status.calls.filter((call) => !isOver(call));
  const call = going.find((each) => each.state === "Active") || going.find(isRingingIn) || going[0];
  const state = open ? "open" : call ? (call.state === "Active" ? "talk" : isRingingIn(call) ? "incoming" : "ringing") : isNobody || status.light === "red" ? "nobody" : "rest";
  $("screen").dataset.state = state;
  $("over").hidden = state === "rest";
  $("over-end").hidden = !call || state === "incoming";
  $("over-end").onclick = () => act(() => ask("DELETE", `/calls/${encodeURIComponent(call.id)}`));
  $("over-icon").setAttribute("d", open ? OPEN : call?.state === "Active" ? PHONE : BELL);
  const words = {
    open: ["Please come in", open?.port ?? open?.name ?? ""],
    talk: ["Speak now", bare(call?.remote)],
    incoming: ["Somebody calls you", bare(call?.remote)],
    ringing: [call?.state === "Ringing" ? "It rings" : "Calling…", bare(call?.remote)],
    nobody: [isNobody ? "Nobody can be called" : "Nobody has answered", "please try again later"],
    rest: ["", ""],
  }[state];
  if ($("over-main").textContent !== words[0]) $("announce").textContent = words.join(", ");
  $("over-main").textContent = words[0];
  $("over-sub").dataset.words = words[1];
}

function renderDoors() {
  $("doors").replaceChildren(
    ...status.ports.map((port) => {
      const line = element("li", "line");
      line.dataset.open = String(port.active);
      line.dataset.port = port.name;
      line.append(element("span", "line-name", port.name), element("span", "line-words"));
      return line;
    }),
  );
}

function renderActivities() {
  $("no-activities").hidden = signals.activities.length > 0;
  const key = (each) => `${each.profile}\n${each.activity}`;
  $("activities").replaceChildren(
    ...signals.activities.map((each) => {
      const row = element("li", "activity");
      row.dataset.shown = String(each.shown);
      row.dataset.key = key(each);
      const name = each.activity === each.profile ? each.profile : `${each.activity} (${each.profile})`;
      row.append(element("span", "priority", String(each.priority)), element("span", "activity-name", name), element("span", "activity-left"));
      if (each.removable) {
        const stop = element("button", "quiet", "Stop");
        stop.type = "button";
        stop.setAttribute("aria-label", `Stop ${name}`);
        stop.onclick = () => act(() => ask("POST", `/signals/${encodeURIComponent(each.profile)}/stop`));
        row.append(stop);
      }
      return row;
    }),
  );
  $("starting").hidden = signals.profiles.length === 0;
  options($("profile"), signals.profiles.map((each) => each.name));
  const isLocating = signals.activities.some((each) => each.profile === "Identify");
  $("locate").setAttribute("aria-pressed", String(isLocating));
  $("locate").textContent = isLocating ? "Found it" : "Locate";
}

function renderDisplay() {
  options($("pages"), display.pages.map((page) => page.name));
  $("show").disabled = display.pages.length < 2;
}

function options(select, names) {
  if ([...select.options].map((option) => option.value).join("\n") === names.join("\n")) return;
  const before = select.value;
  select.replaceChildren(...names.map((name) => new Option(name, name)));
  if (names.includes(before)) select.value = before;
}

// What moves by itself: clocks, and what is left of pages, doors and activities.
function tick() {
  const now = new Date();
  $("time").textContent = now.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  if (!status) return;
  const passed = (performance.now() - readAt) / 1000;
  const left = (seconds) => Math.max(0, seconds - passed);
  for (const line of $("doors").children) {
    const port = status.ports.find((each) => each.name === line.dataset.port);
    const words = !port?.active ? "closed" : port.lease_s > 0 ? `open, ${Math.ceil(left(port.remaining_s))} s left` : "open";
    line.lastElementChild.textContent = words;
  }
  signals.activities.forEach((each, index) => {
    const place = $("activities").children[index]?.querySelector(".activity-left");
    if (place) place.textContent = each.left_s === null ? (each.removable ? "until stopped" : "while it lasts") : `${Math.ceil(left(each.left_s))} s`;
  });
  const share = display.for_s > 0 ? left(display.for_s) / Math.max(display.for_s, 1) : 0;
  $("left").style.scale = `${share} 1`;
  const isHome = display.page === display.home;
  $("display-words").textContent = display.for_s > 0
    ? `Shows ${display.page} for ${Math.ceil(left(display.for_s))} s more.`
    : `Shows ${display.page}${isHome ? ", the home page" : ""}.`;
  const talking = status.calls.find((call) => call.state === "Active");
  const open = status.ports.find((port) => port.active && port.lease_s > 0);
  const more = open ? `${Math.ceil(left(open.remaining_s))} s` : talking ? clock(talking.active_s + passed) : "";
  const words = [$("over-sub").dataset.words, more].filter(Boolean).join(" · ");
  if ($("over-sub").textContent !== words) $("over-sub").textContent = words;
}

function note(event) {
  const [kind, text] = sentence(event);
  if (!text) return;
  const row = element("li", "");
  row.dataset.kind = kind;
  const time = element("time", "", new Date(event.time).toLocaleTimeString([], { hour12: false }));
  time.dateTime = event.time;
  row.append(time, element("span", "", text));
  $("log").prepend(row);
  while ($("log").children.length > SHOWN) $("log").lastElementChild.remove();
  $("no-log").hidden = true;
}

// ---- what is pressed -------------------------------------------------------------------------------------------------

async function pressItem(item) {
  const { page } = display;
  const answer = await act(() => ask("POST", "/display/press", { page, item }));
  await refresh();
  if (answer || display.page !== page) return; // or it changed under the finger
  isNobody = true;
  setTimeout(() => {
    isNobody = false;
    render();
  }, NOBODY_MS);
}

const reader = () => $("reader-name").value || OWN_READER;

function prompt({ prompt: name, for_s: seconds }) {
  clearTimeout(promptTimer);
  if (name !== "key") typed = 0;
  say(name, name === "key" ? "•".repeat(typed || 1) : PROMPTS[name] ?? name);
  if (seconds) promptTimer = setTimeout(() => say("idle", ""), 1000 * seconds);
}

// What a door controller wants to be shown.
function feedback({ led, for_s: seconds, beeps }) {
  clearTimeout(promptTimer);
  say(led, beeps ? "♪ ".repeat(Math.min(beeps, 6)) : "");
  if (seconds) promptTimer = setTimeout(() => say("idle", ""), 1000 * seconds);
}

function say(led, words) {
  $("reader-led").dataset.led = led;
  $("reader-words").textContent = words || (uid() ? `Card ${uid()}` : "No card in hand");
}

const uid = () => $("uid").value.trim();

async function pressKey(key, button) {
  button.dataset.down = "true";
  setTimeout(() => delete button.dataset.down, 120);
  typed += 1;
  const answer = await act(() => ask("POST", `/readers/${encodeURIComponent(reader())}/keys`, { keys: key }));
  if (answer && answer.outcome !== "key") told(answer.outcome);
}

async function holdCard() {
  if (!uid()) {
    complain("Which card? Write its UID under “Card in hand”.");
    $("uid").focus();
    return;
  }
  $("reader").dataset.held = "true";
  setTimeout(() => delete $("reader").dataset.held, 600);
  const answer = await act(() => ask("POST", `/readers/${encodeURIComponent(reader())}/card`, { uid: uid() }));
  if (answer) told(answer.outcome);
}

// The answer in words; the reader's own prompt may have said so already.
function told(outcome) {
  $("announce").textContent = SAID[outcome] ?? outcome;
  say(outcome, SAID[outcome] ?? outcome);
  clearTimeout(promptTimer);
  if (outcome !== "pin") {
    typed = 0;
    promptTimer = setTimeout(() => say("idle", ""), 4000);
  }
}

function makeKeypad() {
  for (const key of KEYS) {
    const button = element("button", "key");
    button.type = "button";
    button.append(element("b", "", key), element("small", "", LETTERS[key] ?? "\u00a0"));
    button.setAttribute("aria-label", { "*": "star, begin anew", "#": "hash, done" }[key] ?? key);
    button.onclick = () => pressKey(key, button);
    $("keypad").append(button);
  }
}

function holdControl() {
  heldAt = performance.now();
  $("control").dataset.down = "true";
}

async function releaseControl() {
  if (!heldAt) return;
  const held = Math.min(60, Math.max(0.1, (performance.now() - heldAt) / 1000));
  heldAt = 0;
  delete $("control").dataset.down;
  $("control-words").textContent = `Held for ${held.toFixed(1)} s.`;
  await act(() => ask("POST", "/control-button", { held_s: Number(held.toFixed(2)) }));
}

$("reader").onclick = holdCard;
$("card").onsubmit = (event) => {
  event.preventDefault();
  holdCard();
};
$("uid").oninput = () => say("idle", "");
$("start").onclick = () => act(() => ask("POST", `/signals/${encodeURIComponent($("profile").value)}/start`));
$("show").onclick = () => act(() => ask("POST", `/display/pages/${encodeURIComponent($("pages").value)}/show`, { duration_s: 30 }));
$("home").onclick = () => act(() => ask("POST", "/display/home"));
$("locate").onclick = () => act(() => ask($("locate").getAttribute("aria-pressed") === "true" ? "DELETE" : "POST", "/locate"));
$("control").onpointerdown = holdControl;
$("control").onkeydown = (event) => [" ", "Enter"].includes(event.key) && !event.repeat && holdControl();
for (const name of ["pointerup", "pointercancel", "pointerleave", "keyup", "blur"]) $("control").addEventListener(name, releaseControl);
makeKeypad();
follow();
setInterval(tick, 250);
