// The audio clips: played, linked to, renamed, removed, and new ones from files.

import { $, complain, follow } from "./editor.js";
import { API, Refusal, ask } from "./node.js";

let state = { clips: [], playing: "" };
let links = new Map(); // those that were asked for since the page was opened, by clip

async function refresh() {
  try {
    state = await ask("GET", "/clips");
    show();
  } catch (error) {
    complain(error.message);
  }
}

const path = (name) => `/clips/${encodeURIComponent(name)}`;
const how = () => new URLSearchParams({ volume: $("volume").value, repeat: $("repeat").value || "0", to: $("to").value });

async function act(work) {
  complain("");
  try {
    await work();
  } catch (error) {
    complain(error.message);
  }
  refresh();
}

function show() {
  $("empty").hidden = state.clips.length > 0;
  $("clips").replaceChildren(...state.clips.map(row));
}

function row(clip) {
  const made = $("clip-row").content.firstElementChild.cloneNode(true);
  const part = (name) => made.querySelector(`[data-part=${name}]`);
  const plays = state.playing === clip.name;
  part("name").textContent = clip.name;
  part("name").dataset.state = plays ? "registered" : "off";
  part("words").textContent = words(clip);
  part("result").textContent = links.get(clip.name) ?? "";
  part("file").href = `${API}${path(clip.name)}/file`;
  const work = { play: plays ? stop : play, link, rename, remove };
  for (const [name, run] of Object.entries(work)) {
    const button = made.querySelector(`[data-act=${name}]`);
    if (name === "play") button.textContent = plays ? "Stop" : "Play";
    button.setAttribute("aria-label", `${button.textContent}: ${clip.name}`);
    button.onclick = () => run(clip);
  }
  part("file").setAttribute("aria-label", `File: ${clip.name}`);
  return made;
}

function words(clip) {
  const said = [clip.bytes ? `${clip.file}, ${Math.ceil(clip.bytes / 1000)} kB` : `${clip.file} is missing`];
  if (clip.gain_db) said.push(`${clip.gain_db > 0 ? "+" : ""}${clip.gain_db} dB`);
  if (clip.normalise) said.push("normalised");
  return said.join(" · ");
}

const play = (clip) => act(() => ask("POST", `${path(clip.name)}/play?${how()}`));
const stop = (clip) => act(() => ask("POST", `${path(clip.name)}/stop`));

function link(clip) {
  links = new Map([[clip.name, `${location.origin}${API}${path(clip.name)}/play?${how()}`]]);
  show();
}

function rename(clip) {
  const name = prompt("Its new name", clip.name);
  if (name && name !== clip.name) act(() => ask("PATCH", path(clip.name), { name }));
}

function remove(clip) {
  if (confirm(`Remove the clip "${clip.name}" and its file?`)) act(() => ask("DELETE", path(clip.name)));
}

async function upload(name, file) {
  const query = new URLSearchParams({ normalise: $("normalise").checked });
  const headers = { "Content-Type": file.type.startsWith("audio/") ? file.type : "application/octet-stream" };
  let answer;
  try {
    answer = await fetch(`${API}${path(name)}?${query}`, { method: "PUT", headers, body: file });
  } catch {
    throw new Refusal("The node does not take this file: it is too large, or the node does not answer.");
  }
  if (answer.ok) return;
  const problem = await answer.json().catch(() => ({}));
  throw new Refusal(problem.detail || `The node answered ${answer.status}.`);
}

const nameOf = (file) => file.name.replace(/\.[^.]*$/, "").slice(0, 64);

$("adding").onsubmit = (event) => {
  event.preventDefault();
  const [file] = $("file").files;
  const name = $("name").value.trim() || (file ? nameOf(file) : "");
  act(async () => {
    if (!name || !file) throw new Refusal("A name and a file are needed.");
    $("add").disabled = true;
    try {
      await upload(name, file);
    } finally {
      $("add").disabled = false;
    }
    $("adding").reset();
    $("announce").textContent = `${name} was added`;
  });
};
$("file").onchange = () => {
  const [file] = $("file").files;
  if (file && !$("name").value) $("name").value = nameOf(file);
};
$("volume").oninput = () => { $("volume-words").textContent = `${$("volume").value} %`; };
follow(API, ["clip.changed", "clips.changed"], refresh);
