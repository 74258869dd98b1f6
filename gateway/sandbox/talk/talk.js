// A client of the public API like any other: a token by REST, then the socket. Nothing here is known to the
// sandbox alone.
const RATE = 24000;
const LEAD_S = 0.04; // what is played is scheduled this far ahead: the jitter that it bears
const $ = (id) => document.getElementById(id);
const headers = () => ({ Authorization: `Bearer ${$("key").value.trim()}`, "Content-Type": "application/json" });

let call = null;

class Call {
  constructor(socket, context, stream) {
    this.socket = socket;
    this.context = context;
    this.stream = stream;
    this.lines = new Map();
    this.playing = new Set();
    this.next = 0;
    this.meter = context.createAnalyser();
    this.meter.connect(context.destination);
    socket.onmessage = (event) => this.receive(JSON.parse(event.data));
    socket.onclose = (event) => this.over(`ended (${event.code})`);
    this.watching = setInterval(() => this.showLevel(), 50);
  }

  async listen() {
    await this.context.audioWorklet.addModule("/talk/microphone.js");
    const microphone = new AudioWorkletNode(this.context, "microphone");
    microphone.port.onmessage = ({ data }) => {
      $("level-you").value = Math.max(-60, data.level);
      this.send("input_audio", { audio: toBase64(data.frame) });
    };
    this.context.createMediaStreamSource(this.stream).connect(microphone);
  }

  send(type, data) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ type, data }));
  }

  receive({ type, data }) {
    switch (type) {
      case "session_started":
        status(`in call ${data.id}`, "live");
        break;
      case "response_audio":
        this.play(data.audio);
        break;
      case "response_text":
        this.line(`agent-${data.turn_id}`, "agent", "Agent", data.text, data.is_final !== false);
        break;
      case "input_audio_transcript":
        this.line("you", "you", "You", data.transcript, data.is_final !== false);
        if (data.is_final !== false) this.lines.delete("you"); // the next one begins a new line
        break;
      case "interruption":
        this.silence();
        this.event("you cut in");
        break;
      case "tool_call":
        this.answer(data);
        break;
      case "session_ended":
        this.event("the agent ends the call");
        break;
      default:
        break; // speech_started, speech_stopped, and what is not known yet
    }
  }

  answer(data) {
    const given = (data.arguments || []).map((one) => `${one.name} = ${JSON.stringify(one.value)}`).join(", ");
    this.event(`tool ${data.toolName || data.tool_name}(${given})`);
    this.send("tool_call_output", { toolCallId: data.toolCallId || data.tool_call_id, output: $("output").value });
  }

  play(base64) {
    const samples = fromBase64(base64);
    if (!samples.length) return;
    const buffer = this.context.createBuffer(1, samples.length, RATE);
    buffer.getChannelData(0).set(samples);
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.meter);
    this.next = Math.max(this.next, this.context.currentTime + LEAD_S);
    source.start(this.next);
    this.next += buffer.duration;
    this.playing.add(source);
    source.onended = () => this.playing.delete(source);
  }

  silence() {
    for (const source of this.playing) source.stop();
    this.playing.clear();
    this.next = 0;
  }

  showLevel() {
    const samples = new Float32Array(this.meter.fftSize);
    this.meter.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    $("level-agent").value = Math.max(-60, 10 * Math.log10(power + 1e-12));
  }

  line(key, kind, who, text, final) {
    let line = this.lines.get(key);
    if (!line) {
      line = document.createElement("li");
      line.append(document.createElement("b"), document.createElement("span"));
      line.firstChild.textContent = who;
      this.lines.set(key, line);
      $("transcript").append(line);
    }
    line.className = final ? kind : `${kind} interim`;
    line.lastChild.textContent = text;
    line.scrollIntoView({ block: "nearest" });
  }

  event(text) {
    const line = document.createElement("li");
    line.className = "event";
    line.textContent = text;
    $("transcript").append(line);
  }

  over(how) {
    if (call !== this) return;
    call = null;
    clearInterval(this.watching);
    this.stream.getTracks().forEach((track) => track.stop());
    const left_s = Math.max(0, this.next - this.context.currentTime); // the last words are heard out
    setTimeout(() => this.context.close(), left_s * 1000);
    status(how, "");
    ready(true);
  }
}

function toBase64(buffer) {
  return btoa(String.fromCharCode(...new Uint8Array(buffer)));
}

function fromBase64(text) {
  const bytes = Uint8Array.from(atob(text || ""), (char) => char.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length >> 1 }, (_, n) => view.getInt16(2 * n, true) / 32768);
}

function status(text, state) {
  $("status").textContent = text;
  $("status").dataset.state = state;
}

function ready(can) {
  $("start").disabled = !can;
  $("stop").disabled = can || !call;
}

async function answered(response) {
  const text = await response.text();
  if (response.ok) return JSON.parse(text);
  let said = "";
  try {
    said = JSON.parse(text).error;
  } catch {
    said = response.status === 401 ? "the API key is missing or wrong" : "";
  }
  throw new Error(`${response.status} ${said || response.statusText}`);
}

async function loadAgents() {
  if (!$("key").value.trim()) return;
  try {
    const agents = await answered(await fetch("/v1/agents", { headers: headers() }));
    const wanted = new URLSearchParams(location.hash.slice(1)).get("agent");
    $("agent").replaceChildren(
      ...agents.map((agent) => new Option(agent.name, agent.id, false, [agent.id, agent.name].includes(wanted))),
    );
    $("agent").disabled = agents.length === 0;
    status("ready", "");
    ready(agents.length > 0);
  } catch (error) {
    status(error.message, "fault");
    ready(false);
  }
}

async function start() {
  $("transcript").replaceChildren();
  ready(false);
  status("connecting", "");
  let stream = null;
  try {
    const clean = !$("headphones").checked;
    const audio = { echoCancellation: clean, noiseSuppression: clean, autoGainControl: clean };
    stream = await navigator.mediaDevices.getUserMedia({ audio });
    const body = JSON.stringify({ agent_id: $("agent").value });
    const { token } = await answered(await fetch("/v1/session-token", { method: "POST", headers: headers(), body }));
    const url = new URL("/v1/connection", location.href.replace(/^http/, "ws"));
    url.hash = "";
    url.searchParams.set("token", token);
    const socket = new WebSocket(url);
    call = new Call(socket, new AudioContext({ sampleRate: RATE }), stream);
    await call.listen();
    ready(false);
  } catch (error) {
    stream?.getTracks().forEach((track) => track.stop());
    call?.socket.close();
    call = null;
    status(error.message, "fault");
    ready(true);
  }
}

$("setup").addEventListener("submit", (event) => {
  event.preventDefault();
  start();
});
$("stop").addEventListener("click", () => call?.socket.close(1000));
$("key").addEventListener("change", loadAgents);
$("key").value = new URLSearchParams(location.hash.slice(1)).get("key") || "";
loadAgents();
