// The detectors: what each notices now, reports by hand, and a form by its kind; and how the plug-ins are.

import { $, complain, follow, makeEditor } from "./editor.js";
import { API, ask } from "./node.js";

const KINDS = {
  shock: ["Shock: somebody hits the device", ["name", "sensitivity", "hold_s", "enabled"]],
  pir: ["People: somebody stands before it", ["name", "hold_s", "enabled"]],
  motion: ["Motion: something moves in a camera's picture", ["name", "hold_s", "enabled"]],
  tampering: ["Tampering: a camera is covered, turned, defocused", ["name", "trigger_delay_s", "trigger_on_dark", "pictures", "enabled"]],
};
const STATES = { running: "Running", failed: "Failed", missing: "Not installed", off: "Off", stopped: "Stopped" };

async function refresh() {
  try {
    const [detectors, plugins] = await Promise.all([ask("GET", "/detectors"), ask("GET", "/plugins").catch(() => [])]);
    $("empty").hidden = detectors.length > 0;
    $("detectors").replaceChildren(...detectors.map(row));
    $("no-plugins").hidden = plugins.length > 0;
    $("plugins").replaceChildren(...plugins.map(pluginRow));
  } catch (error) {
    complain(error.message);
  }
}

const editor = makeEditor({
  things: "/settings/detectors",
  schemaPath: "/schemas/detectors",
  pick: ({ discriminator, $defs }, { kind }) => ({ ...$defs[discriminator.mapping[kind].split("/").pop()], $defs }),
  noun: "Detector",
  main: ({ kind }) => KINDS[kind][1],
  hidden: ["kind"], // which a detector keeps
  start: (name, schema) => schema.default,
  always: () => false,
  suggestions: async () => ({}),
  opened: ({ kind }) => ($("kind-words").textContent = KINDS[kind][0]),
  refresh,
});

function row(detector) {
  const made = $("detector-row").content.firstElementChild.cloneNode(true);
  const part = (name) => made.querySelector(`[data-part=${name}]`);
  part("name").textContent = detector.name;
  part("name").dataset.state = !detector.enabled ? "off" : detector.active ? "waits" : "good";
  const now = !detector.enabled ? "off" : detector.active ? "notices something" : "quiet";
  part("words").textContent = [KINDS[detector.kind][0], now, detector.look].filter(Boolean).join(" · ");
  const report = () => ask("POST", `/detectors/${detector.name}`, { active: !detector.active, source: "panel" });
  const acts = {
    report: () => editor.act(report),
    edit: () => editor.edit(detector.name),
    remove: () => {
      if (confirm(`Remove the detector "${detector.name}"?`)) editor.act(() => ask("DELETE", editor.path(detector.name)));
    },
  };
  made.querySelector("[data-act=report]").textContent = detector.active ? "Quiet" : "Report";
  for (const [act, work] of Object.entries(acts)) {
    const button = made.querySelector(`[data-act=${act}]`);
    button.setAttribute("aria-label", `${button.textContent}: ${detector.name}`);
    button.hidden = act === "report" && !detector.enabled;
    button.onclick = work;
  }
  return made;
}

function pluginRow(plugin) {
  const made = $("plugin-row").content.firstElementChild.cloneNode(true);
  const part = (name) => made.querySelector(`[data-part=${name}]`);
  part("name").textContent = plugin.name;
  part("name").dataset.state = { running: "good", off: "off" }[plugin.state] ?? "bad";
  part("package").textContent = plugin.package;
  const commands = plugin.commands.length ? `takes ${plugin.commands.join(", ")}` : "";
  const silenced = plugin.silenced ? "hears no more events: it failed too often" : "";
  part("words").textContent = [STATES[plugin.state] ?? plugin.state, commands, silenced].filter(Boolean).join(" · ");
  part("trouble").textContent = plugin.trouble;
  return made;
}

for (const [kind, [words]] of Object.entries(KINDS)) $("kind").append(new Option(words, kind));
$("add").onclick = () => editor.edit("", "", { kind: $("kind").value });
follow(API, ["detector.changed", "settings.changed", "problem"], refresh);
