// A form made of a JSON Schema: one field for each property, with the schema's own words; only what was changed is read.

import { parts } from "./parts.js";

const WORDS = /_/g;

// `whole.names`, where there is one, has what there is to choose from for fields whose schema says `names` or `suggest`.
export function makeField(name, schema, whole, value, prefix = "field") {
  const field = document.createElement("div");
  field.className = "field";
  field.dataset.key = name;
  const plain = resolved(schema, whole);
  const id = `${prefix}-${name}`;
  const control = controlFor(plain, whole, value, id);
  const label = document.createElement("label");
  label.htmlFor = id;
  label.textContent = titled(name);
  const help = paragraph("help", plain.description ?? schema.description ?? "");
  const error = paragraph("error", "");
  const key = prefix === "field" ? name : id;
  help.id = `help-${key}`;
  error.id = `error-${key}`;
  error.setAttribute("role", "alert");
  control.element.setAttribute("aria-describedby", `${help.id} ${error.id}`);
  if (control.isGroup) { // what has no single control is labelled as a group
    label.removeAttribute("for");
    label.id = `label-${id}`;
    control.element.setAttribute("aria-labelledby", label.id);
  }
  if (control.isTick) {
    label.prepend(control.element);
    label.className = "tick";
    field.append(label);
  } else {
    field.append(label, control.element);
  }
  if (control.beside) field.append(control.beside);
  if (help.textContent) field.append(help);
  field.append(error);
  const before = JSON.stringify(control.read());
  return {
    name,
    element: field,
    read: control.read,
    isChanged: () => JSON.stringify(control.read()) !== before,
    complain: (words, path = "") => {
      if (!words) control.forgive?.();
      else if (path && control.complain?.(path, words)) return;
      error.textContent = words;
      if (words) control.element.setAttribute("aria-invalid", "true");
      else control.element.removeAttribute("aria-invalid");
    },
  };
}

export function titled(name) {
  const words = name.replace(WORDS, " ").replace(/ s$/, " (s)").replace(/ ms$/, " (ms)");
  return words[0].toUpperCase() + words.slice(1);
}

function paragraph(className, words) {
  const made = document.createElement("p");
  made.className = className;
  made.textContent = words;
  return made;
}

// "this or nothing" is this, which may be left empty
function resolved(schema, whole) {
  const written = schema.anyOf?.filter((choice) => choice.enum || "const" in choice) ?? [];
  if (written.length > 1) return { ...schema, enum: written.flatMap((choice) => choice.enum ?? [choice.const]) };
  const one = schema.anyOf?.find((choice) => choice.type !== "null");
  if (one) return { ...resolved(one, whole), isOptional: true, description: schema.description };
  return schema.$ref ? { ...whole.$defs[schema.$ref.split("/").pop()], description: schema.description } : schema;
}

function controlFor(schema, whole, value, id) {
  if (schema.type === "boolean" && schema.isOptional) return choice({ ...schema, enum: [true, false] }, value, id);
  if (schema.type === "boolean") return tick(value, id);
  if (schema.enum) return choice(schema, value, id);
  if (schema.type === "array" && schema.items?.discriminator) return parts(schema, whole, value, id);
  const there = whole.names?.[schema.names];
  if (schema.type === "array" && (there || schema.items.enum)) return ticks(there ?? schema.items.enum, value, id);
  if (there) return named(there, schema, value, id);
  if (schema.type === "object" && !schema.properties) return free(value, id);
  if (schema.type === "object") return group(schema, whole, value, id);
  if (schema.type === "array" && resolved(schema.items, whole).type === "object") return groups(schema, whole, value, id);
  if (schema.lines) return lines(schema, value, id);
  if (schema.type === "array") return list(schema, value, id);
  return text(schema, whole, value, id);
}

function tick(value, id) {
  const element = input("checkbox", id);
  element.checked = Boolean(value);
  return { element, isTick: true, read: () => element.checked };
}

function choice(schema, value, id) {
  const element = document.createElement("select");
  element.id = id;
  const values = schema.isOptional ? [null, ...schema.enum] : schema.enum;
  for (const each of values) element.append(new Option(inWords(each), JSON.stringify(each)));
  element.value = JSON.stringify(values.includes(value) ? value : schema.default ?? values[0]);
  return { element, read: () => JSON.parse(element.value) };
}

function inWords(each) {
  const words = new Map([[null, "as it is"], ["", "not set"], [true, "yes"], [false, "no"]]);
  return words.get(each) ?? String(each).replace(WORDS, " ");
}

