// The accounts: how they stand, and a form for each.

import { $, complain, follow, makeEditor } from "./editor.js";
import { API, ask } from "./node.js";
import { accountState, accountWords } from "./words.js";

const MAIN = ["name", "type", "active", "user_id", "caller_id", "domain", "registrar", "password", "transport"];

async function refresh() {
  try {
    show(await ask("GET", "/accounts"));
  } catch (error) {
    complain(error.message);
  }
}

const editor = makeEditor({
  things: "/accounts",
  schemaPath: "/schemas/account",
  noun: "Account",
  main: MAIN,
  hidden: ["default"], // a button of its own
  start: (name, schema) => (name === "type" ? "registered" : name === "name" ? "" : schema.default),
  always: (name) => ["name", "type"].includes(name),
  suggestions: async () => ({}),
  refresh,
});

function show(accounts) {
  $("accounts").replaceChildren(
    ...accounts.map((account) => {
      const row = $("account-row").content.firstElementChild.cloneNode(true);
      const [words, help] = row.querySelectorAll("p");
      words.textContent = accountWords(account);
      words.dataset.state = accountState(account);
      help.textContent = account.type === "registered" ? account.server : "called by address, registers nowhere";
      const button = (act) => row.querySelector(`[data-act=${act}]`);
      for (const act of ["edit", "default", "remove"]) {
        button(act).setAttribute("aria-label", `${button(act).textContent}: ${account.id}`);
      }
      button("default").hidden = account.default || !account.active;
      button("remove").hidden = account.default && accounts.length > 1;
      button("edit").onclick = () => editor.edit(account.id);
      button("default").onclick = () => editor.act(() => ask("PATCH", editor.path(account.id), { default: true }));
      button("remove").onclick = () => {
        if (confirm(`Remove the account "${account.id}"?`)) editor.act(() => ask("DELETE", editor.path(account.id)));
      };
      return row;
    }),
  );
}

follow(API, ["registration.changed", "line_settings.changed"], refresh);
