// The light and the siren as the node tells them, on elements: the style sheet makes them blink.

// `look` is what signal.changed has as light; {} is darkness.
export function shine(element, look) {
  const { pattern = "off", colour = "", speed = "medium", intensity = 3 } = look ?? {};
  const words = [pattern, colour, speed, intensity].join(" ");
  if (element.dataset.look === words) return; // or it would begin anew
  Object.assign(element.dataset, { look: words, pattern, colour, speed, intensity });
}

const PATTERNS = {
  steady: "steady", flash: "flashing", double_flash: "double flashes", triple_flash: "triple flashes",
  pulse: "pulsing", rotate: "rotating",
};
const SIRENS = {
  wail: "wail", yelp: "yelp", two_tone: "two tones", pulse: "pulses", evacuate: "evacuation signal", chirp: "chirps",
  chime: "chime",
};

export function lightWords(look) {
  if (!look?.pattern || look.pattern === "off") return "";
  const speed = look.pattern === "steady" ? "" : `, ${look.speed}`;
  return `${look.colour} ${PATTERNS[look.pattern] ?? look.pattern}${speed}`;
}

export function sirenWords(siren) {
  return siren?.pattern && siren.pattern !== "off" ? `${SIRENS[siren.pattern] ?? siren.pattern}, level ${siren.intensity}` : "";
}

// A profile of the settings as light and siren are told.
export function looks(profile) {
  return {
    light: { pattern: profile.light, colour: profile.light_colour, speed: profile.light_speed, intensity: profile.light_intensity },
    siren: { pattern: profile.siren, intensity: profile.siren_intensity },
  };
}
