// The entry list: who may open the door with what, a form for each holder, and a reader to try it with.

import { $, complain, follow, makeEditor } from "./editor.js";
import { API, ask } from "./node.js";

const READER = "page";
const SHOWN = 12; // of what happened lately
const OUTCOMES = {
  granted: "The door opens.",
  denied: "Not let in.",
  pin: "The PIN has to follow.",
  key: "More keys have to follow.",
  locked: "Locked for a while, after wrong codes.",
  idle: "Nothing happened.",
};

let holders = [];

async function refresh() {
  try {
    holders = await ask("GET", "/holders");
    show();
  } catch (error) {
    complain(error.message);
  }
}

const editor = makeEditor({
  things: "/holders",
  schemaPath: "/schemas/holder",
  noun: "Holder",
  main: ["name", "card_uid", "pin", "valid_to_utc", "uses_left", "schedule"],
  start: (name, schema) => (name === "uses_left" ? null : schema.type === "array" ? [] : ""),
  always: (name) => name === "name",
  suggestions: async () => ({ schedule: (await ask("GET", "/schedules")).map((schedule) => schedule.name) }),
  refresh,
});

function show() {
  $("empty").hidden = holders.length > 0;
  $("search-field").hidden = holders.length < 8;
  const wanted = $("search").value.trim().toLowerCase();
  const shown = holders.filter((holder) => Object.values(holder).join(" ").toLowerCase().includes(wanted));
  $("holders").replaceChildren(...shown.map(row));
}

function row(holder) {
  const made = $("holder-row").content.firstElementChild.cloneNode(true);
  const part = (name) => made.querySelector(`[data-part=${name}]`);
  const person = [holder.first_name, holder.last_name].filter(Boolean).join(" ");
  part("name").textContent = holder.name;
  part("name").dataset.state = mayEnter(holder) ? "registered" : "off";
  part("person").textContent = person === holder.name ? "" : person;
  part("shows").textContent = shows(holder);
  part("words").textContent = words(holder);
  const suspend = made.querySelector("[data-act=suspend]");
  suspend.textContent = holder.suspended ? "Let in again" : "Suspend";
  const acts = {
    suspend: () => editor.act(() => ask("PATCH", `/holders/${holder.id}`, { suspended: !holder.suspended })),
    pass: () => issue(holder),
    edit: () => editor.edit(String(holder.id), holder.name),
    remove: () => {
      if (confirm(`Remove "${holder.name}" from the entry list?`)) editor.act(() => ask("DELETE", `/holders/${holder.id}`));
    },
  };
  for (const [act, work] of Object.entries(acts)) {
    const button = made.querySelector(`[data-act=${act}]`);
    button.setAttribute("aria-label", `${button.textContent}: ${holder.name}`);
    button.onclick = work;
  }
  return made;
}

function mayEnter(holder) {
  const now = new Date();
  const isEarly = holder.valid_from_utc && now < new Date(holder.valid_from_utc);
  const isLate = holder.valid_to_utc && now >= new Date(holder.valid_to_utc);
  return !(holder.suspended || isEarly || isLate || holder.uses_left === 0);
}

function shows(holder) {
  const card = holder.card_uid && `card ${holder.card_uid}`;
  const together = [card, holder.has_pin && "PIN"].filter(Boolean).join(" and ");
  return [together, holder.has_visitor_code && "visitor code", holder.has_duress_pin && "duress PIN"].filter(Boolean).join(" · ");
}

function words(holder) {
  const at = (text) => new Date(text).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  return [
    holder.suspended && "suspended",
    holder.valid_from_utc && `from ${at(holder.valid_from_utc)}`,
    holder.valid_to_utc && `to ${at(holder.valid_to_utc)}`,
    holder.uses_left !== null && (holder.uses_left === 1 ? "once more" : `${holder.uses_left} times more`),
    holder.schedule && `schedule ${holder.schedule}`,
    holder.note,
  ]
    .filter(Boolean)
    .join(" · ");
}

