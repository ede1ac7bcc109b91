// What happened, in words: one sentence per event for the log, and the names of states.

export function bare(uri) {
  return String(uri || "").replace(/^<|>$/g, "").replace(/^sips?:/i, "") || "unknown";
}

export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const hours = Math.floor(whole / 3600);
  const two = (number) => String(number).padStart(2, "0");
  const rest = `${hours ? two(Math.floor(whole / 60) % 60) : Math.floor(whole / 60)}:${two(whole % 60)}`;
  return hours ? `${hours}:${rest}` : rest;
}

const ENDED = {
  Denied: "refused",
  NoAnswer: "no answer",
  Busy: "busy",
  Failed: "failed",
  Terminated: "ended",
};

const capital = (name) => name.charAt(0).toUpperCase() + name.slice(1);
const seconds = (value) => `${Number(value.toFixed(1))} s`;
const withDetail = (words, detail) => (detail ? `${words} (${detail})` : words);

export function isOver(call) {
  return call.state === "Terminated" || call.state === "Terminating" || call.state === "Idle";
}

export function isRingingIn(call) {
  return call.state === "Ringing" && call.direction === "incoming";
}

export function isEncrypted(call) {
  return call.encryption !== "" && call.encryption !== "none";
}

// The state of a call as its row says it.
export function callWords(call) {
  switch (call.state) {
    case "Calling": return "calling";
    case "Ringing": return isRingingIn(call) ? "is calling" : "ringing";
    case "Active": return call.encryption ? `in a call, ${isEncrypted(call) ? "encrypted" : "not encrypted"}` : "in a call";
    case "Terminating": return "ending";
    case "Terminated": return withDetail(ENDED[call.reason] || "ended", call.detail);
    default: return "";
  }
}

function callSentence(event) {
  const who = bare(event.remote);
  const incoming = event.direction === "incoming";
  switch (event.state) {
    case "Calling": return `Calling ${who}`;
    case "Ringing": return incoming ? `${who} is calling` : `Ringing at ${who}`;
    case "Active": return incoming ? `Call from ${who} answered` : `${who} answered`;
    case "Terminating": return "";
    case "Terminated": return `Call ${incoming ? "from" : "to"} ${who}: ${withDetail(ENDED[event.reason] || "ended", event.detail)}`;
    default: return "";
  }
}

// A party that rang is worth a line where the call did not tell it already.
function rangSentence(event) {
  const known = ["answered", "elsewhere", "given up"];
  return known.includes(event.outcome) ? "" : `${event.recipient}: ${withDetail(event.outcome, event.detail)}`;
}

function exchangeSentence(event) {
  const [from, to] = [bare(event.caller), bare(event.callee)];
  switch (event.state) {
    case "Calling": return `${from} calls ${to}`;
    case "Active": return event.detail ? capital(event.detail) : `${from} talks with ${to}`;
    case "Terminated": return `${from} and ${to}: ${withDetail(ENDED[event.reason] || "ended", event.detail)}`;
    default: return "";
  }
}

function accessSentence(event, isIn) {
  const by = event.by.replace("_", " ");
  const who = event.holder || "Somebody";
  return isIn ? `${who} was let in by ${by} at ${event.reader}` : `${who} was not let in by ${by} at ${event.reader}: ${event.why}`;
}

function qualitySentence(event) {
  const words = [event.codec, event.mos && `MOS ${event.mos.toFixed(1)}`];
  if (event.packets_received) words.push(`loss ${event.loss_percent} %`, `jitter ${Math.round(event.jitter_ms)} ms`);
  else words.push("nothing was heard");
  return `Sound of ${bare(event.remote)}: ${words.filter(Boolean).join(", ")}`;
}

function registrationSentence(event) {
  const words = `Account ${event.account}: ${event.reason || event.state}`;
  return [event.state === "problem" ? "bad" : "node", event.reason || event.state !== "unregistered" ? words : ""];
}

// What of the door's sound is not as one expects it.
export function soundWords(sound) {
  const words = [];
  if (!sound.input_enabled) words.push("microphone disabled");
  else if (sound.input_muted) words.push("microphone muted");
  if (sound.output_muted) words.push("loudspeaker muted");
  for (const [name, what] of [["input_gain_db", "microphone"], ["output_gain_db", "loudspeaker"]]) {
    if (sound[name]) words.push(`${what} ${sound[name] > 0 ? "+" : "−"}${Math.abs(sound[name])} dB`);
  }
  for (const [name, what] of SOUND_BLOCKS) if (!sound[name]) words.push(`${what} off`);
  return words.join(", ") || "everything on";
}

