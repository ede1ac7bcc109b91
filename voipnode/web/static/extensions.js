// The node's own telephones: who is registered, and who rings or talks.

import { $, complain, follow } from "./editor.js";
import { API, ask } from "./node.js";
import { bare } from "./words.js";

async function refresh() {
  try {
    const extensions = await ask("GET", "/extensions");
    complain("");
    $("empty").hidden = extensions.length > 0;
    $("extensions").replaceChildren(...extensions.map(row));
  } catch (error) {
    complain(error.message);
  }
}

function row(extension) {
  const made = $("extension-row").content.firstElementChild.cloneNode(true);
  const part = (name) => made.querySelector(`[data-part=${name}]`);
  part("name").textContent = [extension.number, extension.name].filter(Boolean).join(" · ");
  part("name").parentElement.dataset.state = state(extension);
  part("call").textContent = extension.calls.map(callWords).join("; ") || idleWords(extension);
  part("devices").replaceChildren(...extension.devices.map(device));
  return made;
}

function state(extension) {
  if (extension.calls.length) return "registering";
  return extension.devices.length ? "registered" : "off";
}

function callWords(call) {
  const who = call.remote_name || bare(call.remote);
  if (call.state === "confirmed") return `talks with ${who}`;
  return call.direction === "incoming" ? `rings: ${who}` : `calls ${who}`;
}

function idleWords(extension) {
  if (extension.do_not_disturb) return "does not want to be disturbed";
  return extension.devices.length ? "" : "no telephone registered";
}

function device(one) {
  const item = document.createElement("li");
  item.className = "help";
  item.textContent = `${one.address} (${one.transport})${one.user_agent ? `, ${one.user_agent}` : ""}`;
  return item;
}

follow(API, ["extension.changed", "call.changed", "exchange_call.changed", "line_settings.changed"], refresh);