// A code is kept as a hash: it can be drawn once, when it is made, and so a pass is always a new one.
async function issue(holder) {
  const old = holder.has_visitor_code ? " The QR code that it has now will be void." : "";
  if (!confirm(`A new QR code for "${holder.name}"?${old}`)) return;
  try {
    showPass(await ask("POST", `/holders/${holder.id}/pass`));
    await refresh();
  } catch (error) {
    complain(error.message);
  }
}

function showPass(pass) {
  const good = passWords(pass);
  const picture = new DOMParser().parseFromString(pass.svg, "image/svg+xml").documentElement;
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", `QR code of ${pass.name}`);
  $("pass-title").textContent = pass.name;
  $("pass-picture").replaceChildren(document.importNode(picture, true));
  $("pass-code").textContent = pass.code;
  $("pass-words").textContent = good;
  URL.revokeObjectURL($("pass-save").href);
  $("pass-save").href = URL.createObjectURL(new Blob([pass.svg], { type: "image/svg+xml" }));
  const words = `${pass.name}: ${pass.code} opens the door. ${good}`;
  $("pass-mail").href = `mailto:?subject=${encodeURIComponent("Your code for the door")}&body=${encodeURIComponent(words)}`;
  $("pass").hidden = false;
  $("pass").scrollIntoView();
}

function passWords(pass) {
  const at = (text) => new Date(text).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  const often = { null: "as often as you like", 1: "once" }[pass.uses_left] || `${pass.uses_left} times`;
  const parts = [
    `Good ${often}`,
    pass.valid_from_utc && `from ${at(pass.valid_from_utc)}`,
    pass.valid_to_utc && `until ${at(pass.valid_to_utc)}`,
    pass.schedule && `during ${pass.schedule}`,
  ];
  return `${parts.filter(Boolean).join(" ")}.${pass.suspended ? " Suspended for now." : ""}`;
}

$("pass-print").onclick = () => window.print();
$("pass-close").onclick = () => {
  $("pass").hidden = true;
  $("pass-picture").replaceChildren();
  $("pass-code").textContent = "";
};

$("learn").onclick = async () => {
  const card = await ask("GET", "/readers/last-card");
  $("drawn").textContent = card.uid ? `Read at ${card.reader}` : "No card was read yet.";
  if (card.uid) $("field-card_uid").value = card.uid;
};

$("draw").onclick = async () => {
  try {
    const { code } = await ask("POST", "/codes");
    $("field-pin").value = code;
    $("drawn").textContent = `PIN ${code}: write it down, it is not shown again.`;
  } catch (error) {
    complain(error.message);
  }
};

$("reader").onsubmit = async (event) => {
  event.preventDefault();
  const uid = $("uid").value.trim();
  const keys = $("keys").value.trim();
  $("outcome").textContent = "";
  try {
    let outcome = "idle";
    if (uid) ({ outcome } = await ask("POST", `/readers/${READER}/card`, { uid }));
    if (keys && outcome !== "granted") ({ outcome } = await ask("POST", `/readers/${READER}/keys`, { keys }));
    $("outcome").textContent = OUTCOMES[outcome];
  } catch (error) {
    $("outcome").textContent = error.message;
  }
  $("keys").value = "";
};

function lately(event) {
  const line = document.createElement("li");
  const [time, said] = [document.createElement("time"), document.createElement("span")];
  const who = event.holder || "somebody";
  const by = event.by.replace("_", " ");
  const isIn = event.event === "access.granted";
  said.textContent = `${who} ${isIn ? `was let in by ${by}` : `was not let in by ${by}: ${event.why}`} (${event.reader})`;
  time.textContent = new Date().toLocaleTimeString([], { hour12: false });
  line.dataset.kind = isIn ? "open" : "bad";
  line.append(time, said);
  $("lately").prepend(line);
  while ($("lately").children.length > SHOWN) $("lately").lastElementChild.remove();
  refresh();
}

$("add").addEventListener("click", () => ($("drawn").textContent = ""));
$("search").oninput = show;
follow(API, ["access.granted", "access.denied"], refresh, lately);
