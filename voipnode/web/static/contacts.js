// The contacts: who is available, a form for each, test calls, and the address book as a file.

import { $, complain, follow, makeEditor } from "./editor.js";
import { members } from "./members.js";
import { API, ask } from "./node.js";

let contacts = [];
let groups = [];
const tried = new Map(); // what came of test calls since the page was opened, by name

async function refresh() {
  try {
    [contacts, groups] = await Promise.all([ask("GET", "/contacts"), ask("GET", "/settings/groups")]);
    show();
  } catch (error) {
    complain(error.message);
  }
}

async function suggestions() {
  const [accounts, schedules] = await Promise.all([ask("GET", "/accounts"), ask("GET", "/schedules")]);
  return {
    account: accounts.map((account) => account.name),
    schedule: ["always", ...schedules.map((schedule) => schedule.name), "never"],
    fallback: contacts.map((contact) => contact.name),
  };
}

const editor = makeEditor({
  things: "/contacts",
  schemaPath: "/schemas/contact",
  noun: "Contact",
  main: ["name", "address", "first_name", "last_name", "account", "speed_dial", "schedule", "fallback", "note"],
  start: () => "",
  always: (name) => ["name", "address"].includes(name),
  suggestions,
  refresh,
});

function show() {
  $("empty").hidden = contacts.length > 0;
  const wanted = $("search").value.trim().toLowerCase();
  const text = (contact) => Object.values(contact).join(" ").toLowerCase();
  const shown = contacts.filter((contact) => text(contact).includes(wanted));
  $("search-field").hidden = contacts.length < 8;
  $("contacts").replaceChildren(...shown.map(row));
}

function row(contact) {
  const made = $("contact-row").content.firstElementChild.cloneNode(true);
  const part = (name) => made.querySelector(`[data-part=${name}]`);
  const person = [contact.first_name, contact.last_name].filter(Boolean).join(" ");
  part("name").textContent = contact.name;
  part("name").dataset.state = contact.available ? "registered" : "off";
  part("person").textContent = person === contact.name ? "" : person;
  part("dial").textContent = contact.speed_dial;
  part("dial").hidden = !contact.speed_dial;
  part("address").textContent = contact.address.replace(/^sips?:/i, "") + (contact.account ? ` by ${contact.account}` : "");
  part("words").textContent = words(contact);
  const result = tried.get(contact.name);
  part("result").textContent = result?.words ?? "";
  part("result").dataset.state = result?.state ?? "";
  for (const [act, work] of Object.entries({ test: test, edit: (each) => editor.edit(each.name), remove })) {
    const button = made.querySelector(`[data-act=${act}]`);
    button.setAttribute("aria-label", `${button.textContent}: ${contact.name}`);
    button.onclick = () => work(contact);
  }
  const testing = made.querySelector("[data-act=test]");
  if (result?.state === "busy") testing.setAttribute("aria-busy", "true");
  testing.disabled = result?.state === "busy";
  return made;
}

function words(contact) {
  const said = [contact.available ? "" : "not available now"];
  if (contact.schedule) said.push(`schedule ${contact.schedule}`);
  if (contact.fallback) said.push(`else ${contact.fallback}`);
  const within = groups.filter((group) => members(group).includes(contact.name)).map((group) => group.name);
  if (within.length) said.push(`in ${within.join(", ")}`);
  said.push(contact.note);
  return said.filter(Boolean).join(" · ");
}

function remove(contact) {
  if (confirm(`Remove the contact "${contact.name}"?`)) editor.act(() => ask("DELETE", editor.path(contact.name)));
}

async function test(contact) {
  tell(contact, "busy", "Calling…");
  try {
    const result = await ask("POST", `${editor.path(contact.name)}/test-call`);
    tell(contact, result.ok ? "good" : "bad", result.words[0].toUpperCase() + result.words.slice(1));
  } catch (error) {
    tell(contact, "bad", error.message);
  }
}

function tell(contact, state, said) {
  tried.set(contact.name, { state, words: said });
  $("announce").textContent = `${contact.name}: ${said}`;
  show();
}

$("import").onclick = () => $("file").click();
$("file").onchange = async () => {
  const [file] = $("file").files;
  $("file").value = "";
  if (!file) return;
  complain("");
  let document;
  try {
    document = JSON.parse(await file.text());
  } catch {
    complain(`${file.name} is not JSON.`);
    return;
  }
  try {
    const mode = $("replace").checked ? "replace" : "merge";
    if (mode === "replace" && !confirm("Remove all contacts that are not in the file?")) return;
    $("announce").textContent = (await ask("POST", `/address-book?mode=${mode}`, document)).words;
    $("imported").textContent = $("announce").textContent;
  } catch (error) {
    complain(error.fields?.length ? `Nothing was imported. ${error.fields.map((wrong) => `${wrong.field}: ${wrong.message}`).join("; ")}` : error.message);
  }
  refresh();
};

$("search").oninput = show;
follow(API, ["contacts.changed", "schedule.changed", "settings.changed"], refresh);