// What is heard at the door now.
export function levelWords(now) {
  const level = (dbfs) => (dbfs <= -90 ? "silent" : `−${Math.round(-dbfs)} dBFS`);
  const words = [`Microphone ${level(now.input_dbfs)}`, `loudspeaker ${level(now.far_dbfs)}`, `sent ${level(now.output_dbfs)}`];
  if (now.erle_db !== null) words.push(`echo ${now.erle_db >= 1 ? `−${Math.round(now.erle_db)}` : "0"} dB`);
  if (now.delay_ms !== null) words.push(`its delay ${Math.round(now.delay_ms)} ms`);
  if (now.automatic_gain_control) words.push(`gain ${now.gain_db > 0 ? "+" : ""}${now.gain_db.toFixed(0)} dB`);
  return words.join(" · ");
}

const SOUND_BLOCKS = [
  ["echo_cancellation", "echo cancellation"],
  ["noise_cancellation", "noise cancellation"],
  ["automatic_gain_control", "automatic gain"],
];

const PORT_REASONS = {
  expired: "its time is over",
  released: "released",
  restart: "outputs were set to normal",
  "engine-lost": "the node was lost",
  "guardian-lost": "the process that holds the outputs was lost",
};

export const SPEAKER_STATES = {
  Uncalibrated: "Not calibrated",
  Pending: "Listening",
  Calibrated: "Calibrated",
  OK: "OK",
  Failed: "Failed",
  DisabledInHardware: "No microphone",
  InternalError: "Error",
};

const DETECTED = { shock: "a shock", pir: "a person", tampering: "tampering", motion: "movement" };

