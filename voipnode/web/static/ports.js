// Outputs and inputs: what their contacts are now, a hand for simulated inputs, and a form for both.

import { $, complain, follow, makeEditor } from "./editor.js";
import { API, ask } from "./node.js";
import { contactWords } from "./words.js";

const MAIN = {
  ports: ["name", "usage", "normal_state", "driver"],
  inputs: ["name", "usage", "normal_state", "driver"],
};
const NOUNS = { ports: "output", inputs: "input" };
let list = "ports"; // whose entry is in the form

async function refresh() {
  try {
    const paths = ["/ports", "/inputs", "/settings/inputs"];
    const [ports, inputs, settings] = await Promise.all(paths.map((path) => ask("GET", path)));
    const drivers = Object.fromEntries(settings.map((input) => [input.name, input.driver]));
    show("ports", ports, () => "");
    show("inputs", inputs, (input) => drivers[input.name]);
  } catch (error) {
    complain(error.message);
  }
}

const editor = makeEditor({
  things: () => `/settings/${list}`,
  schemaPath: () => `/schemas/${list}`,
  isSchemaFresh: true,
  noun: "Port",
  main: () => MAIN[list],
  hidden: ["direction", "http"], // one is fixed; a board's addresses and login are set in the file
  start: (name, schema) => schema.default,
  always: () => false,
  suggestions: async () => ({}),
  refresh,
});

// `driverOf` is asked of inputs alone: what can be done with one depends on it.
function show(kind, lines, driverOf) {
  $(`no-${kind}`).hidden = lines.length > 0;
  $(kind).replaceChildren(...lines.map((line) => row(kind, line, driverOf(line))));
}

function row(kind, line, driver) {
  const made = $("port-row").content.firstElementChild.cloneNode(true);
  const part = (name) => made.querySelector(`[data-part=${name}]`);
  part("name").textContent = line.usage ? `${line.name} (${line.usage})` : line.name;
  part("name").dataset.state = line.tampered ? "bad" : line.active ? "good" : "off";
  const who = line.active && line.who ? `by ${line.who}` : "";
  const supervised = line.supervised ? "supervised" : "";
  const words = contactWords(line).slice(line.name.length + 2);
  part("words").textContent = [words, who, `normally ${line.normal_state}`, supervised].filter(Boolean).join(" · ");
  const settings = `/settings/inputs/${encodeURIComponent(line.name)}`;
  const contact = line.state === "closed" ? "open" : "closed";
  const acts = {
    move: () => editor.act(() => ask("PATCH", `/simulation/inputs/${encodeURIComponent(line.name)}`, { contact })),
    supervise: () => editor.act(() => ask("PATCH", settings, { supervised: line.supervised ? null : {} })),
    edit: () => edit(kind, line.name),
    remove: () => {
      list = kind;
      const remove = () => ask("DELETE", editor.path(line.name));
      if (confirm(`Remove the ${NOUNS[kind]} "${line.name}"?`)) editor.act(remove);
    },
  };
  made.querySelector("[data-act=move]").textContent = contact === "open" ? "Open" : "Close";
  made.querySelector("[data-act=supervise]").textContent = line.supervised ? "Do not supervise" : "Supervise";
  const isOffered = { move: driver === "simulated", supervise: driver === "simulated" || driver === "adc" };
  for (const [act, work] of Object.entries(acts)) {
    const button = made.querySelector(`[data-act=${act}]`);
    button.setAttribute("aria-label", `${button.textContent}: ${line.name}`);
    button.hidden = !(isOffered[act] ?? true);
    button.onclick = work;
  }
  return made;
}

function edit(kind, name) {
  list = kind;
  editor.edit(name);
}

$("add").onclick = () => edit($("kind").value, "");
follow(API, ["port.changed", "input.changed", "input.tampered", "settings.changed", "guardian.changed"], refresh);
