// Cuts the microphone into frames of 20 ms of PCM16, on the audio thread. The context runs at 24 kHz.
const FRAME = 480;

class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.frame = new Int16Array(FRAME);
    this.filled = 0;
    this.power = 0;
  }

  process(inputs) {
    const channel = inputs[0][0];
    if (!channel) return true;
    for (const sample of channel) {
      const clipped = Math.max(-1, Math.min(1, sample));
      this.frame[this.filled++] = Math.round(clipped * 32767);
      this.power += clipped * clipped;
      if (this.filled === FRAME) this.send();
    }
    return true;
  }

  send() {
    const level = 10 * Math.log10(this.power / FRAME + 1e-12);
    this.port.postMessage({ frame: this.frame.buffer, level }, [this.frame.buffer]);
    this.frame = new Int16Array(FRAME);
    this.filled = 0;
    this.power = 0;
  }
}

registerProcessor("microphone", Microphone);
