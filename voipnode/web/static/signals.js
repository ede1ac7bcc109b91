// Light and siren: what runs, the profiles with a form for each, previews before saving, and profiles as a file.

import { $, complain, follow, makeEditor } from "./editor.js";
import { lightWords, looks, shine, sirenWords } from "./lamp.js";
import { API, ask } from "./node.js";

let state = { shown: {}, activities: [], profiles: [] };
let readAt = 0;
const ticked = new Set();

async function refresh() {
  try {
    state = await ask("GET", "/signals");
    readAt = performance.now();
    show();
  } catch (error) {
    complain(error.message);
  }
}

const editor = makeEditor({
  things: "/settings/signals",
  schemaPath: "/schemas/signals",
  noun: "Profile",
  main: [
    "name", "description", "light", "light_colour", "light_speed", "light_intensity", "siren", "siren_intensity", "duration",
    "time_s", "repetitions", "priority",
  ],
  start: (name, schema) => schema.default ?? "",
  always: (name) => name === "name",
  suggestions: async () => ({}),
  opened: () => setTimeout(showSample), // when the form has its fields
  refresh,
});

function show() {
  const { shown, activities, profiles } = state;
  shine($("lamp"), shown.light);
  $("lamp").setAttribute("aria-label", `Light: ${lightWords(shown.light) || "off"}`);
  $("shown").textContent = shown.profile || "Nothing";
  $("shown-words").textContent = [lightWords(shown.light), sirenWords(shown.siren) && `siren: ${sirenWords(shown.siren)}`].filter(Boolean).join(" · ");
  $("activities").replaceChildren(...activities.map(activity));
  $("stop-all").hidden = !activities.some((each) => each.removable);
  $("empty").hidden = profiles.length > 0;
  $("add").disabled = profiles.length >= 30;
  $("profiles").replaceChildren(...profiles.map(row));
  showExport();
  tick();
}

function activity(each) {
  const made = document.createElement("li");
  made.className = "activity";
  made.dataset.shown = String(each.shown);
  const part = (className, text) => {
    const span = document.createElement("span");
    span.className = className;
    span.textContent = text;
    made.append(span);
  };
  part("priority", each.priority);
  const name = each.activity === each.profile ? each.profile : `${each.activity} (${each.profile})`;
  part("activity-name", each.who ? `${name}, by ${each.who}` : name);
  part("activity-left", "");
  if (each.removable) {
    const stop = document.createElement("button");
    stop.type = "button";
    stop.className = "quiet";
    stop.textContent = "Stop";
    stop.setAttribute("aria-label", `Stop: ${name}`);
    stop.onclick = () => editor.act(() => ask("POST", `/signals/${encodeURIComponent(each.profile)}/stop`));
    made.append(stop);
  }
  return made;
}

function tick() {
  const passed = (performance.now() - readAt) / 1000;
  state.activities.forEach((each, index) => {
    const place = $("activities").children[index]?.querySelector(".activity-left");
    if (place) place.textContent = each.left_s === null ? (each.removable ? "until stopped" : "while it lasts") : `${Math.max(0, Math.ceil(each.left_s - passed))} s left`;
  });
}

function row(profile) {
  const made = $("profile-row").content.firstElementChild.cloneNode(true);
  const part = (name) => made.querySelector(`[data-part=${name}]`);
  const { light, siren } = looks(profile);
  part("priority").textContent = profile.priority;
  shine(part("lamp"), light);
  part("name").textContent = profile.name;
  part("words").textContent = [lightWords(light), sirenWords(siren) && `siren: ${sirenWords(siren)}`, duration(profile)].filter(Boolean).join(" · ");
  part("description").textContent = profile.description;
  part("tick").checked = ticked.has(profile.name);
  part("tick").onchange = (event) => {
    if (event.target.checked) ticked.add(profile.name);
    else ticked.delete(profile.name);
    showExport();
  };
  const path = encodeURIComponent(profile.name);
  const acts = {
    start: () => editor.act(() => ask("POST", `/signals/${path}/start`)),
    edit: () => editor.edit(profile.name),
    copy: () => editor.edit("", "", { ...profile, name: copyName(profile.name) }),
    remove: () => {
      if (confirm(`Delete the profile "${profile.name}"?`)) editor.act(() => ask("DELETE", `/settings/signals/${path}`));
    },
  };
  for (const [act, work] of Object.entries(acts)) {
    const button = made.querySelector(`[data-act=${act}]`);
    button.setAttribute("aria-label", `${button.textContent}: ${profile.name}`);
    button.onclick = work;
  }
  return made;
}

function duration(profile) {
  if (profile.duration === "time") return `${profile.time_s} s`;
  if (profile.duration === "repetitions") return profile.repetitions === 1 ? "once" : `${profile.repetitions} times`;
  return "until stopped";
}

function copyName(name) {
  const names = state.profiles.map((profile) => profile.name);
  let copy = `${name} copy`;
  for (let number = 2; names.includes(copy); number += 1) copy = `${name} copy ${number}`;
  return copy.slice(0, 64);
}

function showExport() {
  const names = state.profiles.map((profile) => profile.name).filter((name) => ticked.has(name));
  const query = new URLSearchParams(names.map((name) => ["name", name]));
  $("export").href = `${API}/exports/signals${names.length ? `?${query}` : ""}`;
  $("export").textContent = names.length ? `Export ${names.length}` : "Export all";
}

// What the form says now, before anything is asked of the node.
function showSample() {
  if (!$("editor").hidden) shine($("sample"), looks(editor.values()).light);
}

$("editor").addEventListener("input", showSample);
for (const button of document.querySelectorAll("[data-preview]")) {
  button.onclick = () => editor.attempt(() => ask("POST", `/signals/preview?only=${button.dataset.preview}`, editor.values()));
}
$("stop-preview").onclick = () => editor.act(() => ask("POST", "/signals/Preview/stop"));
$("stop-all").onclick = () => editor.act(() => ask("POST", "/signals/stop"));
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
  const mode = $("mode").value;
  if (mode === "replace" && !confirm("Delete all profiles, then add those of the file?")) return;
  try {
    $("imported").textContent = (await ask("POST", `/exports/signals?mode=${mode}`, document)).words;
    $("announce").textContent = $("imported").textContent;
  } catch (error) {
    const wrong = error.fields?.map((each) => `${each.field}: ${each.message}`).join("; ");
    complain(`Nothing was imported. ${wrong || error.message}`);
  }
  refresh();
};

follow(API, ["signal.changed", "settings.changed"], refresh);
setInterval(tick, 500);
