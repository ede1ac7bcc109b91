// Records what the far side's track carries, and when the first sound of it came.
"use strict";

const LISTENER = `
registerProcessor("listener", class extends AudioWorkletProcessor {
  process([[samples]]) {
    if (samples) this.port.postMessage(samples.slice());
    return true;
  }
});`;
const AUDIBLE = 0.02; // of full scale

class Ear {
  static async open(element) {
    const ear = new Ear();
    Object.assign(ear, { element, pieces: [], count: 0, firstSoundAt: 0 });
    ear.context = new AudioContext({ sampleRate: 16000, sinkId: { type: "none" } });
    await ear.context.resume();
    await ear.context.audioWorklet.addModule(URL.createObjectURL(new Blob([LISTENER], { type: "text/javascript" })));
    ear.worklet = new AudioWorkletNode(ear.context, "listener");
    ear.worklet.port.onmessage = ({ data }) => ear.take(data);
    ear.worklet.connect(ear.context.destination);
    return ear;
  }

  listen(track) {
    const stream = new MediaStream([track]);
    this.element.srcObject = stream;
    this.element.muted = true;
    this.context.createMediaStreamSource(stream).connect(this.worklet);
  }

  take(samples) {
    if (!this.firstSoundAt && samples.some((sample) => Math.abs(sample) > AUDIBLE)) this.firstSoundAt = Date.now();
    if (!this.firstSoundAt) return;
    this.pieces.push(samples);
    this.count += samples.length;
  }

  /** What was heard from the first sound on, as 16-bit PCM in base64. */
  heard() {
    const pcm = new DataView(new ArrayBuffer(2 * this.count));
    let at = 0;
    for (const sample of this.pieces.flatMap((piece) => Array.from(piece))) {
      pcm.setInt16(2 * at++, Math.max(-32768, Math.min(32767, Math.round(sample * 32768))), true);
    }
    const bytes = new Uint8Array(pcm.buffer);
    let text = "";
    for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
    return btoa(text);
  }
}
