// The telephone: one registered user, one call, one audio track each way; everything that a test asks is on `phone`.
"use strict";

const GATHERING_MS = 2000;

const phone = {
  user: null,
  call: null,
  times: {}, // milliseconds since 1970: answered, connected
  events: [],

  tell(what, detail = "") {
    this.events.push({ what, detail, at: Date.now() });
    window.told?.(what, String(detail));
  },

  /** `servers` are RTCIceServers; `policy` "all" or "relay". */
  async start({ url, user, domain, password, register = true, autoAnswer = false, servers = [], policy = "all" }) {
    Object.assign(this, { autoAnswer, rtc: { iceServers: servers, iceTransportPolicy: policy } });
    const clean = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    this.microphone = await navigator.mediaDevices.getUserMedia({ audio: clean });
    this.ear = await Ear.open(document.getElementById("far"));
    this.user = new SipUser({ url, user, domain, password });
    this.user.onrequest = (request) => this.requested(request).catch((error) => this.tell("failed", error));
    await this.user.connect();
    if (register) await this.user.register();
  },

  connection() {
    const made = new RTCPeerConnection(this.rtc);
    this.microphone.getTracks().forEach((track) => made.addTrack(track, this.microphone));
    made.ontrack = ({ track }) => this.ear.listen(track);
    made.onicecandidateerror = ({ url, errorCode, errorText }) => this.tell("candidate error", `${url} ${errorCode} ${errorText}`);
    made.onconnectionstatechange = () => {
      if (made.connectionState === "connected") this.times.connected = Date.now();
      this.tell("connection", made.connectionState);
    };
    return made;
  },

  /** Our description with the candidates in it that were found in good time; SIP has no trickling here. */
  async gathered(connection, description) {
    await connection.setLocalDescription(description);
    // After a restart of ICE the state is still "complete" for a moment, of the gathering before.
    const done = () => connection.iceGatheringState === "complete" && connection.localDescription.sdp.includes("a=candidate:");
    await new Promise((go) => {
      connection.onicegatheringstatechange = () => done() && go();
      if (done()) go();
      setTimeout(go, GATHERING_MS); // a firewall that swallows UDP keeps a STUN server silent for 10 s
    });
    return connection.localDescription.sdp;
  },

  async dial(target) {
    const connection = this.connection();
    const dialog = this.user.newDialog(target);
    this.call = { connection, dialog, ours: true };
    const body = await this.gathered(connection, await connection.createOffer());
    const onprovisional = (response) => this.tell("provisional", statusOf(response));
    const final = await this.user.request("INVITE", dialog, { body, onprovisional });
    this.tell("final", final.start);
    if (statusOf(final) !== 200) return this.over(final.start);
    this.times.answered = Date.now();
    dialog.remote = first(final, "To");
    dialog.target = uriIn(first(final, "Contact"));
    dialog.routes = all(final, "Record-Route").flatMap((value) => value.split(/,\s*/)).reverse();
    this.user.request("ACK", dialog);
    await connection.setRemoteDescription({ type: "answer", sdp: final.body });
    this.tell("active", target);
  },

  async requested(request) {
    const [method] = request.start.split(" ");
    const known = this.call && first(request, "Call-ID") === this.call.dialog.callId;
    if (method === "ACK") return this.tell("ack");
    if (method === "INVITE" && known) return this.offeredAgain(request);
    if (method === "INVITE" && this.call) return this.user.answer(request, 486, "Busy Here", { tag: token() });
    if (method === "INVITE") return this.ring(request);
    if (method === "OPTIONS") return this.user.answer(request, 200, "OK");
    if (!known) return this.user.answer(request, 481, "Call Does Not Exist");
    if (method === "BYE") {
      this.user.answer(request, 200, "OK");
      return this.over("BYE");
    }
    if (method === "CANCEL" && this.call.ringing) {
      this.user.answer(request, 200, "OK");
      this.user.answer(this.call.ringing, 487, "Request Terminated", { tag: this.call.tag });
      return this.over("CANCEL");
    }
    this.user.answer(request, 501, "Not Implemented");
  },

  ring(request) {
    const tag = token();
    const local = `${first(request, "To")};tag=${tag}`;
    const routes = all(request, "Record-Route").flatMap((value) => value.split(/,\s*/));
    const target = uriIn(first(request, "Contact"));
    const dialog = { callId: first(request, "Call-ID"), local, remote: first(request, "From"), target, routes, cseq: 0 };
    this.call = { dialog, tag, ringing: request };
    this.user.answer(request, 180, "Ringing", { tag });
    this.tell("ringing", first(request, "From"));
    return this.autoAnswer ? this.accept() : undefined;
  },

  async accept() {
    const { ringing, tag } = this.call;
    const connection = (this.call.connection = this.connection());
    await connection.setRemoteDescription({ type: "offer", sdp: ringing.body });
    const body = await this.gathered(connection, await connection.createAnswer());
    this.times.answered = Date.now();
    this.call.ringing = null;
    this.user.answer(ringing, 200, "OK", { body, tag });
    this.tell("active", first(ringing, "From"));
  },

  async offeredAgain(request) {
    const { connection } = this.call;
    await connection.setRemoteDescription({ type: "offer", sdp: request.body });
    this.user.answer(request, 200, "OK", { body: await this.gathered(connection, await connection.createAnswer()) });
    this.tell("offered again");
  },

  digits(text, durationMs = 100) {
    this.call.connection.getSenders()[0].dtmf.insertDTMF(text, durationMs, 70);
  },

  async hangUp() {
    const final = await this.user.request("BYE", this.call.dialog);
    this.over(`we hung up, ${final.start}`);
  },

  over(why) {
    this.call?.connection?.close();
    this.call = null;
    this.tell("over", why);
  },

  /** What the connection is and how it does: the pair in use, DTLS, codec, counts of packets (-1: there is none). */
  async statistics() {
    if (!this.call?.connection) return { pair: null, received: -1 };
    const report = await this.call.connection.getStats();
    const all = [...report.values()];
    const transport = all.find(({ type }) => type === "transport");
    const pair = report.get(transport?.selectedCandidatePairId);
    const end = (id) => {
      const { candidateType, protocol, relayProtocol, address, port } = report.get(id) || {};
      return { type: candidateType, protocol, relayProtocol, address, port };
    };
    const inbound = all.find(({ type, kind }) => type === "inbound-rtp" && kind === "audio");
    const outbound = all.find(({ type, kind }) => type === "outbound-rtp" && kind === "audio");
    return {
      pair: pair && { local: end(pair.localCandidateId), remote: end(pair.remoteCandidateId), rttMs: 1000 * pair.currentRoundTripTime },
      dtls: transport?.dtlsState,
      cipher: transport?.srtpCipher,
      codec: report.get(inbound?.codecId)?.mimeType,
      received: inbound?.packetsReceived ?? 0,
      lost: inbound?.packetsLost ?? 0,
      sent: outbound?.packetsSent ?? 0,
    };
  },
};
