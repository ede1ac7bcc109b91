// The display: its pages with an editor that shows what comes of it, and the images they show.

import { $, complain, follow } from "./editor.js";
import { API, Refusal, ask } from "./node.js";
import { drawPage } from "./screen.js";

const SIZES = ["small", "medium", "large"];
const KEYS = { button: ["name", "ring", "input", "size"], image: ["image", "name", "size"], text: ["name", "size"] };
const LABELS = {
  button: { name: "Says", ring: "Calls", input: "or presses", size: "Size" },
  image: { image: "Image", name: "Description", size: "Size" },
  text: { name: "Words", size: "Size" },
};
const LISTS = { ring: "parties", input: "inputs" };

let display = { pages: [], page: "", home: "" };
let images = [];
let edited = null; // the name of the page in the form, "" for a new one
let items = [];

async function refresh() {
  try {
    [display, images] = await Promise.all([ask("GET", "/display"), ask("GET", "/images")]);
    show();
  } catch (error) {
    complain(error.message);
  }
}

async function act(work) {
  complain("");
  try {
    await work();
    $("announce").textContent = "Done";
  } catch (error) {
    complain(inWords(error));
  }
  refresh();
}

const inWords = (error) => error.fields?.map((wrong) => (wrong.field ? `${wrong.field}: ${wrong.message}` : wrong.message)).join("; ") || error.message;
const path = (name) => `/settings/pages/${encodeURIComponent(name)}`;
const picture = (name) => `/images/${encodeURIComponent(name)}`;

function show() {
  $("pages").replaceChildren(...display.pages.map(row));
  $("images").replaceChildren(...images.map(card));
  $("images").hidden = images.length === 0;
  if (edited !== null) drawItems();
}

function row(page) {
  const made = $("page-row").content.firstElementChild.cloneNode(true);
  const part = (name) => made.querySelector(`[data-part=${name}]`);
  part("name").textContent = page.name;
  part("name").dataset.state = page.name === display.page ? "registered" : "off";
  const notes = [page.name === display.home && "home page", page.name === display.page && "is shown"];
  part("home").textContent = notes.filter(Boolean).join(", ");
  part("words").textContent = page.default ? "There by itself, with the call buttons. Edit it to make it yours." : words(page);
  const acts = {
    show: () => act(() => ask("POST", `/display/pages/${encodeURIComponent(page.name)}/show`, { duration_s: 30 })),
    edit: () => edit(page.default ? "" : page.name, page),
    remove: () => {
      if (confirm(`Remove the page "${page.name}"?`)) act(() => ask("DELETE", path(page.name)));
    },
  };
  for (const [name, work] of Object.entries(acts)) {
    const button = made.querySelector(`[data-act=${name}]`);
    button.setAttribute("aria-label", `${button.textContent}: ${page.name}`);
    button.onclick = work;
  }
  made.querySelector("[data-act=show]").textContent = "Show for 30 s";
  made.querySelector("[data-act=remove]").hidden = page.default;
  return made;
}

function words(page) {
  const said = page.items.map((item) => {
    if (item.type === "button") return `button ${item.label}`;
    return item.type === "image" ? `image ${item.image}` : `“${item.name}”`;
  });
  return said.join(" · ") || "Empty";
}

// ---- the form --------------------------------------------------------------------------------------------------------

async function edit(name, page) {
  edited = name;
  items = (page?.items ?? []).map(({ label, ...item }) => ({ ...item }));
  $("editor-title").textContent = name ? `Page ${name}` : "New page";
  $("name").value = page?.name ?? "";
  $("editor").hidden = false;
  complain("");
  wrongAre([]);
  drawItems();
  $("name").focus();
  const lists = ["/contacts", "/settings/groups"].map((list) => ask("GET", list).catch(() => []));
  const [contacts, groups, status] = await Promise.all([...lists, ask("GET", "/status")]);
  $("parties").replaceChildren(...[...contacts, ...groups].map((party) => new Option(party.name, party.name)));
  $("inputs").replaceChildren(...status.node.inputs.map((input) => new Option(input, input)));
  $("plate").textContent = status.node.name;
}

function drawItems() {
  const focused = document.activeElement?.id;
  $("items").replaceChildren(...items.map(drawItem));
  if (focused) document.getElementById(focused)?.focus();
  preview();
}

function drawItem(item, index) {
  const made = document.createElement("div");
  made.className = "item-row";
  made.dataset.index = index;
  for (const key of KEYS[item.type]) made.append(field(item, index, key));
  const acts = document.createElement("div");
  acts.className = "item-acts";
  const move = (to) => () => {
    items.splice(to, 0, ...items.splice(index, 1));
    drawItems();
  };
  acts.append(small("↑", "Up", move(index - 1), index === 0), small("↓", "Down", move(index + 1), index === items.length - 1));
  acts.append(small("✕", "Remove", () => { items.splice(index, 1); drawItems(); }));
  const error = document.createElement("p");
  error.className = "error";
  error.setAttribute("role", "alert");
  made.append(acts, error);
  return made;
}

