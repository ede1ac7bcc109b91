// A form made of a JSON Schema: one field for each property, with the schema's own words; only what was changed is read.

const WORDS = /_/g;

export function makeField(name, schema, whole, value) {
  const field = document.createElement("div");
  field.className = "field";
  field.dataset.key = name;
  const plain = resolved(schema, whole);
  const control = controlFor(plain, whole, value, `field-${name}`);
  const label = document.createElement("label");
  label.htmlFor = `field-${name}`;
  label.textContent = title(name);
  const help = paragraph("help", plain.description ?? schema.description ?? "");
  const error = paragraph("error", "");
  help.id = `help-${name}`;
  error.id = `error-${name}`;
  error.setAttribute("role", "alert");
  control.element.setAttribute("aria-describedby", `${help.id} ${error.id}`);
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
    complain: (words) => {
      error.textContent = words;
      if (words) control.element.setAttribute("aria-invalid", "true");
      else control.element.removeAttribute("aria-invalid");
    },
  };
}

function title(name) {
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
  const one = schema.anyOf?.find((choice) => choice.type !== "null");
  if (one) return { ...resolved(one, whole), isOptional: true, description: schema.description };
  return schema.$ref ? { ...whole.$defs[schema.$ref.split("/").pop()], description: schema.description } : schema;
}

function controlFor(schema, whole, value, id) {
  if (schema.type === "boolean") return tick(value, id);
  if (schema.enum) return choice(schema, value, id);
  if (schema.type === "object") return group(schema, whole, value, id);
  if (schema.type === "array" && resolved(schema.items, whole).type === "object") return groups(schema, whole, value, id);
  if (schema.type === "array") return list(schema, value, id);
  return text(schema, value, id);
}

function tick(value, id) {
  const element = input("checkbox", id);
  element.checked = Boolean(value);
  return { element, isTick: true, read: () => element.checked };
}

function choice(schema, value, id) {
  const element = document.createElement("select");
  element.id = id;
  for (const each of schema.enum) element.append(new Option(String(each).replace(WORDS, " "), JSON.stringify(each)));
  element.value = JSON.stringify(value ?? schema.default);
  return { element, read: () => JSON.parse(element.value) };
}

function text(schema, value, id) {
  const isNumber = schema.type === "number" || schema.type === "integer";
  const element = input(schema.format === "password" ? "password" : "text", id);
  element.value = value ?? "";
  element.autocomplete = schema.format === "password" ? "new-password" : "off";
  if (schema.format === "password" && value === undefined) element.placeholder = "as it was";
  if (schema.suggestions) element.setAttribute("list", `${id}-known`);
  if (isNumber) element.inputMode = "decimal";
  const read = () => {
    const written = element.value.trim();
    if (schema.isOptional && !written) return null;
    return isNumber && written !== "" && Number.isFinite(Number(written)) ? Number(written) : written;
  };
  return { element, read, beside: schema.suggestions && known(schema.suggestions, `${id}-known`) };
}

function known(values, id) {
  const element = document.createElement("datalist");
  element.id = id;
  for (const value of values) element.append(new Option("", value));
  return element;
}

function list(schema, value, id) {
  const element = input("text", id);
  element.value = (value ?? []).join(", ");
  const read = () => element.value.split(",").map((item) => item.trim()).filter(Boolean);
  return { element, read };
}

// a table of its own: nothing written in it is no table
function group(schema, whole, value, id) {
  const element = document.createElement("fieldset");
  element.id = id;
  const inner = Object.entries(schema.properties).map(([name, each]) => {
    const control = controlFor(resolved(each, whole), whole, value?.[name] ?? "", `${id}-${name}`);
    const label = document.createElement("label");
    label.htmlFor = `${id}-${name}`;
    label.textContent = title(name);
    element.append(label, control.element);
    return [name, control];
  });
  const read = () => {
    const written = inner.map(([name, control]) => [name, control.read()]).filter(([, each]) => each !== "");
    return written.length ? Object.fromEntries(written) : null;
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
