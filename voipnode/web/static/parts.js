// A list of parts in a form, each of one of several kinds: the conditions and the actions of a rule.

import { makeField, titled } from "./form.js";

// `schema.items` is a union with a discriminator; `between` is the word between two parts
export function parts(schema, whole, value, id) {
  const { propertyName: tag, mapping } = schema.items.discriminator;
  const kinds = Object.fromEntries(
    Object.entries(mapping).map(([kind, ref]) => [kind, whole.$defs[ref.split("/").pop()]]),
  );
  const element = document.createElement("div");
  element.id = id;
  element.className = "parts";
  const list = document.createElement("ol");
  const rows = [];
  let made = 0;

  const more = document.createElement("button");
  more.type = "button";
  more.className = "quiet";
  more.textContent = tag === "is" ? "Add a condition" : "Add an action";
  more.onclick = () => {
    const row = add({ [tag]: tag === "is" ? "schedule" : "pulse" });
    row.kind.focus();
  };
  element.append(list, more);

  function add(part) {
    const row = makeRow(part, `${id}-${made++}`);
    rows.push(row);
    list.append(row.element);
    number();
    return row;
  }

  function makeRow(part, rowId) {
    const row = { element: document.createElement("li"), fields: [] };
    row.element.className = "part";
    const head = document.createElement("div");
    head.className = "part-head";
    row.kind = document.createElement("select");
    row.kind.id = rowId;
    row.kind.append(...options());
    row.kind.value = part[tag];
    row.help = paragraph("help");
    row.error = paragraph("error");
    row.error.setAttribute("role", "alert");
    row.inner = document.createElement("div");
    row.inner.className = "pairs";
    row.up = act("↑", "Earlier", () => move(row, -1));
    row.down = act("↓", "Later", () => move(row, 1));
    const gone = act("✕", "Take out", () => {
      rows.splice(rows.indexOf(row), 1);
      row.element.remove();
      number();
    });
    head.append(row.kind, row.up, row.down, gone);
    row.element.append(head, row.help, row.inner, row.error);
    row.kind.onchange = () => fill(row, rowId, common(row));
    fill(row, rowId, part);
    return row;
  }

  // conditions that last can be turned round, moments cannot; actions are all of one sort
  function options() {
    const names = Object.keys(kinds).sort();
    const lasts = (kind) => "invert" in kinds[kind].properties;
    const made = (kind) => new Option(titled(kind), kind);
    if (tag !== "is") return names.map(made);
    return [["What lasts", true], ["What happens", false]].map(([words, wanted]) => {
      const group = document.createElement("optgroup");
      group.label = words;
      group.append(...names.filter((kind) => lasts(kind) === wanted).map(made));
      return group;
    });
  }

  // what was set of the kind before, where the one chosen now has the same field
  function common(row) {
    const isSame = (field) => {
      const one = kinds[row.kind.value].properties[field.name];
      return one && JSON.stringify(one) === JSON.stringify(row.properties[field.name]);
    };
    return Object.fromEntries(row.fields.filter(isSame).map((field) => [field.name, field.read()]));
  }

  function fill(row, rowId, values) {
    const kind = kinds[row.kind.value];
    row.help.textContent = kind.description ?? "";
    const names = Object.keys(kind.properties).filter((name) => name !== tag);
    const isTick = (name) => Number(kind.properties[name].type === "boolean");
    names.sort((a, b) => isTick(a) - isTick(b)); // what is ticked comes last
    row.fields = names.map((name) => {
      const one = kind.properties[name];
      const isNeeded = kind.required?.includes(name);
      const value = values[name] ?? one.default;
      return { isNeeded, ...makeField(name, one, whole, value, rowId) };
    });
    row.properties = kind.properties;
    row.inner.replaceChildren(...row.fields.map((field) => field.element));
    row.error.textContent = "";
  }

  function read(row) {
    const values = row.fields.map((field) => [field.name, field.read(), field.isNeeded]);
    const given = values.filter(([, each, isNeeded]) => isNeeded || (each !== "" && each !== null));
    return { [tag]: row.kind.value, ...Object.fromEntries(given) };
  }

  function move(row, by) {
    const at = rows.indexOf(row);
    if (!rows[at + by]) return;
    [rows[at], rows[at + by]] = [rows[at + by], rows[at]];
    list.replaceChildren(...rows.map((each) => each.element));
    number();
    (by < 0 ? row.up : row.down).focus();
  }

  function number() {
    for (const [at, row] of rows.entries()) {
      row.element.dataset.before = at ? (tag === "is" ? "and" : "then") : "";
      row.kind.setAttribute("aria-label", `${tag === "is" ? "Condition" : "Action"} ${at + 1}`);
      row.up.disabled = at === 0;
      row.down.disabled = at === rows.length - 1;
    }
  }

  // `path` is such as "[1].name"; false: it is about the list itself
  function complain(path, words) {
    const found = /^\[(\d+)\]\.?(.*)$/.exec(path);
    const row = found && rows[Number(found[1])];
    if (!row) return false;
    const field = row.fields.find((each) => found[2] === each.name || found[2].startsWith(`${each.name}[`));
    if (field) field.complain(words);
    else row.error.textContent = words;
    return true;
  }

  function forgive() {
    for (const row of rows) {
      row.error.textContent = "";
      for (const field of row.fields) field.complain("");
    }
  }

  (value ?? []).forEach(add);
  return { element, isGroup: true, read: () => rows.map(read), complain, forgive };
}

function act(sign, words, work) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet part-act";
  button.textContent = sign;
  button.setAttribute("aria-label", words);
  button.title = words;
  button.onclick = work;
  return button;
}

function paragraph(className) {
  const made = document.createElement("p");
  made.className = className;
  return made;
}
