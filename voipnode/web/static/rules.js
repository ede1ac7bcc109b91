// The rules: how they stand, a form for each, triggers and virtual inputs by hand, and what fired lately.

import { $, complain, follow, makeEditor } from "./editor.js";
import { API, ask } from "./node.js";

const SHOWN = 30; // of what fired lately
const PAUSE_MS = 400; // between two looks at the node while much happens
const START = { conditions: [{ is: "button" }], actions: [{ do: "pulse" }] };

const verdicts = new Map(); // of dry runs, by name
let isLooking = false;
let isLookDue = false;

async function refresh() {
  if (isLooking) {
    isLookDue = true;
    return;
  }
  isLooking = true;
  try {
    show(await ask("GET", "/rules"));
  } catch (error) {
    complain(error.message);
  }
  setTimeout(() => {
    isLooking = false;
    if (isLookDue) refresh();
    isLookDue = false;
  }, PAUSE_MS);
}

const editor = makeEditor({
  things: "/rules",
  schemaPath: "/schemas/rule",
  noun: "Rule",
  main: ["name", "conditions", "use_as_trigger", "actions"],
  hidden: ["enabled"], // the switch beside it
  start: (name, schema) => START[name] ?? schema.default ?? "",
  always: (name) => ["name", "conditions", "actions"].includes(name),
  suggestions: async () => ({}),
  refresh,
  isSchemaFresh: true, // what there is to choose from changes
});

function show({ rules, triggers, virtual_inputs: inputs, history }) {
  const own = rules.filter((rule) => !rule.preconfigured);
  const ready = rules.filter((rule) => rule.preconfigured);
  $("empty").hidden = own.length > 0;
  $("ready").hidden = ready.length === 0;
  replace($("rules"), own.map(row));
  replace($("ready-rules"), ready.map(row));
  $("hands").hidden = !triggers.length && !inputs.length;
  replace($("triggers"), triggers.map(trigger));
  replace($("virtual-inputs"), inputs.map(virtualInput));
  $("nothing").hidden = history.length > 0;
  $("lately").replaceChildren(...history.slice(0, SHOWN).map(firing));
}

// Puts rows in the place of others, and the focus where it was.
function replace(list, rows) {
  const focused = list.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
  list.replaceChildren(...rows);
  if (focused) [...list.querySelectorAll("[aria-label]")].find((each) => each.getAttribute("aria-label") === focused)?.focus();
}

function row(rule) {
  const made = $("rule-row").content.firstElementChild.cloneNode(true);
  const part = (name) => made.querySelector(`[data-part=${name}]`);
  made.dataset.state = !rule.on ? "off" : rule.running || rule.active ? "active" : "on";
  part("name").textContent = rule.name;
  part("tag").textContent = rule.running ? "at work" : rule.active && rule.on ? "active" : "";
  part("when").append(...rule.conditions.map(condition));
  part("do").append(...rule.actions.map((words) => line(words)));
  part("words").textContent = words(rule);
  const verdict = verdicts.get(rule.name);
  part("verdict").textContent = verdict?.words ?? "";
  part("verdict").dataset.state = verdict?.state ?? "";
  const acts = {
    toggle: () => toggle(rule),
    try: () => dryRun(rule.name),
    edit: () => edit(rule.name),
    copy: () => copy(rule.name),
    remove: () => {
      if (confirm(`Remove the rule "${rule.name}"?`)) editor.act(() => ask("DELETE", editor.path(rule.name)));
    },
  };
  for (const [act, work] of Object.entries(acts)) {
    const button = made.querySelector(`[data-act=${act}]`);
    button.setAttribute("aria-label", `${button.textContent.trim() || "On"}: ${rule.name}`);
    button.onclick = work;
  }
  made.querySelector("[data-act=toggle]").setAttribute("aria-checked", String(rule.on));
  made.querySelector("[data-act=remove]").hidden = rule.preconfigured;
  return made;
}

function condition({ condition: said, holds }) {
  const made = line(said);
  made.dataset.holds = holds === null ? "moment" : String(holds);
  made.title = holds === null ? "a moment" : holds ? "holds now" : "does not hold now";
  return made;
}

function line(words) {
  const made = document.createElement("li");
  made.textContent = words;
  return made;
}

function words(rule) {
  const times = rule.fired === 1 ? "fired once" : `fired ${rule.fired} times`;
  const switched = rule.on !== rule.enabled && (rule.on ? "off again after the next start" : "on again after the next start");
  const why = rule.on && rule.why_not.replace(/^does not hold: /, "waits for: ");
  return [rule.fired > 0 && times, switched, why].filter(Boolean).join(" · ");
}

async function toggle(rule) {
  complain("");
  try {
    await ask("PATCH", editor.path(rule.name), { enabled: !rule.on });
    if (rule.on === rule.enabled) $("announce").textContent = `${rule.name} is ${rule.on ? "off" : "on"}`;
    else await ask("PATCH", editor.path(rule.name), { on: !rule.on });
  } catch (error) {
    if (!rule.on && error.fields?.length) await edit(rule.name); // where it is to be put right
    complain(`"${rule.name}" cannot be switched ${rule.on ? "off for good" : "on"}: ${error.message}`);
    if (rule.on) await ask("PATCH", editor.path(rule.name), { on: false }); // until the next start it can be
  }
  refresh();
}

async function dryRun(name) {
  try {
    const trial = await ask("POST", `${editor.path(name)}/dry-run`);
    const said = trial.would_fire ? trial.why : `It would not fire: ${trial.why}.`;
    verdicts.set(name, { state: trial.would_fire ? "good" : "bad", words: said });
    $("announce").textContent = said;
  } catch (error) {
    verdicts.set(name, { state: "bad", words: error.message });
  }
  refresh();
}

async function edit(name) {
  verdicts.delete(name);
  await editor.edit(name);
  $("editor").scrollIntoView({ block: "start" });
}

async function copy(name) {
  try {
    const settings = await ask("GET", editor.path(name));
    await editor.edit("", "", { ...settings, name: `${name} (copy)`.slice(0, 64), enabled: false });
    $("editor").scrollIntoView({ block: "start" });
  } catch (error) {
    complain(error.message);
  }
}

function trigger(name) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "quiet trigger";
  made.textContent = name;
  made.setAttribute("aria-label", `Pull: ${name}`);
  made.onclick = () => editor.act(() => ask("POST", `/triggers/${encodeURIComponent(name)}`));
  return made;
}

function virtualInput({ name, active }) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "quiet";
  made.textContent = name;
  made.setAttribute("aria-label", `Virtual input: ${name}`);
  made.setAttribute("aria-pressed", String(active));
  made.onclick = () => editor.act(() => ask("PUT", `/virtual-inputs/${encodeURIComponent(name)}`, { active: !active }));
  return made;
}

function firing({ at_utc: at, rule, because, outcome }) {
  const made = document.createElement("li");
  const [time, said] = [document.createElement("time"), document.createElement("span")];
  const moment = new Date(at);
  time.dateTime = at;
  time.textContent = moment.toLocaleTimeString([], { hour12: false });
  time.title = moment.toLocaleString();
  said.textContent = `${rule}: ${because}${outcome === "done" ? "" : ` — ${outcome}`}`;
  made.dataset.kind = outcome === "done" ? "" : outcome.startsWith("skipped") ? "skipped" : "bad";
  made.append(time, said);
  return made;
}

follow(API, { includes: () => true }, refresh); // whatever happens may be a condition
