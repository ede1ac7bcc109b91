// The recipients: how they stand, what waits for them, a test of each, and a form by its kind.

import { $, complain, follow, makeEditor } from "./editor.js";
import { API, ask } from "./node.js";

const KINDS = {
  email: ["E-mail", ["name", "to", "sender", "host", "port", "security", "username", "password"]],
  http: ["Web server", ["name", "url", "method", "username", "password", "secret"]],
  call: ["Phone call", ["name", "to", "account", "answered_clip"]],
  ftp: ["Files over FTP", ["name", "host", "folder", "username", "password", "file_name"]],
  sftp: ["Files over SFTP", ["name", "host", "host_key", "folder", "username", "password", "file_name"]],
  folder: ["Files in a folder", ["name", "path", "max_mb", "file_name"]],
  tcp: ["Lines over TCP", ["name", "host", "port"]],
  syslog: ["Syslog", ["name", "host", "transport"]],
};

let results = new Map(); // of the tests since the page was opened, by recipient: words, and whether it was reached

async function refresh() {
  try {
    show(await ask("GET", "/recipients"));
    showBroker(await ask("GET", "/mqtt"));
  } catch (error) {
    complain(error.message);
  }
}

const editor = makeEditor({
  things: "/settings/recipients",
  schemaPath: "/schemas/recipients",
  pick: ({ discriminator, $defs }, { kind }) => ({ ...$defs[discriminator.mapping[kind].split("/").pop()], $defs }),
  noun: "Recipient",
  main: ({ kind }) => KINDS[kind][1],
  hidden: ["kind", "headers"], // which a recipient keeps; and fields of HTTP that are secrets: settings file
  start: (name, schema) => schema.default,
  always: () => false,
  suggestions,
  opened: ({ kind }) => ($("kind-words").textContent = KINDS[kind][0]),
  refresh,
});

async function suggestions() {
  const [accounts, clips] = await Promise.all([ask("GET", "/accounts"), ask("GET", "/clips")]);
  return { account: accounts.map((each) => each.id), answered_clip: clips.clips.map((each) => each.name) };
}

function show(recipients) {
  $("empty").hidden = recipients.length > 0;
  $("recipients").replaceChildren(...recipients.map(row));
}

function row(recipient) {
  const made = $("recipient-row").content.firstElementChild.cloneNode(true);
  const part = (name) => made.querySelector(`[data-part=${name}]`);
  part("name").textContent = recipient.name;
  part("name").dataset.state = recipient.trouble ? "bad" : recipient.waiting ? "waits" : "good";
  part("to").textContent = `${KINDS[recipient.kind][0]} · ${recipient.to}`;
  part("queue").textContent = queueWords(recipient);
  part("trouble").textContent = recipient.trouble && `Not reached: ${recipient.trouble}`;
  const result = results.get(recipient.name);
  part("result").textContent = result?.words ?? "";
  part("result").dataset.state = result?.state ?? "";
  const work = { test, edit, copy, remove };
  for (const [name, run] of Object.entries(work)) {
    const button = made.querySelector(`[data-act=${name}]`);
    button.setAttribute("aria-label", `${button.textContent}: ${recipient.name}`);
    button.onclick = () => run(recipient);
  }
  return made;
}

function showBroker({ enabled, broker, connected, since_utc: since, waiting, lost, trouble }) {
  const words = [];
  if (since) words.push(`${connected ? "connected" : "not connected"} since ${when(since)}`);
  if (waiting) words.push(`${waiting} ${waiting === 1 ? "message waits" : "messages wait"}`);
  if (lost) words.push(`${lost} dropped`);
  $("mqtt").hidden = !enabled;
  $("broker").textContent = broker;
  $("broker").dataset.state = connected ? "good" : trouble ? "bad" : "off";
  $("broker-words").textContent = words.join(" · ");
  $("broker-trouble").textContent = connected ? "" : trouble;
}

const when = (utc) => new Date(utc).toLocaleString([], { dateStyle: "short", timeStyle: "short" });

function queueWords({ waiting, since_utc: since, delivered, last_utc: last }) {
  const words = [];
  if (waiting) words.push(`${waiting} ${waiting === 1 ? "message waits" : "messages wait"} since ${when(since)}`);
  if (delivered) words.push(`${delivered} delivered, the last ${when(last)}`);
  return words.join(" · ");
}

async function test({ name }) {
  results.set(name, { words: "Being tried…", state: "" });
  refresh();
  try {
    const { said } = await ask("POST", `/recipients/${encodeURIComponent(name)}/test`);
    results.set(name, { words: `Test: ${said}`, state: "good" });
  } catch (error) {
    results.set(name, { words: `Test: ${error.message}`, state: "bad" });
  }
  $("announce").textContent = results.get(name).words;
  refresh();
}

const edit = ({ name }) => editor.edit(name);

async function copy({ name }) {
  try {
    const { recipients: [{ name: taken, headers, ...given }] } = await ask("GET", `/exports/recipients?name=${encodeURIComponent(name)}`);
    editor.edit("", "", given);
  } catch (error) {
    complain(error.message);
  }
}

function remove({ name, waiting }) {
  const left = waiting ? ` ${waiting} undelivered messages are given up.` : "";
  if (confirm(`Remove the recipient "${name}"?${left}`)) editor.act(() => ask("DELETE", editor.path(name)));
}

for (const [kind, [words]] of Object.entries(KINDS)) $("kind").append(new Option(words, kind));
$("add").onclick = () => editor.edit("", "", { kind: $("kind").value });
follow(API, ["settings.changed", "message.delivered", "problem"], refresh);
