// The accounts: how they stand, and a form made of what the node says an account can be set to.

import { makeField } from "./form.js";
import { API, ask } from "./node.js";
import { accountState, accountWords } from "./words.js";

const $ = (id) => document.getElementById(id);
const MAIN = ["name", "type", "active", "user_id", "caller_id", "domain", "registrar", "password", "transport"];
const ELSEWHERE = ["default"]; // a button of its own

let schema = null;
let fields = [];
let edited = ""; // the id of the account in the form, "" for a new one

const path = (id) => `/accounts/${encodeURIComponent(id)}`;

async function refresh() {
  try {
    show(await ask("GET", "/accounts"));
  } catch (error) {
    complain(error.message);
  }
}

function show(accounts) {
  $("accounts").replaceChildren(
    ...accounts.map((account) => {
      const row = $("account-row").content.firstElementChild.cloneNode(true);
      const [words, help] = row.querySelectorAll("p");
      words.textContent = accountWords(account);
      words.dataset.state = accountState(account);
      help.textContent = account.type === "registered" ? account.server : "called by address, registers nowhere";
      const button = (act) => row.querySelector(`[data-act=${act}]`);
      for (const act of ["edit", "default", "remove"]) {
        button(act).setAttribute("aria-label", `${button(act).textContent}: ${account.id}`);
      }
      button("default").hidden = account.default || !account.active;
      button("remove").hidden = account.default && accounts.length > 1;
      button("edit").onclick = () => edit(account.id);
      button("default").onclick = () => act(() => ask("PATCH", path(account.id), { default: true }));
      button("remove").onclick = () => {
        if (confirm(`Remove the account "${account.id}"?`)) act(() => ask("DELETE", path(account.id)));
      };
      return row;
    }),
  );
}

async function edit(id) {
  try {
    schema ??= await ask("GET", "/schemas/account");
    open(id, id ? await ask("GET", path(id)) : {});
  } catch (error) {
    complain(error.message);
  }
}

function open(id, values) {
  edited = id;
  $("editor-title").textContent = id ? `Account ${id}` : "New account";
  fields = [];
  $("main-fields").replaceChildren();
  $("more-fields").replaceChildren();
  const names = Object.keys(schema.properties).filter((name) => !ELSEWHERE.includes(name));
  for (const name of [...MAIN, ...names.filter((each) => !MAIN.includes(each))]) {
    const one = schema.properties[name];
    const start = id ? values[name] : name === "type" ? "registered" : name === "name" ? "" : one.default;
    const field = makeField(name, one, schema, start);
    fields.push(field);
    $(MAIN.includes(name) ? "main-fields" : "more-fields").append(field.element);
  }
  $("editor").hidden = false;
  $("more").open = false;
  complain("");
  $("field-name").focus();
}

function close() {
  $("editor").hidden = true;
  fields = [];
}

async function act(work) {
  complain("");
  try {
    await work();
    $("announce").textContent = "Done";
  } catch (error) {
    complain(error.message);
  }
  refresh();
}

function complain(words) {
  $("complaint").textContent = words;
  $("complaint").hidden = !words;
}

async function save() {
  const isNew = (field) => !edited && ["name", "type"].includes(field.name);
  const wishes = Object.fromEntries(
    fields.filter((field) => isNew(field) || field.isChanged()).map((field) => [field.name, field.read()]),
  );
  for (const field of fields) field.complain("");
  $("save").setAttribute("aria-busy", "true");
  try {
    if (edited) await ask("PATCH", path(edited), wishes);
    else await ask("POST", "/accounts", wishes);
    $("announce").textContent = "Saved";
    complain("");
    close();
  } catch (error) {
    say(error);
  } finally {
    $("save").removeAttribute("aria-busy");
    refresh();
  }
}

// each complaint beside its field; what belongs to none above the form
function say(error) {
  const left = (error.fields ?? []).filter((wrong) => {
    const field = fields.find((each) => wrong.field === each.name || wrong.field.startsWith(`${each.name}[`) || wrong.field.startsWith(`${each.name}.`));
    field?.complain(wrong.message);
    if (field && $("more").contains(field.element)) $("more").open = true;
    return !field;
  });
  const isBeside = error.fields?.length > 0 && left.length === 0;
  complain(isBeside ? "" : left.map((wrong) => wrong.message).join("; ") || error.message);
  document.querySelector("#editor [aria-invalid=true]")?.focus();
}

function follow() {
  const source = new EventSource(`${API}/events`);
  source.onopen = refresh;
  source.onmessage = (message) => {
    const { event } = JSON.parse(message.data);
    if (event === "registration.changed" || event === "line_settings.changed") refresh();
  };
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, 2000);
  };
}

$("add").onclick = () => edit("");
$("cancel").onclick = close;
$("editor").onsubmit = (event) => {
  event.preventDefault();
  save();
};
follow();
