// A list whose entries are added, edited and removed on one page: a form made of what the node says an entry can be set
// to, each complaint beside its field; what belongs to none above the form.

import { makeField } from "./form.js";
import { ask } from "./node.js";

export const $ = (id) => document.getElementById(id);

// `things` is the path of the list, `schemaPath` where its schema is (or functions that say it), `main` the fields that
// are always shown, `hidden` those that are not in the form; `start(name, schema)` is what a new entry begins with,
// `always(name)` whether that is sent though nobody changed it; `suggestions()` has known values of fields. `refresh` is
// called after each change.
// Entries of several kinds: `pick(schema, values)` is the schema of one with these values, `main(values)` its fields;
// `opened(values)` is told when it is in the form. `isSchemaFresh`: the schema is asked for each time.
export function makeEditor({
  things, schemaPath, pick = (schema) => schema, noun, main, hidden = [], start, always, suggestions, opened, refresh,
  isSchemaFresh = false,
}) {
  let whole = null;
  let fields = [];
  let edited = ""; // the id of the entry in the form, "" for a new one
  let begun = {}; // what a new entry has from the beginning, a copy all of another: sent though nobody changed it

  const at = (place) => (typeof place === "function" ? place() : place);
  const path = (id) => `${at(things)}/${encodeURIComponent(id)}`;

  async function edit(id, title = id, given = {}) {
    try {
      if (!whole || isSchemaFresh) whole = await ask("GET", at(schemaPath));
      const known = await suggestions();
      open(id, title, id ? await ask("GET", path(id)) : given, known);
    } catch (error) {
      complain(error.message);
    }
  }

  function open(id, title, values, known) {
    edited = id;
    const schema = pick(whole, values);
    begun = Object.fromEntries(Object.entries(id ? {} : values).filter(([name]) => name in schema.properties));
    const first = typeof main === "function" ? main(values) : main;
    $("editor-title").textContent = id ? `${noun} ${title}` : `New ${noun.toLowerCase()}`;
    fields = [];
    $("main-fields").replaceChildren();
    $("more-fields")?.replaceChildren();
    const names = Object.keys(schema.properties).filter((name) => !hidden.includes(name));
    for (const name of [...first, ...names.filter((each) => !first.includes(each))]) {
      const one = { ...schema.properties[name], suggestions: known[name] };
      const field = makeField(name, one, schema, id ? values[name] : values[name] ?? start(name, one));
      fields.push(field);
      $(first.includes(name) || !$("more-fields") ? "main-fields" : "more-fields").append(field.element);
    }
    opened?.(values);
    $("editor").hidden = false;
    if ($("more")) $("more").open = false;
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

  async function save() {
    const isSent = (field) => field.isChanged() || (!edited && always(field.name));
    const written = fields.filter(isSent).map((field) => [field.name, field.read()]);
    const wishes = { ...begun, ...Object.fromEntries(written) };
    for (const field of fields) field.complain("");
    $("save").setAttribute("aria-busy", "true");
    try {
      if (edited) await ask("PATCH", path(edited), wishes);
      else await ask("POST", at(things), wishes);
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

  function say(error) {
    const left = (error.fields ?? []).filter((wrong) => {
      const isIts = (name) => wrong.field === name || wrong.field.startsWith(`${name}[`) || wrong.field.startsWith(`${name}.`);
      const field = fields.find((each) => isIts(each.name));
      field?.complain(wrong.message, wrong.field.slice(field.name.length));
      if (field && $("more")?.contains(field.element)) $("more").open = true;
      return !field;
    });
    const isBeside = error.fields?.length > 0 && left.length === 0;
    complain(isBeside ? "" : left.map((wrong) => `${wrong.field}: ${wrong.message}`).join("; ") || error.message);
    document.querySelector("#editor [aria-invalid=true]")?.focus();
  }

  // What the form says now, and `work` that uses it: complaints stand beside their fields.
  const values = () => Object.fromEntries(fields.map((field) => [field.name, field.read()]));

  async function attempt(work) {
    for (const field of fields) field.complain("");
    complain("");
    try {
      await work();
    } catch (error) {
      say(error);
    }
    refresh();
  }

  $("add").onclick = () => edit("");
  $("cancel").onclick = close;
  $("editor").onsubmit = (event) => {
    event.preventDefault();
    save();
  };
  return { edit, act, attempt, values, path };
}

export function complain(words) {
  $("complaint").textContent = words;
  $("complaint").hidden = !words;
  if (words) $("complaint").scrollIntoView({ block: "nearest" });
}

// Calls `refresh` when the node is there (again), and `heard`, with the event, whenever one of these tells of something.
export function follow(api, events, refresh, heard = refresh) {
  const source = new EventSource(`${api}/events`);
  source.onopen = refresh;
  source.onmessage = (message) => {
    const event = JSON.parse(message.data);
    if (events.includes(event.event)) heard(event);
  };
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(() => follow(api, events, refresh, heard), 2000);
  };
}
