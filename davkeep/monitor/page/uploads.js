// Lists the unfinished uploads on the operations page, and removes those that nobody wants.
"use strict";

(() => {
  const section = document.getElementById("uploads");
  if (!section) return;

  // Milliseconds between two looks.
  const LOOK_EVERY = 5000;

  const url = section.dataset.uploads;
  const token = document.querySelector("meta[name=davkeep-token]").content;
  const rows = document.getElementById("uploads-rows");
  const trouble = document.getElementById("uploads-trouble");
  const known = new Map();
  let next = 0;

  const cell = (row, name) => row.querySelector(`[data-cell="${name}"]`);

  function write(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  function ago(seconds) {
    if (seconds < 60) return "just now";
    const minutes = Math.floor(seconds / 60);
    if (minutes < 60) return `${minutes} min ago`;
    const hours = Math.floor(minutes / 60);
    return hours < 24 ? `${hours} h ago` : `${Math.floor(hours / 24)} d ago`;
  }

  function made(told) {
    const row = document.getElementById("upload").content.firstElementChild.cloneNode(true);
    const whole = told.url === null ? "(not served any more)" : wording.readable(told.url);
    write(cell(row, "name"), wording.shortened(whole, 56));
    cell(row, "name").title = whole;
    write(cell(row, "what"), wording.lastName(whole));
    write(cell(row, "owner"), told.owner || "anonymous");
    cell(row, "remove").addEventListener("click", () => remove(told.id));
    rows.append(row);
    known.set(told.id, row);
    return row;
  }

  function show(all) {
    for (const told of all) {
      const row = known.get(told.id) || made(told);
      write(cell(row, "arrived"), `${wording.size(told.offset)} of ${wording.size(told.length)}`);
      write(cell(row, "age"), ago(told.age));
    }
    const ids = new Set(all.map((told) => told.id));
    for (const id of [...known.keys()].filter((id) => !ids.has(id))) forget(id);
    count();
  }

  function forget(id) {
    known.get(id).remove();
    known.delete(id);
  }

  function count() {
    write(document.getElementById("uploads-count"), String(known.size));
    section.hidden = known.size === 0;
  }

  async function look() {
    clearTimeout(next);
    try {
      const answer = await fetch(url, { cache: "no-store" });
      if (answer.ok) show(await answer.json());
    } catch {
      // The page itself tells that the server cannot be reached.
    }
    if (!document.hidden) next = setTimeout(look, LOOK_EVERY);
  }

  async function remove(id) {
    trouble.hidden = true;
    let why = "The server could not be reached. Try again.";
    try {
      const where = `${url}?id=${encodeURIComponent(id)}`;
      const answer = await fetch(where, { method: "DELETE", headers: { "X-Davkeep-Token": token } });
      if (answer.ok || answer.status === 404) return look();
      why = answer.status === 423
        ? "It is complete and being stored."
        : `It was not removed (HTTP ${answer.status}). Load the page again and retry.`;
    } catch {
      // Told below.
    }
    write(trouble, why);
    trouble.hidden = false;
    return null;
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) look();
    else clearTimeout(next);
  });

  look();
})();
