// The front panel: shows what the node says, sends what is pressed. The node's status is the only truth: an event says
// that something changed, then the status is read again; nothing is worked out twice.

import { API, ask } from "./node.js";
import {
  SPEAKER_STATES, accountState, accountWords, bare, callWords, clock, contactWords, isEncrypted, isOver, isRingingIn,
  levelWords, sentence,
} from "./words.js";

const $ = (id) => document.getElementById(id);
const STORED = "voipnode.target";
const MAX_LOG = 200;
const FIRST_EVENTS = 60;
const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];

let status = null;
let readAt = 0; // performance.now() when the status was true
let spoken = "";
let dismissed = ""; // problems up to this time are not shown any more

// ---- asking the node -------------------------------------------------------------------------------------------------

let isReading = false;
let isStale = false;

async function refresh() {
  isStale = true;
  if (isReading) return;
  isReading = true;
  try {
    while (isStale) {
      isStale = false;
      status = await ask("GET", "/status");
      readAt = performance.now();
      render();
    }
  } catch {
    // the event stream shows that the node is away, and reads the status again once it is back
  } finally {
    isReading = false;
  }
}

// ---- the event stream ------------------------------------------------------------------------------------------------

function follow() {
  const source = new EventSource(`${API}/events?newest=${FIRST_EVENTS}`);
  let isFirst = true;
  source.onopen = () => {
    if (isFirst) clearLog();
    isFirst = false;
    linkIs("live", "Live");
    refresh();
  };
  source.onmessage = (message) => {
    const event = JSON.parse(message.data);
    if (event.event === "gap") clearLog();
    else addToLog(event);
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
  render();
}

// ---- drawing ---------------------------------------------------------------------------------------------------------

function render() {
  const isLive = document.body.dataset.link === "live";
  if (!status) {
    if (!isLive) glass("No contact", "with the node");
    return;
  }
  const { node, calls, ports } = status;
  $("name").textContent = node.name || "Door station";
  document.title = node.name || "Door station";
  document.body.dataset.light = isLive ? status.light : "off";
  renderInputs(node.inputs.length ? node.inputs : status.inputs.map((input) => input.name));
  renderGlass(isLive, calls, ports);
  renderDock(isLive && shownCall(calls));
  renderCalls(calls);
  renderDoors(ports);
  renderNotices();
  renderSound(status.sound);
  renderSpeaker(status.speaker_test);
  renderAbout(node, ports, status.inputs);
  tick();
}

function glass(main, sub) {
  $("glass-main").textContent = main;
  $("glass-sub").textContent = sub || "\u00a0";
  const words = sub ? `${main}, ${sub}` : main;
  if (words === spoken) return;
  spoken = words;
  $("announce").textContent = words;
}

function renderGlass(isLive, calls, ports) {
  const open = ports.find((port) => port.active);
  const current = shownCall(calls);
  if (!isLive) glass("No contact", "waiting for the node");
  else if (open) glass("Door open", open.who ? `by ${bare(open.who)}` : open.name);
  else if (!current) glass("Ready", "press the bell to ring");
  else if (current.state === "Active") glass("In a call", bare(current.remote));
  else if (isRingingIn(current)) glass("Incoming call", bare(current.remote));
  else glass(current.state === "Ringing" ? "Ringing…" : "Calling…", bare(current.remote));
}

function shownCall(calls) {
  const going = calls.filter((call) => !isOver(call));
  return going.find((call) => call.state === "Active") || going.find(isRingingIn) || going[0];
}

// On a narrow screen the calls are far below the bell: what can be done with the present one stays in reach.
function renderDock(call) {
  $("dock").hidden = !call;
  if (!call) return;
  $("dock-who").textContent = bare(call.remote);
  $("dock-answer").hidden = !isRingingIn(call);
  $("dock-hangup").textContent = isRingingIn(call) ? "Decline" : "Hang up";
  $("dock-answer").onclick = () => act($("dock-answer"), () => ask("POST", `${callPath(call.id)}/answer`));
  $("dock-hangup").onclick = () => act($("dock-hangup"), () => ask("DELETE", callPath(call.id)));
}

function renderInputs(inputs) {
  const names = inputs.length ? inputs : ["button"];
  const select = $("input");
  if (names.join("\n") !== [...select.options].map((option) => option.value).join("\n")) {
    select.replaceChildren(...names.map((name) => new Option(name, name)));
  }
  $("input-field").hidden = names.length < 2;
}

// Rows are kept while what they show lives, so that the focus stays where it is.
function reconcile(list, template, items, key, fill, prepare) {
  const rows = new Map([...list.children].map((row) => [row.dataset.key, row]));
  items.forEach((item, index) => {
    const name = item[key];
    let row = rows.get(name);
    if (!row) {
      row = $(template).content.firstElementChild.cloneNode(true);
      row.dataset.key = name;
      prepare?.(row, name);
    }
    rows.delete(name);
    if (list.children[index] !== row) list.insertBefore(row, list.children[index] ?? null);
    fill(row, item);
  });
  rows.forEach((row) => row.remove());
}

function renderCalls(calls) {
  $("no-calls").hidden = calls.length > 0;
  reconcile($("calls"), "call-row", calls, "id", fillCall, prepareCall);
}

function callPath(id) {
  return `/calls/${encodeURIComponent(id)}`;
}

function prepareCall(row, id) {
  const path = callPath(id);
  const button = (act) => row.querySelector(`[data-act=${act}]`);
  const keys = row.querySelector(".keys");
  button("answer").onclick = () => act(button("answer"), () => ask("POST", `${path}/answer`));
  button("hangup").onclick = () => act(button("hangup"), () => ask("DELETE", path));
  button("keys").onclick = () => {
    keys.hidden = !keys.hidden;
    button("keys").setAttribute("aria-expanded", String(!keys.hidden));
  };
  for (const digit of KEYS) {
    const key = document.createElement("button");
    key.type = "button";
    key.textContent = digit;
    key.onclick = () => act(key, () => ask("POST", `${path}/dtmf`, { digits: digit }));
    keys.append(key);
  }
}

function fillCall(row, call) {
  const over = isOver(call);
  const kind = over ? "over" : call.state === "Active" ? "active" : "ringing";
  row.dataset.kind = kind;
  row.dataset.direction = call.direction;
  row.querySelector(".call-remote").textContent = bare(call.remote);
  row.querySelector(".call-remote").title = call.remote;
  const cipher = isEncrypted(call) ? `${call.cipher} (${call.encryption.toUpperCase()})` : "";
  const path = call.path ? `${call.path}, found in ${call.path_found_ms} ms` : "";
  row.querySelector(".call-words").title = [cipher, path].filter(Boolean).join(" · ");
  row.querySelector(".call-words").textContent =
    `${call.direction === "incoming" ? "Incoming" : "Outgoing"} · ${callWords(call)}`;
  const show = { answer: isRingingIn(call), hangup: !over, keys: call.state === "Active" };
  for (const [name, isShown] of Object.entries(show)) {
    const button = row.querySelector(`[data-act=${name}]`);
    button.hidden = !isShown;
    const words = { answer: "Answer", hangup: isRingingIn(call) ? "Decline" : "Hang up", keys: "Keypad" }[name];
    button.textContent = words;
    button.setAttribute("aria-label", `${words}: ${bare(call.remote)}`);
  }
  if (!show.keys) row.querySelector(".keys").hidden = true;
}

function renderDoors(ports) {
  reconcile($("doors"), "door-row", ports, "name", (row, port) => {
    row.dataset.open = String(port.active);
    row.querySelector(".door-name").textContent = port.name;
  });
}

function renderNotices() {
  const notices = [];
  if (status.guardian && !status.guardian.up) {
    const lost = "The process that holds the outputs is lost, so every door is in its normal state";
    notices.push(["bad", `${lost} (${status.guardian.detail}).`]);
  }
  for (const account of status.node.accounts) {
    if (accountState(account) === "problem") notices.push(["warn", `Account ${account.name}: ${account.reason}.`]);
  }
  const problems = status.problems.filter((problem) => problem.time > dismissed).slice(0, 3);
  for (const problem of problems) notices.push(["warn", `${timeOf(problem.time)} · ${problem.where}: ${problem.detail}`]);
  const words = JSON.stringify(notices);
  if ($("notices").dataset.words === words) return; // an alert is read aloud when it changes, so only then
  $("notices").dataset.words = words;
  $("notices").replaceChildren(...notices.map(([kind, text]) => element("p", `notice notice-${kind}`, text)));
  if (!problems.length) return;
  const dismiss = element("button", "quiet dismiss", "Dismiss");
  dismiss.type = "button";
  dismiss.onclick = () => {
    dismissed = status.problems[0]?.time ?? "";
    renderNotices();
  };
  $("notices").append(dismiss);
}

function timeOf(iso) {
  return new Date(iso).toLocaleTimeString([], { hour12: false });
}

function renderSound(sound) {
  $("sound").hidden = !sound;
  if (!sound) return;
  for (const control of document.querySelectorAll("[data-sound]")) {
    const value = sound[control.dataset.sound];
    const isInput = control.dataset.sound.startsWith("input_");
    control.disabled = isInput && !sound.input_enabled;
    if (control.type === "button") control.setAttribute("aria-pressed", String(value));
    else if (control !== document.activeElement) showGain(control, value);
  }
}

function showGain(control, value) {
  control.value = value;
  control.setAttribute("aria-valuetext", `${value} dB`);
  control.nextElementSibling.textContent = `${value > 0 ? "+" : ""}${value} dB`;
}

// Levels are nothing that happens, so they are asked for: once a second, while somebody talks and somebody looks.
async function measureSound() {
  const isTalking = status?.sound && status.calls.some((call) => call.state === "Active");
  $("sound-now").hidden = !isTalking;
  if (!isTalking || document.hidden) return;
  try {
    $("sound-now").textContent = levelWords(await ask("GET", "/sound"));
  } catch {
    $("sound-now").hidden = true; // the link says that the node is away
  }
}

async function changeSound(control, value) {
  $("sound-error").textContent = "";
  try {
    await ask("PATCH", "/sound", { [control.dataset.sound]: value });
  } catch (error) {
    $("sound-error").textContent = error.message;
  } finally {
    refresh();
  }
}

function renderSpeaker(test) {
  $("speaker").hidden = !test;
  if (!test) return;
  const isPending = test.state === "Pending";
  $("speaker").dataset.state = test.state;
  $("speaker-state").textContent = SPEAKER_STATES[test.state] || test.state;
  $("speaker-words").textContent = isPending ? `The loudspeaker ${test.words}: loud sweeps, please be quiet.` : test.words;
  $("speaker-run").disabled = isPending || !test.calibrated_utc;
  $("speaker-calibrate").disabled = isPending;
  const when = (words, utc) => utc && `${words} ${new Date(utc).toLocaleString()}`;
  const times = [when("Calibrated", test.calibrated_utc), when("tested", test.tested_utc), when("next", test.next_utc)];
  $("speaker-when").textContent = times.filter(Boolean).join(" · ");
  const picture = $("speaker-picture");
  picture.hidden = !test.calibrated_utc;
  picture.alt = `Third-octave levels of the calibration and of the last test: ${test.words}`;
  // It changes with a calibration and with a test, and is fetched then only.
  const source = `${API}/speaker-test/picture.svg?${encodeURIComponent(test.calibrated_utc + test.tested_utc)}`;
  if (test.calibrated_utc && picture.getAttribute("src") !== source) picture.src = source;
}

async function askSpeaker(what) {
  $("speaker-error").textContent = "";
  try {
    await ask("POST", `/speaker-test/${what}`);
  } catch (error) {
    $("speaker-error").textContent = error.message;
  } finally {
    refresh();
  }
}

function contactValue(line) {
  return { kind: "contact", words: contactWords(line), state: line.tampered ? "problem" : line.active ? "registered" : "off" };
}

function renderAbout(node, ports, inputs) {
  const accounts = node.accounts.map((account) => ({ words: accountWords(account), state: accountState(account) }));
  const rows = [
    ["SIP", node.sip_addresses],
    ["Accounts", accounts],
    ["Audio", [node.audio]],
    ["Outputs", ports.map(contactValue)],
    ["Inputs", inputs.map(contactValue)],
    ["Version", [node.version && `voipnode ${node.version}`]],
    ["Since", [node.started_utc && new Date(node.started_utc).toLocaleString()]],
    ["Run before", [node.previous]],
  ];
  const words = JSON.stringify(rows);
  if ($("about").dataset.words === words) return;
  $("about").dataset.words = words;
  $("about").replaceChildren(
    ...rows.flatMap(([name, values]) => {
      const shown = values.filter(Boolean);
      return shown.length ? [element("dt", "", name), ...shown.map(aboutValue)] : [];
    }),
  );
}

function aboutValue(value) {
  if (typeof value !== "object") return element("dd", "", value);
  const made = element("dd", value.kind ?? "account", value.words);
  made.dataset.state = value.state;
  return made;
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}

// What moves by itself: the clocks of calls and the rings of open doors.
function tick() {
  if (!status) return;
  const passed = (performance.now() - readAt) / 1000;
  const current = shownCall(status.calls);
  const open = status.ports.find((port) => port.active);
  const left = (port) => Math.max(0, port.remaining_s - passed);
  const isTalking = !open && current?.state === "Active";
  $("glass-clock").textContent =
    open?.lease_s > 0 ? `${Math.ceil(left(open))} s` : isTalking ? clock(current.active_s + passed) : "";
  for (const row of $("calls").children) {
    const call = status.calls.find((other) => other.id === row.dataset.key);
    const since = call.state === "Active" ? passed : 0;
    row.querySelector(".call-clock").textContent = call.active_s + since > 0 ? clock(call.active_s + since) : "";
  }
  for (const row of $("doors").children) {
    const port = status.ports.find((other) => other.name === row.dataset.key);
    const words = !port.active ? "closed" : port.lease_s > 0 ? `open, ${Math.ceil(left(port))} s left` : "open";
    const place = row.querySelector(".door-words");
    if (place.textContent !== words) place.textContent = words;
    const share = port.lease_s > 0 ? left(port) / port.lease_s : 1;
    row.querySelector(".door-left").style.strokeDashoffset = String(100 - 100 * share);
  }
}

// ---- the log ---------------------------------------------------------------------------------------------------------

function clearLog() {
  $("log").replaceChildren();
  $("no-log").hidden = false;
}

function addToLog(event) {
  const [kind, text] = sentence(event);
  if (!text) return;
  const row = document.createElement("li");
  row.dataset.kind = kind;
  const time = element("time", "", timeOf(event.time));
  time.dateTime = event.time;
  row.append(time, element("span", "", text));
  $("log").prepend(row);
  while ($("log").children.length > MAX_LOG) $("log").lastElementChild.remove();
  $("no-log").hidden = true;
}

// ---- what is pressed -------------------------------------------------------------------------------------------------

async function act(button, work) {
  complain("");
  button.setAttribute("aria-busy", "true");
  try {
    await work();
  } catch (error) {
    complain(error.message);
  } finally {
    button.removeAttribute("aria-busy");
    refresh();
  }
}

function complain(words) {
  $("target-error").textContent = words;
  if (words) $("target").setAttribute("aria-invalid", "true");
  else $("target").removeAttribute("aria-invalid");
}

function target() {
  const text = $("target").value.trim();
  return !text || /^[a-z][a-z0-9+.-]*:[^0-9]/i.test(text) || /^sips?:/i.test(text) ? text : `sip:${text}`;
}

function ring(button) {
  const recipient = target();
  remember(recipient);
  const input = $("input").value || "button";
  const wish = { source: "panel", recipients: recipient ? [recipient] : [] };
  return act(button, () => ask("POST", `/inputs/${encodeURIComponent(input)}/press`, wish));
}

function sayTarget() {
  const recipient = target();
  $("target-words").textContent = recipient ? `rings ${bare(recipient)}` : "rings the button’s own recipients";
}

function remember(text) {
  try {
    localStorage.setItem(STORED, text);
  } catch {
    // without storage the field is empty next time
  }
}

function recall() {
  try {
    $("target").value = localStorage.getItem(STORED) || "";
  } catch {
    // as above
  }
}

$("ring").onsubmit = (event) => {
  event.preventDefault();
  ring($("submit"));
};
$("bell").onclick = () => ring($("bell"));
$("speaker-run").onclick = () => askSpeaker("run");
$("speaker-calibrate").onclick = () => askSpeaker("calibrate");
for (const control of document.querySelectorAll("[data-sound]")) {
  if (control.type === "button") control.onclick = () => changeSound(control, control.getAttribute("aria-pressed") !== "true");
  else {
    control.oninput = () => showGain(control, Number(control.value));
    control.onchange = () => changeSound(control, Number(control.value));
  }
}
$("target").oninput = () => {
  complain("");
  sayTarget();
};

recall();
sayTarget();
follow();
setInterval(tick, 100);
setInterval(measureSound, 1000);