const SENTENCES = {
  "node.started": (e) => ["node", withDetail(`voipnode ${e.version} started`, e.previous && `the run before ${e.previous}`)],
  "node.stopping": () => ["node", "The node is stopping"],
  "call.changed": (e) => ["call", callSentence(e)],
  "call.path": (e) => ["call", e.pair ? `Sound goes by ${e.pair}${e.chosen ? "" : ", for now"}` : `Sound has no way: ${e.detail}`],
  "registration.changed": registrationSentence,
  "dtmf.received": (e) => ["call", `${bare(e.remote)} pressed ${e.digit}${e.authorised ? "" : " (may not act)"}`],
  "dtmf.matched": (e) => ["call", `${bare(e.remote)} dialled ${e.sequence}: ${e.label}`],
  "input.changed": (e) => ["input", e.active ? `${capital(e.input)} pressed${e.source === "hardware" ? "" : ` (${e.source})`}` : ""],
  "port.changed": (e) => (e.active ? ["door", ""] : ["door", withDetail(`${capital(e.port)} closed`, PORT_REASONS[e.why] || e.why)]),
  "door.opened": (e) => ["open", `${capital(e.port)} opened for ${seconds(e.duration_s)} by ${bare(e.who)}, ${e.how}`],
  "door.refused": (e) => ["bad", `${capital(e.port)} stays closed: ${bare(e.who)}, ${e.how}: ${e.why}`],
  "guardian.changed": (e) => [e.up ? "node" : "bad", `Outputs ${e.up ? "are held" : "are released"}: ${e.detail}`],
  "sound_level.passed": (e) => ["input", e.above ? `It is loud at the door: ${e.level} of 100` : "It is quiet at the door again"],
  "light.changed": () => ["light", ""], // the light itself shows it
  "call.quality": (e) => ["call", e.answered ? qualitySentence(e) : ""],
  "recipient.rang": (e) => ["call", rangSentence(e)],
  "exchange_call.changed": (e) => ["call", exchangeSentence(e)],
  "do_not_disturb.changed": (e) => ["node", e.on ? "Nobody rings at the door: do not disturb" : "Calls ring at the door again"],
  "extension.changed": (e) => ["node", `Extension ${e.number}: ${e.devices.length === 1 ? "1 telephone" : `${e.devices.length || "no"} telephones`}`],
  "button.pressed": () => ["input", ""], // the input tells it
  "access.granted": (e) => [e.duress ? "bad" : "open", withDetail(accessSentence(e, true), e.duress && "under duress")],
  "access.denied": (e) => ["bad", accessSentence(e, false)],
  "reader.prompt": () => ["input", ""],
  "multicast.changed": (e) => ["node", `Announcement ${e.source}: ${e.state}`],
  "rules.changed": (e) => ["node", `Rules: ${e.detail}`],
  "virtual_input.changed": (e) => ["input", `Virtual input ${e.input} is ${e.active ? "active" : "not active"} (${e.source})`],
  "recording.changed": (e) => ["node", withDetail(`Recording to ${e.file} ${e.on ? "has begun" : "is over"}`, e.detail)],
  "rule.fired": (e) => ["node", `Rule ${e.rule}: ${e.because}`],
  "trigger.pulled": (e) => ["input", `Trigger ${e.trigger} was pulled (${e.source})`],
  "message.delivered": (e) => ["node", withDetail(`${e.recipient} was told`, e.late_s > 1 && `${seconds(e.late_s)} late`)],
  "mqtt.received": (e) => ["node", `MQTT ${e.subscription}: ${e.payload}`],
  "mqtt.changed": (e) => ["node", `MQTT ${e.subscription} is ${e.on ? "on" : "off"}`],
  "call.held": (e) => ["call", withDetail(`The call is ${e.held ? "on hold" : "taken back"}${e.by === "here" ? "" : " by the far side"}`, e.detail)],
  "call.transfer": (e) => ["call", e.final ? withDetail(`The call was ${e.status < 300 ? "" : "not "}handed on to ${bare(e.to)}`, e.detail) : ""],
  "mailbox.changed": (e) => ["node", `Mailbox of ${e.account}: ${e.new ? `${e.new} new` : "nothing new"}`],
  "text.received": (e) => ["call", `${bare(e.sender)} wrote: ${e.text}`],
  "contacts.changed": (e) => ["node", `Contacts: ${e.detail}`],
  "schedule.changed": (e) => ["node", `Schedule ${e.schedule}: ${e.active ? "is active" : "is not active"}`],
  "clip.changed": (e) => ["node", withDetail(`Clip ${e.clip} ${e.playing ? "plays" : "is over"}`, e.why === "ended" ? "" : e.why)],
  "clips.changed": (e) => ["node", `Clips: ${e.detail}`],
  "line_settings.changed": (e) => ["node", `SIP: ${e.detail}`],
  "sound.changed": (e) => ["node", `Sound: ${soundWords(e)}`],
  "settings.changed": (e) => ["node", `New settings are in force: ${e.section}`],
  "speaker_test.changed": (e) => ["node", e.state === "Pending" ? `The loudspeaker ${e.words}` : ""],
  "speaker_test.finished": (e) => [e.state === "Failed" ? "bad" : "node", `Speaker test: ${SPEAKER_STATES[e.state]}, ${e.words}`],
  "reader.changed": (e) => [e.tampered || e.state === "not connected" ? "bad" : "node", withDetail(`Reader ${e.reader} is ${e.state}${e.tampered ? ", and tampered with" : ""}`, e.detail)],
  "card.read": (e) => ["input", `${e.reader} read a card${e.uid ? ` ${e.uid}` : ""}`],
  "reader.feedback": () => ["input", ""], // the reader itself shows it
  "controller.changed": (e) => [e.state === "not connected" ? "bad" : "node", withDetail(`The door controller is ${e.state}`, e.detail)],
  "credential.forwarded": (e) => ["input", `${e.by === "card" ? "A card" : "A code"} at ${e.reader} was handed to ${e.to}`],
  "input.tampered": (e) => [e.tampered ? "bad" : "input", e.tampered ? `${capital(e.input)}: its wires are ${e.why === "short" ? "short-circuited" : "cut"}` : `${capital(e.input)}: its wires are whole again`],
  "detector.changed": (e) => ["input", e.active ? withDetail(`${capital(e.detector)} notices ${DETECTED[e.kind] || e.kind}`, e.detail) : ""],
  "signal.changed": (e) => ["light", e.profile ? `Light and siren show ${e.profile}` : ""],
  "indicator.changed": (e) => ["light", `Indicator ${e.indicator}: ${e.colour}${e.blink ? ", blinking" : ""}`],
  "display.changed": (e) => ["node", `The display shows ${e.page}`],
  "locate.changed": (e) => ["node", e.on ? "The device shows where it is" : ""],
  "network.changed": (e) => ["node", withDetail(`The addresses are ${e.addresses.join(", ") || "none"}`, e.detail)],
  "control_button.pressed": (e) => ["input", `The control button was held for ${seconds(e.held_s)} (${e.source})`],
  "schedule.pulse": (e) => ["node", `Schedule ${e.schedule}: now`],
  problem: (e) => ["bad", `${capital(e.where)}: ${e.detail}`],
};

// [kind, sentence] of an event; an empty sentence is one that another event tells already.
export function sentence(event) {
  const known = SENTENCES[event.event];
  if (known) return known(event);
  const { event: name, at, time, ...rest } = event;
  const fields = Object.entries(rest).map(([key, value]) => `${key} ${value}`);
  return ["node", [name, ...fields].join(", ")];
}

// What is at the wires of an input or output: "door: closed, active".
export function contactWords(line) {
  const state = { cut: "wires cut", short: "wires short-circuited" }[line.state] || line.state;
  return `${line.name}: ${state}, ${line.active ? "active" : line.tampered ? "tampered with" : "normal"}`;
}

export function accountState(account) {
  return account.active ? account.state : "off";
}

export function accountWords(account) {
  const notes = [account.default && "default", account.active ? account.reason : "off"];
  return [account.name, account.user_id, ...notes].filter(Boolean).join(" · ");
}
