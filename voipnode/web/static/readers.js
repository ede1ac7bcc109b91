// The readers: how each is reached, a form for each, the card that was read last, and a way to try credentials.

import { $, complain, follow, makeEditor } from "./editor.js";
import { API, ask } from "./node.js";
import { sentence } from "./words.js";

const PAGE = "page"; // where no reader is set
const SHOWN = 12; // of what happened lately
const OUTCOMES = {
  granted: "The door opens.",
  denied: "Not let in.",
  pin: "The PIN has to follow.",
  key: "More keys have to follow.",
  locked: "Locked for a while, after wrong codes.",
  ignored: "A kind of card that this reader does not read.",
  forwarded: "Handed to the door controller.",
  idle: "Nothing happened.",
};

let readers = [];
let last = {}; // the card that was read last
let lastRead = {}; // by reader, in words

async function refresh() {
  try {
    let controller;
    [readers, last, controller] = await Promise.all(
      ["/readers", "/readers/last-card", "/controller"].map((path) => ask("GET", path)));
    show();
    showController(controller);
  } catch (error) {
    complain(error.message);
  }
}

const editor = makeEditor({
  things: "/settings/readers",
  schemaPath: "/schemas/readers",
  noun: "Reader",
  main: ["name", "driver", "device", "address", "baud", "secure_channel"],
  hidden: ["data_sets"], // with secret keys that are never shown: a form would lose them
  start: (name, schema) => schema.default ?? "",
  always: (name) => name === "name",
  suggestions: async () => ({}),
  refresh,
});

function show() {
  $("empty").hidden = readers.length > 0;
  $("readers").replaceChildren(...readers.map(row));
  const before = $("where").value;
  const names = readers.length ? readers.map((reader) => reader.name) : [PAGE];
  $("where").replaceChildren(...names.map((name) => new Option(name, name)));
  if (names.includes(before)) $("where").value = before;
  showChips();
  showLast();
}

function row(reader) {
  const made = $("reader-row").content.firstElementChild.cloneNode(true);
  const part = (name) => made.querySelector(`[data-part=${name}]`);
  part("name").textContent = reader.name;
  part("name").dataset.state = reader.state === "connected" && !reader.tampered ? "registered" : "off";
  part("driver").textContent = reader.driver;
  part("state").textContent = stateWords(reader);
  part("read").textContent = lastRead[reader.name] ?? "";
  const acts = {
    pair: () => editor.act(() => ask("POST", `/readers/${reader.name}/pair`)),
    edit: () => editor.edit(reader.name),
    remove: () => {
      if (confirm(`Remove the reader "${reader.name}"?`)) editor.act(() => ask("DELETE", editor.path(reader.name)));
    },
  };
  for (const [act, work] of Object.entries(acts)) {
    const button = made.querySelector(`[data-act=${act}]`);
    button.setAttribute("aria-label", `${button.textContent}: ${reader.name}`);
    button.hidden = act === "pair" && !reader.pairs;
    button.onclick = work;
  }
  return made;
}

function stateWords(reader) {
  const state = reader.state[0].toUpperCase() + reader.state.slice(1);
  return [state, reader.secure && "encrypted", reader.tampered && "tampered with", reader.detail].filter(Boolean).join(" · ");
}

function reversed(uid) {
  return (uid.match(/../g) ?? []).reverse().join("");
}

function shownUid() {
  return $("reverse").getAttribute("aria-pressed") === "true" ? reversed(last.uid) : last.uid;
}

function showLast() {
  $("no-card").hidden = Boolean(last.uid);
  $("last").hidden = !last.uid;
  if (!last.uid) return;
  $("last-uid").textContent = shownUid();
  const at = new Date(last.at_utc).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });
  $("last-words").textContent = `${last.bits} bits · at ${last.reader} · ${at}${last.holder ? ` · ${last.holder}` : ""}`;
}

const PROTOCOLS = { osdp: "OSDP", wiegand: "Wiegand", http: "VAPIX reader" };

function showController(controller) {
  $("controller").hidden = controller.protocol === "none";
  $("controller-name").textContent = PROTOCOLS[controller.protocol] ?? "";
  $("controller-name").dataset.state = controller.state === "connected" ? "registered" : "off";
  $("controller-state").textContent = stateWords(controller);
  const names = controller.entrances.map((entrance) => entrance.name);
  $("controller-entrances").textContent = names.length ? `Its entrances: ${names.join(", ")}` : "";
}

function showChips() {
  const chips = readers.find((reader) => reader.name === $("where").value)?.chip_types ?? [];
  $("chip-field").hidden = chips.length === 0;
  $("chip").replaceChildren(...chips.map((name) => new Option(name, name)));
}

$("where").onchange = showChips;

$("reverse").onclick = () => {
  const isOn = $("reverse").getAttribute("aria-pressed") === "true";
  $("reverse").setAttribute("aria-pressed", String(!isOn));
  $("reverse").textContent = isOn ? "Reverse UID" : "Revert UID";
  showLast();
};

$("copy").onclick = async () => {
  try {
    await navigator.clipboard.writeText(shownUid());
    $("announce").textContent = "Copied";
  } catch {
    complain("The browser does not let this page copy.");
  }
};

$("check").onclick = () => {
  $("uid").value = shownUid();
  $("uid").focus();
};

$("present").onsubmit = async (event) => {
  event.preventDefault();
  const [reader, uid, keys] = [$("where").value, $("uid").value.trim(), $("keys").value.trim()];
  $("outcome").textContent = "";
  try {
    let outcome = "idle";
    if (uid) ({ outcome } = await ask("POST", `/readers/${reader}/card`, { uid, chip: $("chip").value }));
    if (keys && outcome !== "granted") ({ outcome } = await ask("POST", `/readers/${reader}/keys`, { keys }));
    $("outcome").textContent = OUTCOMES[outcome] ?? outcome;
  } catch (error) {
    $("outcome").textContent = error.message;
  }
  $("keys").value = "";
};

function heard(event) {
  const time = new Date().toLocaleTimeString([], { hour12: false });
  if (event.event === "card.read") lastRead[event.reader] = `read ${event.uid || "a card"} at ${time}`;
  const [kind, words] = sentence(event);
  if (words) {
    const line = document.createElement("li");
    const [at, said] = [document.createElement("time"), document.createElement("span")];
    at.textContent = time;
    said.textContent = words;
    line.dataset.kind = kind;
    line.append(at, said);
    $("lately").prepend(line);
    while ($("lately").children.length > SHOWN) $("lately").lastElementChild.remove();
  }
  refresh();
}

const EVENTS = ["reader.changed", "controller.changed", "card.read", "access.granted", "access.denied", "credential.forwarded", "settings.changed"];
follow(API, EVENTS, refresh, heard);