function small(sign, words, work, isOff = false) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet";
  button.textContent = sign;
  button.title = words;
  button.setAttribute("aria-label", words);
  button.disabled = isOff;
  button.onclick = work;
  return button;
}

function field(item, index, key) {
  const made = document.createElement("div");
  made.className = "field";
  made.dataset.key = key;
  const label = document.createElement("label");
  label.htmlFor = `item-${index}-${key}`;
  label.textContent = LABELS[item.type][key];
  const choices = { size: SIZES, image: ["", ...images.map((image) => image.name)] }[key];
  const control = document.createElement(choices ? "select" : "input");
  control.id = label.htmlFor;
  if (choices) control.append(...[...new Set([...choices, item[key] ?? ""])].filter((name) => name || key === "image").map((name) => new Option(name || "choose…", name)));
  else control.maxLength = 64;
  if (LISTS[key]) control.setAttribute("list", LISTS[key]);
  control.value = item[key] ?? (key === "size" ? "medium" : "");
  control.oninput = () => {
    item[key] = control.value;
    preview();
  };
  made.append(label, control);
  return made;
}

function preview() {
  drawPage($("preview"), { items: items.filter((item) => item.type !== "image" || item.image) });
}

// only what the kind of item has, and of that what is not empty
function written(item) {
  const kept = KEYS[item.type].filter((key) => item[key]).map((key) => [key, item[key].trim()]);
  return { type: item.type, ...Object.fromEntries(kept) };
}

function wrongAre(fields) {
  $("name-error").textContent = "";
  $("name").removeAttribute("aria-invalid");
  const rows = [...$("items").children];
  for (const each of rows) each.querySelector(".error").textContent = "";
  return fields.filter((wrong) => {
    const [, index, key] = /^items\[(\d+)\]\.?(.*)$/.exec(wrong.field) ?? [];
    if (wrong.field === "name") {
      $("name-error").textContent = wrong.message;
      $("name").setAttribute("aria-invalid", "true");
      return false;
    }
    if (index === undefined || !rows[index]) return true;
    const place = rows[index].querySelector(".error");
    place.textContent = [place.textContent, wrong.message].filter(Boolean).join("; ");
    rows[index].querySelector(`#item-${index}-${key}`)?.setAttribute("aria-invalid", "true");
    return false;
  });
}

async function save() {
  const values = { name: $("name").value.trim(), items: items.map(written) };
  complain("");
  wrongAre([]);
  try {
    if (edited) await ask("PATCH", path(edited), values);
    else await ask("POST", "/settings/pages", values);
    $("announce").textContent = "Saved";
    close();
  } catch (error) {
    const left = wrongAre(error.fields ?? []);
    if (left.length || !error.fields?.length) complain(left.map((wrong) => wrong.message).join("; ") || error.message);
    return;
  }
  refresh();
}

function close() {
  edited = null;
  $("editor").hidden = true;
}

// ---- images ----------------------------------------------------------------------------------------------------------

function card(image) {
  const made = document.createElement("div");
  made.className = "picture";
  const drawn = document.createElement("img");
  drawn.src = `${API}${picture(image.name)}/file`;
  drawn.alt = image.name;
  const name = document.createElement("p");
  name.textContent = image.name;
  name.title = image.file;
  const remove = small("Remove", `Remove: ${image.name}`, () => {
    if (confirm(`Remove the image "${image.name}" and its file?`)) act(() => ask("DELETE", picture(image.name)));
  }, image.used);
  if (image.used) remove.title = "A page shows it";
  made.append(drawn, name, remove);
  return made;
}

async function upload(file) {
  const name = file.name.replace(/\.[^.]*$/, "").replace(/[\\/?#]/g, " ").trim().slice(0, 64);
  let answer;
  try {
    answer = await fetch(API + picture(name), { method: "PUT", headers: { "Content-Type": file.type || "application/octet-stream" }, body: file });
  } catch {
    throw new Refusal("The node does not take this file: it is too large, or the node does not answer.");
  }
  if (answer.ok) return;
  const problem = await answer.json().catch(() => ({}));
  throw new Refusal(`${file.name}: ${problem.detail || `the node answered ${answer.status}.`}`);
}

$("file").onchange = () => {
  const [file] = $("file").files;
  $("file").value = "";
  if (file) act(() => upload(file));
};
$("drop").ondragover = (event) => {
  event.preventDefault();
  $("drop").dataset.over = "true";
};
$("drop").ondragleave = () => delete $("drop").dataset.over;
$("drop").ondrop = (event) => {
  event.preventDefault();
  delete $("drop").dataset.over;
  const [file] = event.dataTransfer.files;
  if (file) act(() => upload(file));
};
$("add").onclick = () => edit("", null);
$("cancel").onclick = close;
$("editor").onsubmit = (event) => {
  event.preventDefault();
  save();
};
for (const button of document.querySelectorAll("[data-add]")) {
  button.onclick = () => {
    items.push({ type: button.dataset.add, size: "medium" });
    drawItems();
    document.getElementById(`item-${items.length - 1}-${KEYS[button.dataset.add][0]}`)?.focus();
  };
}
follow(API, ["display.changed", "settings.changed"], refresh);
