// MD5 (RFC 1321), which digest authentication wants and browsers do not have.
"use strict";

const MD5_SHIFTS = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
const MD5_SINES = Array.from({ length: 64 }, (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 2 ** 32));

/** The digest of a text (UTF-8), in hexadecimal. */
function md5(text) {
  const bytes = new TextEncoder().encode(text);
  const padded = new DataView(new ArrayBuffer((((bytes.length + 8) >> 6) + 1) << 6));
  bytes.forEach((byte, i) => padded.setUint8(i, byte));
  padded.setUint8(bytes.length, 0x80);
  padded.setUint32(padded.byteLength - 8, bytes.length << 3, true);
  let state = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476];
  for (let at = 0; at < padded.byteLength; at += 64) {
    let [a, b, c, d] = state;
    for (let i = 0; i < 64; i++) {
      const round = i >> 4;
      const mixed = [(b & c) | (~b & d), (d & b) | (~d & c), b ^ c ^ d, c ^ (b | ~d)][round];
      const word = [i, (5 * i + 1) % 16, (3 * i + 5) % 16, (7 * i) % 16][round];
      const sum = (a + mixed + MD5_SINES[i] + padded.getUint32(at + 4 * word, true)) | 0;
      const shift = MD5_SHIFTS[round][i % 4];
      [a, b, c, d] = [d, (b + ((sum << shift) | (sum >>> (32 - shift)))) | 0, b, c];
    }
    state = [a, b, c, d].map((part, i) => (part + state[i]) | 0);
  }
  const digest = new DataView(new ArrayBuffer(16));
  state.forEach((part, i) => digest.setInt32(4 * i, part, true));
  return Array.from({ length: 16 }, (_, i) => digest.getUint8(i).toString(16).padStart(2, "0")).join("");
}
