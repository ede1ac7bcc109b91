// SIP over WebSocket (RFC 3261, RFC 7118), as much of it as a telephone with one call needs.
// TCP below makes retransmissions unnecessary, but for the 200 to an INVITE, which proxies carry on over UDP.
"use strict";

const CRLF = "\r\n";
const token = (length = 12) => Array.from(crypto.getRandomValues(new Uint8Array(length)), (n) => (n % 36).toString(36)).join("");

/** A message as {start, headers: [[name, value], ...], body}; names are as they came, compact ones written out. */
function parseSip(text) {
  const [head, ...rest] = text.split(CRLF + CRLF);
  const [start, ...lines] = head.replace(/\r\n[ \t]+/g, " ").split(CRLF);
  const long = { v: "Via", f: "From", t: "To", i: "Call-ID", m: "Contact", l: "Content-Length", c: "Content-Type" };
  const headers = lines.map((line) => {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).trim();
    return [long[name.toLowerCase()] || name, line.slice(colon + 1).trim()];
  });
  return { start, headers, body: rest.join(CRLF + CRLF) };
}

const all = (message, name) => message.headers.filter(([each]) => each.toLowerCase() === name.toLowerCase()).map(([, value]) => value);
const first = (message, name) => all(message, name)[0];
const statusOf = (message) => (message.start.startsWith("SIP/2.0") ? Number(message.start.split(" ")[1]) : 0);
const uriIn = (value) => (/<([^>]*)>/.exec(value) || [null, value.split(";")[0]])[1];
const tagIn = (value) => (/;tag=([^;>\s]+)/.exec(value) || [])[1];

/** The value of an Authorization header that answers a challenge (RFC 7616; MD5, qop=auth). */
function authorization(challenge, { user, password, method, uri }) {
  const value = (name) => (new RegExp(`[ ,]${name}="?([^",]*)`, "i").exec(challenge) || [])[1];
  const [realm, nonce, opaque, cnonce, nc] = [value("realm"), value("nonce"), value("opaque"), token(), "00000001"];
  const secret = md5(`${user}:${realm}:${password}`);
  const response = md5(`${secret}:${nonce}:${nc}:${cnonce}:auth:${md5(`${method}:${uri}`)}`);
  const words = `Digest username="${user}", realm="${realm}", nonce="${nonce}", uri="${uri}", response="${response}"`;
  return `${words}, algorithm=MD5, qop=auth, nc=${nc}, cnonce="${cnonce}"` + (opaque ? `, opaque="${opaque}"` : "");
}

/** One user at one server. `onrequest(request)` is told of requests; `answer` and `request` are its verbs. */
class SipUser {
  constructor({ url, user, domain, password }) {
    Object.assign(this, { url, user, domain, password, waiting: new Map(), onrequest: () => {}, ladder: [] });
    this.address = `${token()}.invalid`; // nobody can connect to a browser (RFC 7118 §5.2)
    this.contact = `<sip:${user}@${this.address};transport=ws>`;
  }

  async connect() {
    this.socket = new WebSocket(this.url, "sip");
    this.socket.onmessage = ({ data }) => this.receive(data);
    await new Promise((done, failed) => Object.assign(this.socket, { onopen: done, onerror: () => failed(Error(`no ${this.url}`)) }));
  }

  send(text) {
    this.ladder.push(`${Date.now()} > ${text}`);
    this.socket.send(text);
  }

  receive(data) {
    if (!data.trim()) return; // a keep-alive
    this.ladder.push(`${Date.now()} < ${data}`);
    const message = parseSip(data);
    if (statusOf(message)) this.waiting.get(/branch=([^;]+)/.exec(first(message, "Via"))[1])?.(message);
    else this.onrequest(message);
  }

  /** Sends a request of a dialog {callId, local, remote, target, routes, cseq}; resolves with its final response. */
  async request(method, dialog, { body = "", headers = [], onprovisional = () => {} } = {}) {
    dialog.cseq += method === "ACK" ? 0 : 1;
    const sent = this.write(method, dialog, dialog.cseq, headers, body);
    if (method === "ACK") return null;
    const final = await new Promise((done) => {
      this.waiting.set(sent.branch, (response) => {
        if (statusOf(response) >= 200) done(response);
        else onprovisional(response);
      });
    });
    if (method === "INVITE" && statusOf(final) >= 300) this.write("ACK", { ...dialog, remote: first(final, "To") }, dialog.cseq, [], "", sent.branch);
    const asked = { 401: ["WWW-Authenticate", "Authorization"], 407: ["Proxy-Authenticate", "Proxy-Authorization"] }[statusOf(final)];
    if (!asked || headers.some(([name]) => name === asked[1])) return final;
    const proof = authorization(first(final, asked[0]), { ...this, method, uri: dialog.target });
    return this.request(method, dialog, { body, headers: [...headers, [asked[1], proof]], onprovisional });
  }

  write(method, dialog, number, headers, body, branch = `z9hG4bK${token()}`) {
    dialog.branch = branch;
    const lines = [
      `${method} ${dialog.target} SIP/2.0`,
      `Via: SIP/2.0/WS ${this.address};branch=${branch};rport`,
      ...dialog.routes.map((route) => `Route: ${route}`),
      "Max-Forwards: 70",
      `From: ${dialog.local}`,
      `To: ${dialog.remote}`,
      `Call-ID: ${dialog.callId}`,
      `CSeq: ${number} ${method}`,
      ...headers.map(([name, value]) => `${name}: ${value}`),
    ];
    if (method !== "ACK" && method !== "CANCEL" && method !== "BYE") lines.push(`Contact: ${this.contact}`);
    this.send(finish(lines, body));
    return { branch };
  }

  answer(request, status, reason, { body = "", tag = "", headers = [] } = {}) {
    const to = first(request, "To");
    const lines = [
      `SIP/2.0 ${status} ${reason}`,
      ...["Via", "Record-Route"].flatMap((name) => all(request, name).map((value) => `${name}: ${value}`)),
      `From: ${first(request, "From")}`,
      `To: ${to}${tag && !tagIn(to) ? `;tag=${tag}` : ""}`,
      `Call-ID: ${first(request, "Call-ID")}`,
      `CSeq: ${first(request, "CSeq")}`,
      `Contact: ${this.contact}`,
      ...headers.map(([name, value]) => `${name}: ${value}`),
    ];
    this.send(finish(lines, body));
  }

  newDialog(target) {
    const local = `<sip:${this.user}@${this.domain}>;tag=${token()}`;
    return { callId: token(20), local, remote: `<${target}>`, target, routes: [], cseq: 0 };
  }

  async register(expires = 300) {
    const dialog = Object.assign(this.newDialog(`sip:${this.domain}`), { remote: `<sip:${this.user}@${this.domain}>` });
    const final = await this.request("REGISTER", dialog, { headers: [["Expires", expires]] });
    if (statusOf(final) !== 200) throw Error(`not registered: ${final.start}`);
  }
}

function finish(lines, body) {
  const type = body ? ["Content-Type: application/sdp"] : [];
  const bytes = new TextEncoder().encode(body).length;
  return [...lines, "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS", ...type, `Content-Length: ${bytes}`, "", body].join(CRLF);
}
