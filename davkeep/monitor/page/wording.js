// Numbers, states and paths as people read them: the same words as davkeep/monitor/wording.py and
// davkeep/words/display.py. A test compares them. INVISIBLE is that file's.
"use strict";

const wording = (() => {
  const STATES = {
    pending: "Waiting",
    running: "Running",
    succeeded: "Done",
    failed: "Failed",
    cancelled: "Cancelled",
    interrupted: "Interrupted",
  };
  const METHODS = { COPY: "Copy", MOVE: "Move", DELETE: "Delete", PUT: "Upload", PATCH: "Change" };
  const UNITS = ["kB", "MB", "GB", "TB", "PB", "EB"];
  const MEMBER_COST = 65536;
  const STILL = "no progress at the moment";
  const CANCELLED = "The operation was cancelled.";
  const LEFT_BEHIND = "Something that is hidden could not be removed.";
  const DOT = " \u00b7 ";
  const UNSEEN = new RegExp(INVISIBLE, "gu");

  const number = (count) => String(count).replace(/\B(?=(\d{3})+$)/g, ",");
  const members = (count) => `${number(count)} member${count === 1 ? "" : "s"}`;

  function size(count) {
    if (count < 1000) return `${Math.floor(count)} byte${Math.floor(count) === 1 ? "" : "s"}`;
    let value = count;
    let unit = -1;
    do {
      value /= 1000;
      unit += 1;
    } while (value >= 1000 && unit < UNITS.length - 1);
    const shown = value < 100 ? (Math.floor(value * 10) / 10).toFixed(1) : Math.floor(value);
    return `${shown} ${UNITS[unit]}`;
  }

  function remaining(seconds) {
    const minutes = Math.floor(seconds / 60 + 0.5);
    if (seconds < 10) return "a few seconds left";
    if (seconds < 55) return `about ${Math.floor(seconds / 5 + 0.5) * 5} seconds left`;
    if (minutes <= 1) return "about a minute left";
    if (minutes < 60) return `about ${minutes} minutes left`;
    const hours = Math.floor(minutes / 60);
    const rest = minutes % 60;
    if (hours < 24) return rest ? `about ${hours} h ${rest} min left` : `about ${hours} h left`;
    const days = Math.floor(seconds / 86400 + 0.5);
    return days <= 1 ? "about a day left" : `about ${number(days)} days left`;
  }

  function rate(told) {
    if (told.bytes_per_second >= 1) return `${size(told.bytes_per_second)}/s`;
    const each = told.members_per_second;
    if (each >= 10) return `${number(Math.floor(each))} members/s`;
    return each >= 0.1 ? `${(Math.floor(each * 10) / 10).toFixed(1)} members/s` : "";
  }

  const isPending = (told) => told.status === null;
  const state = (told) => {
    if (told.cancelling) return "Cancelling\u2026";
    return told.status === 207 ? "Failed in part" : STATES[told.state];
  };
  const method = (told) => METHODS[told.method] || told.method;

  function fraction(told) {
    if (told.members_total === null || told.bytes_total === null) return null;
    const total = told.members_total * MEMBER_COST + told.bytes_total;
    const done = told.members_done * MEMBER_COST + told.bytes_done;
    return total ? Math.min(1, done / total) : 0;
  }

  function percent(told) {
    const done = told.state === "running" ? fraction(told) : null;
    return done === null ? "" : `${Math.floor(done * 100)}%`;
  }

  function soFar(told) {
    const parts = [];
    if (told.members_done) parts.push(members(told.members_done));
    if (told.bytes_done) parts.push(size(told.bytes_done));
    return parts.join(DOT);
  }

  function took(told) {
    if (told.ended === null) return "";
    const span = new Date(told.ended) - new Date(told.created);
    const seconds = Math.max(0, Math.floor(span / 1000));
    const minutes = Math.floor(seconds / 60);
    const hours = Math.floor(seconds / 3600);
    if (seconds < 1) return "took less than a second";
    if (minutes < 1) return `took ${seconds} s`;
    if (hours < 1) return `took ${minutes} min ${seconds % 60} s`;
    return `took ${number(hours)} h ${minutes % 60} min`;
  }

  function counts(told) {
    if (["cancelled", "interrupted"].includes(told.state)) return "";
    if (!isPending(told)) return [soFar(told), took(told)].filter(Boolean).join(DOT);
    if (fraction(told) === null) return soFar(told) && `${soFar(told)} so far`;
    const parts = [`${number(told.members_done)} of ${members(told.members_total)}`];
    if (told.bytes_total) parts.push(`${size(told.bytes_done)} of ${size(told.bytes_total)}`);
    return parts.join(DOT);
  }

  function pace(told) {
    if (told.state === "pending") return "waits for its turn";
    if (told.state !== "running") return "";
    const done = fraction(told);
    if (done !== null && done >= 1) return "finishing\u2026";
    if (told.members_done && !told.members_per_second && !told.bytes_per_second) return STILL;
    let left = "counting\u2026";
    if (done !== null) {
      left = told.estimatedSeconds === null ? "" : remaining(told.estimatedSeconds);
    }
    return [rate(told), left].filter(Boolean).join(DOT);
  }

  function result(told) {
    const explanation = (told.explanation || "").replace(CANCELLED, "").trim();
    if (told.status === null) return "";
    if (told.status === 207) return `${members(told.errors_total)} failed (HTTP 207).`;
    if (told.state === "failed") return `${explanation || "It failed."} (HTTP ${told.status})`;
    if (told.state === "succeeded") return told.left_behind ? LEFT_BEHIND : "";
    return explanation;
  }

  function readable(href) {
    const encoded = new TextEncoder().encode(href);
    const bytes = [];
    for (let at = 0; at < encoded.length; at += 1) {
      const digits = encoded[at] === 37 ? String.fromCharCode(...encoded.slice(at + 1, at + 3)) : "";
      const isByte = /^[0-9A-Fa-f]{2}$/.test(digits);
      bytes.push(isByte ? parseInt(digits, 16) : encoded[at]);
      if (isByte) at += 2;
    }
    const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(new Uint8Array(bytes));
    return visible(text);
  }

  const characters = (text) => [...text];
  const codePoint = (each) => each.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
  const visible = (text) => text.replace(UNSEEN, (found) =>
    characters(found).map((each) => `[U+${codePoint(each)}]`).join(""));
  const owner = (told) => visible(told.owner) || "anonymous";
  const lastName = (path) => path.replace(/\/+$/, "").split("/").pop() || "/";

  function clipped(name, most) {
    const all = characters(name);
    if (all.length <= most) return name;
    const end = Math.floor((most - 1) / 3);
    return `${all.slice(0, most - 1 - end).join("")}\u2026${all.slice(-end).join("")}`;
  }

  function shortened(path, most) {
    if (characters(path).length <= most) return path;
    let kept = "";
    for (const segment of path.split("/").slice(1).reverse()) {
      if (characters(kept).length + characters(segment).length + 2 > most) break;
      kept = `/${segment}${kept}`;
    }
    return kept ? `\u2026${kept}` : `\u2026/${clipped(lastName(path), most - 2)}`;
  }

  return {
    clipped, counts, fraction, isPending, lastName, method, number, owner, pace, percent, readable,
    remaining, result, shortened, size, state,
  };
})();
