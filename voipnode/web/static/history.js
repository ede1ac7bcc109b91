// The call history: a page of calls, newest first, by filters; older ones on demand.

import { $, complain, follow } from "./editor.js";
import { API, ask } from "./node.js";
import { bare, clock } from "./words.js";

const FILTERS = ["text", "from", "to", "direction", "outcome"];
const PAGE = 50;

let next = "";
let asked = 0; // answers that come late, to other filters, are not shown

function query(more = {}) {
  const given = Object.fromEntries(FILTERS.map((name) => [name, $(name).value]).filter(([, value]) => value));
  // days are those of whoever reads; the last one is whole
  if (given.from) given.from = new Date(`${given.from}T00:00`).toISOString();
  if (given.to) {
    const end = new Date(`${given.to}T00:00`);
    end.setDate(end.getDate() + 1);
    given.to = end.toISOString();
  }
  return new URLSearchParams({ ...given, ...more }).toString();
}

async function load(before = "") {
  const mine = ++asked;
  try {
    const page = await ask("GET", `/history?${query({ limit: PAGE, ...(before && { before }) })}`);
    if (mine !== asked) return;
    complain("");
    const rows = page.calls.map(row);
    if (before) $("past").append(...rows);
    else $("past").replaceChildren(...rows);
    next = page.next;
    $("more").hidden = !next;
    $("empty").hidden = $("past").childElementCount > 0;
  } catch (error) {
    if (mine === asked) complain(error.message);
  }
  for (const format of ["csv", "json"]) $(format).href = `${API}/history/export?${query({ format })}`;
}

function row(call) {
  const made = $("past-row").content.firstElementChild.cloneNode(true);
  const part = (name) => made.querySelector(`[data-part=${name}]`);
  made.dataset.direction = call.direction;
  made.dataset.outcome = call.outcome || "on";
  const began = new Date(call.began_utc);
  part("who").textContent = who(call);
  part("when").textContent = began.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  part("when").dateTime = call.began_utc;
  part("what").textContent = what(call);
  part("opened").textContent = call.openings
    .map((each) => `${each.port} opened by ${bare(each.who)}, ${each.how}, at ${new Date(each.at_utc).toLocaleTimeString()}`)
    .join(" · ");
  part("sound").textContent = sound(call);
  return made;
}

const people = (uris) => uris.split(", ").map(bare).join(", ");

function who(call) {
  if (call.direction === "internal") return `${people(call.caller)} → ${people(call.answered_by || call.callee)}`;
  return people(call.direction === "incoming" ? call.caller : call.answered_by || call.callee);
}

function what(call) {
  if (!call.outcome) return call.answered_utc ? "in a call" : "ringing";
  const words = [call.outcome];
  if (call.answered_utc) words.push(clock(call.talk_s));
  if (call.ring_s) words.push(`rang ${Math.round(call.ring_s)} s`);
  if (call.detail && call.detail !== call.outcome) words.push(call.detail);
  return words.join(" · ");
}

function sound(call) {
  if (!call.answered_utc) return call.account;
  const heard = call.heard.at(-1);
  const words = [call.codec, call.encryption && call.encryption !== "none" ? `encrypted (${call.encryption.toUpperCase()})` : "not encrypted"];
  if (heard?.mos) words.push(`MOS ${heard.mos.toFixed(1)}`);
  if (heard?.packets_received) words.push(`loss ${heard.loss_percent} %`, `jitter ${Math.round(heard.jitter_ms)} ms`);
  if (heard?.round_trip_ms) words.push(`round trip ${Math.round(heard.round_trip_ms)} ms`);
  return words.filter(Boolean).join(" · ");
}

// What is new is shown where somebody looks at the newest, and not under the eyes of who reads older ones.
function refresh() {
  if ($("past").childElementCount <= PAGE) load();
}

for (const name of FILTERS) $(name).oninput = () => load();
$("filters").onsubmit = (event) => event.preventDefault();
$("more").onclick = () => load(next);
follow(API, ["call.changed", "exchange_call.changed", "door.opened"], refresh);
