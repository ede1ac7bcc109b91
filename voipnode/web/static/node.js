// Asking the node: one request, its answer, or an error in the node's own words.

export const API = "/api/v1";

export class Refusal extends Error {
  constructor(words, fields = []) {
    super(words);
    this.fields = fields; // [{field, value, message}]
  }
}

export async function ask(method, path, body) {
  const options = { method, headers: {} };
  if (method !== "GET") {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body ?? {});
  }
  let answer;
  try {
    answer = await fetch(API + path, options);
  } catch {
    throw new Refusal("The node does not answer.");
  }
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  const problem = await answer.json().catch(() => ({}));
  throw new Refusal(problem.detail || `The node answered ${answer.status}.`, problem.errors);
}
