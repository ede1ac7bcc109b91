// The schedules: which hold now and until when, and a form for each.

import { $, complain, follow, makeEditor } from "./editor.js";
import { API, ask } from "./node.js";

async function refresh() {
  try {
    const [settings, now] = await Promise.all([ask("GET", "/settings/schedules"), ask("GET", "/schedules")]);
    show(settings, new Map(now.map((schedule) => [schedule.name, schedule])));
  } catch (error) {
    complain(error.message);
  }
}

const editor = makeEditor({
  things: "/settings/schedules",
  schemaPath: "/schemas/schedules",
  noun: "Schedule",
  main: ["name", "times", "except", "pulse_every_s"],
  start: (name, schema) => schema.default ?? "",
  always: (name) => name === "name",
  suggestions: async () => ({}),
  refresh,
});

function show(schedules, now) {
  $("empty").hidden = schedules.length > 0;
  $("schedules").replaceChildren(...schedules.map((schedule) => row(schedule, now.get(schedule.name))));
}

function row(schedule, now) {
  const made = $("schedule-row").content.firstElementChild.cloneNode(true);
  const part = (name) => made.querySelector(`[data-part=${name}]`);
  part("name").textContent = schedule.name;
  part("name").dataset.state = now?.active ? "registered" : "off";
  part("now").textContent = schedule.pulse_every_s ? `a moment every ${span(schedule.pulse_every_s)}` : nowWords(now);
  part("times").textContent = words(schedule);
  const acts = {
    edit: () => editor.edit(schedule.name),
    remove: () => {
      if (confirm(`Remove the schedule "${schedule.name}"?`)) editor.act(() => ask("DELETE", editor.path(schedule.name)));
    },
  };
  for (const [act, work] of Object.entries(acts)) {
    const button = made.querySelector(`[data-act=${act}]`);
    button.setAttribute("aria-label", `${button.textContent}: ${schedule.name}`);
    button.onclick = work;
  }
  return made;
}

function nowWords(now) {
  if (!now) return "";
  const until = now.until_utc && new Date(now.until_utc).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  if (now.active) return until ? `holds until ${until}` : "holds";
  return until ? `from ${until} on` : "does not hold";
}

function words(schedule) {
  return [
    schedule.times.join(" · "),
    schedule.icalendar && "a calendar",
    schedule.except.length > 0 && `not: ${schedule.except.join(", ")}`,
    schedule.time_zone,
  ]
    .filter(Boolean)
    .join(" · ");
}

function span(seconds) {
  for (const [unit, length] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (seconds % length === 0) return seconds === length ? unit : `${seconds / length} ${unit}s`;
  }
  return `${seconds} s`;
}

follow(API, ["schedule.changed", "settings.changed"], refresh);