// one of those that there are; none, where the schema allows it; the present one, even if it is there no more
function named(names, schema, value, id) {
  const element = document.createElement("select");
  element.id = id;
  const others = value && !names.includes(value) ? [value] : [];
  element.append(new Option(schema.default === "" ? "any or none" : names.length ? "choose…" : "there is none", ""));
  element.append(...[...names, ...others].map((name) => new Option(name, name)));
  element.value = value ?? "";
  return { element, read: () => element.value };
}

// any of those that there are
function ticks(names, value, id) {
  const element = document.createElement("div");
  element.id = id;
  element.className = "ticks";
  element.setAttribute("role", "group");
  const chosen = value ?? [];
  const boxes = [...names, ...chosen.filter((each) => !names.includes(each))].map((name, at) => {
    const box = input("checkbox", `${id}-${at}`);
    box.checked = chosen.includes(name);
    const label = document.createElement("label");
    label.className = "tick";
    label.append(box, String(name));
    element.append(label);
    return [name, box];
  });
  if (!boxes.length) element.textContent = "there is none";
  return { element, isGroup: true, read: () => boxes.filter(([, box]) => box.checked).map(([name]) => name) };
}

function text(schema, whole, value, id) {
  const isNumber = schema.type === "number" || schema.type === "integer";
  const element = input(schema.format === "password" ? "password" : "text", id);
  element.value = value ?? "";
  element.autocomplete = schema.format === "password" ? "new-password" : "off";
  if (schema.format === "password" && value === undefined) element.placeholder = "as it was";
  const suggestions = schema.suggestions ?? whole.names?.[schema.suggest];
  if (suggestions) element.setAttribute("list", `${id}-known`);
  if (isNumber) element.inputMode = "decimal";
  const read = () => {
    const written = element.value.trim();
    if (schema.isOptional && !written) return null;
    return isNumber && written !== "" && Number.isFinite(Number(written)) ? Number(written) : written;
  };
  return { element, read, beside: suggestions && known(suggestions, `${id}-known`) };
}

function known(values, id) {
  const element = document.createElement("datalist");
  element.id = id;
  for (const value of values) element.append(new Option("", value));
  return element;
}

function list(schema, value, id) {
  const element = input("text", id);
  element.value = (value || []).join(", ");
  const read = () => element.value.split(",").map((item) => item.trim()).filter(Boolean);
  return { element, read };
}

// a text of several lines, or a list with one entry in each
function lines(schema, value, id) {
  const element = document.createElement("textarea");
  const isList = schema.type === "array";
  element.id = id;
  element.spellcheck = false;
  element.value = isList ? (value ?? []).join("\n") : (value ?? "");
  element.rows = Math.min(10, Math.max(3, element.value.split("\n").length + 1));
  const read = () => (isList ? element.value.split("\n").map((each) => each.trim()).filter(Boolean) : element.value);
  return { element, read };
}

// a table whose keys are anybody's, as JSON; what is none is sent as it was written, for the node to say so
function free(value, id) {
  const element = input("text", id);
  element.value = JSON.stringify(value || {});
  const read = () => {
    try {
      return JSON.parse(element.value);
    } catch {
      return element.value;
    }
  };
  return { element, read };
}

// a table of its own: nothing written in it is no table
function group(schema, whole, value, id) {
  const element = document.createElement("fieldset");
  element.id = id;
  const inner = Object.entries(schema.properties).map(([name, each]) => {
    const control = controlFor(resolved(each, whole), whole, value?.[name] ?? each.default ?? "", `${id}-${name}`);
    const label = document.createElement("label");
    label.htmlFor = `${id}-${name}`;
    label.textContent = titled(name);
    element.append(label, control.element);
    return [name, control];
  });
  const read = () => {
    const isWritten = (each) => each !== null && each !== "" && each.length !== 0;
    const written = inner.map(([name, control]) => [name, control.read()]).filter(([, each]) => isWritten(each));
    const isEmpty = written.every(([name, each]) => each === schema.properties[name].default);
    return isEmpty ? null : Object.fromEntries(written);
  };
  return { element, read };
}

function groups(schema, whole, value, id) {
  const element = document.createElement("div");
  element.id = id;
  const rows = [];
  const more = document.createElement("button");
  more.type = "button";
  more.className = "quiet";
  more.textContent = "Add one";
  const add = (each) => {
    const row = group(resolved(schema.items, whole), whole, each, `${id}-${rows.length}`);
    rows.push(row);
    element.insertBefore(row.element, more);
  };
  element.append(more);
  more.onclick = () => add({});
  (value ?? []).forEach(add);
  return { element, read: () => rows.map((row) => row.read()).filter(Boolean) };
}

function input(type, id) {
  const element = document.createElement("input");
  element.type = type;
  element.id = id;
  element.spellcheck = false;
  element.autocapitalize = "none";
  return element;
}
