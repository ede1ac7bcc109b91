// The ring groups: who rings at once, who after that, and a form for each.

import { $, complain, follow, makeEditor } from "./editor.js";
import { inTurn } from "./members.js";
import { API, ask } from "./node.js";

let groups = [];

async function refresh() {
  try {
    groups = await ask("GET", "/settings/groups");
    show();
  } catch (error) {
    complain(error.message);
  }
}

async function suggestions() {
  const [contacts, clips] = await Promise.all([ask("GET", "/contacts"), ask("GET", "/clips")]);
  const names = clips.clips.map((clip) => clip.name);
  return {
    fallback: [...contacts, ...groups].map((each) => each.name),
    ringback_clip: names,
    nobody_clip: names,
    busy_clip: names,
  };
}

const editor = makeEditor({
  things: "/settings/groups",
  schemaPath: "/schemas/groups",
  noun: "Group",
  main: ["name", "members", "strategy", "ring_s", "stages", "fallback", "calling_timeout_s"],
  start: (name, schema) => schema.default,
  always: (name) => name === "name",
  suggestions,
  refresh,
});

function show() {
  $("empty").hidden = groups.length > 0;
  $("groups").replaceChildren(...groups.map(row));
}

function row(group) {
  const made = $("group-row").content.firstElementChild.cloneNode(true);
  const part = (name) => made.querySelector(`[data-part=${name}]`);
  part("name").textContent = group.name;
  part("who").textContent = inTurn(group);
  part("words").textContent = words(group);
  for (const [act, work] of Object.entries({ edit: (each) => editor.edit(each.name), remove })) {
    const button = made.querySelector(`[data-act=${act}]`);
    button.setAttribute("aria-label", `${button.textContent}: ${group.name}`);
    button.onclick = () => work(group);
  }
  return made;
}

function words(group) {
  const said = [group.calling_timeout_s === null ? "" : `at most ${group.calling_timeout_s} s`];
  if (group.fallback) said.push(`then ${group.fallback}`);
  const clips = ["ringback_clip", "nobody_clip", "busy_clip"].map((name) => group[name]).filter(Boolean);
  if (clips.length) said.push(`plays ${clips.join(", ")}`);
  return said.filter(Boolean).join(" · ");
}

function remove(group) {
  if (confirm(`Remove the group "${group.name}"?`)) editor.act(() => ask("DELETE", editor.path(group.name)));
}

follow(API, ["settings.changed", "contacts.changed"], refresh);
