// A page of the display, drawn as large as its element, which has the shape 480 by 800.

import { API } from "./node.js";

const BELL = "M24 5a3 3 0 0 0-3 3v1.4C15.2 10.7 11 15.8 11 22v8.5L7.6 35.4A1.7 1.7 0 0 0 9 38h30a1.7 1.7 0 0 0 1.4-2.6L37 30.5V22c0-6.2-4.2-11.3-10-12.6V8a3 3 0 0 0-3-3Zm-5.2 35a5.3 5.3 0 0 0 10.4 0Z";
const PERSON = "M24 24a9 9 0 1 0 0-18 9 9 0 0 0 0 18Zm0 4c-8 0-17 4-17 11v3h34v-3c0-7-9-11-17-11Z";

const capital = (name) => name.charAt(0).toUpperCase() + name.slice(1);

function made(tag, className, text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

function icon(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 48 48");
  svg.setAttribute("aria-hidden", "true");
  const drawn = document.createElementNS("http://www.w3.org/2000/svg", "path");
  drawn.setAttribute("d", path);
  svg.append(drawn);
  return svg;
}

// `press(index, button)`: somebody pressed the button that is item number `index`; without it, nobody can.
export function drawPage(element, page, press) {
  const drawn = JSON.stringify(page);
  if (element.dataset.drawn === drawn) return; // the focus and a press under way stay where they are
  element.dataset.drawn = drawn;
  const items = page.items ?? [];
  element.dataset.fill = String(items.length === 1 && items[0].type === "image");
  element.replaceChildren(...items.map((item, index) => drawItem(item, index, press)));
}

function drawItem(item, index, press) {
  if (item.type === "text") return made("p", `item text ${item.size ?? "medium"}`, item.name);
  if (item.type === "image") {
    const image = made("img", `item image ${item.size ?? "medium"}`);
    image.src = `${API}/images/${encodeURIComponent(item.image)}/file`;
    image.alt = item.name || item.image;
    return image;
  }
  const button = made("button", `item button ${item.size ?? "medium"}`);
  button.type = "button";
  button.append(icon(item.input ? BELL : PERSON), made("span", "", item.name || item.ring || capital(item.input || "nobody")));
  if (press) button.onclick = () => press(index, button);
  else button.disabled = true;
  return button;
}
