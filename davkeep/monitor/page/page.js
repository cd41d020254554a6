// Keeps the operations page up to date, and asks before it cancels. MOST_FINISHED and MOST_PENDING
// are the server's: how many finished operations are shown at most, and how many that run or wait.
"use strict";

(() => {
  // Milliseconds in which a stream has to begin; where it does not, something between holds it back.
  const STREAM_PATIENCE = 8000;
  const POLL_EVERY = 3000;
  // Milliseconds that one answer is waited for.
  const POLL_WITHIN = 10000;
  const PENDING = "running,pending";
  const OVER = "succeeded,failed,cancelled,interrupted";
  // Milliseconds for which what is to be spoken is gathered, so that nobody is talked down.
  const SPEAK_AFTER = 1000;

  const { kind, list, events, poll } = document.body.dataset;
  // Milliseconds after which a stream of which nothing is heard is taken for held back.
  const silence = Number(document.body.dataset.silence);
  const token = document.querySelector("meta[name=davkeep-token]").content;
  const title = document.title;
  const byId = (id) => document.getElementById(id);
  const known = new Map();
  const cancelling = new Set();
  // What waits beyond as many as are shown, where all of it is known.
  const beyond = new Map();

  for (const card of document.querySelectorAll(".card")) {
    known.set(card.dataset.id, { card, state: card.dataset.state });
  }

  // What one operation looks like

  const part = (card, name) => card.querySelector(`[data-part="${name}"]`);

  function write(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  function writePath(card, name, href) {
    const whole = wording.readable(href);
    const element = part(card, name);
    write(element, wording.shortened(whole, 56));
    element.title = whole;
  }

  const what = (told) => `${wording.method(told)} ${wording.lastName(wording.readable(told.source))}`;

  function writeOnce(card, told) {
    card.dataset.id = told.id;
    card.dataset.created = told.created;
    card.dataset.method = told.method;
    const name = wording.lastName(wording.readable(told.source));
    part(card, "link").href = told.statusUrl;
    write(part(card, "method"), wording.method(told));
    write(part(card, "name"), wording.clipped(name, 48));
    part(card, "name").title = name;
    writePath(card, "source", told.source);
    part(card, "onward").hidden = !told.destination;
    if (told.destination) writePath(card, "destination", told.destination);
    write(part(card, "owner"), wording.owner(told));
    write(part(card, "what"), what(told));
    part(card, "created").dateTime = told.created;
    card.querySelector("progress").setAttribute("aria-label", `Progress: ${what(told)}`);
    writeMoment(card);
  }

  function writeMoment(card) {
    const element = part(card, "created");
    const moment = new Date(element.dateTime);
    const isToday = moment.toDateString() === new Date().toDateString();
    const time = { hour: "2-digit", minute: "2-digit" };
    const how = isToday ? time : { ...time, day: "numeric", month: "short" };
    write(element, moment.toLocaleString(undefined, how));
    element.title = moment.toLocaleString();
  }

  function writeProgress(card, told) {
    const bar = card.querySelector("progress");
    const done = wording.fraction(told);
    if (done === null && told.state === "running") bar.removeAttribute("value");
    else bar.value = done || 0;
    write(part(card, "percent"), wording.percent(told));
    const parts = [wording.percent(told), wording.pace(told)];
    bar.setAttribute("aria-valuetext", parts.filter(Boolean).join(", "));
  }

  // Not `disabled`, which would take the focus away from whoever has just used it.
  function setOff(button, isOff) {
    if (isOff) button.setAttribute("aria-disabled", "true");
    else button.removeAttribute("aria-disabled");
  }

  function writeState(card, told) {
    const isPending = wording.isPending(told);
    if (!isPending) cancelling.delete(told.id);
    const isCancelling = told.cancelling || cancelling.has(told.id);
    card.dataset.state = told.state;
    card.dataset.ended = told.ended || "";
    part(card, "sign").setAttribute("href", `#icon-${told.state}`);
    write(part(card, "state"), isCancelling ? "Cancelling\u2026" : wording.state(told));
    write(part(card, "counts"), wording.counts(told));
    write(part(card, "pace"), wording.pace(told));
    write(part(card, "result"), wording.result(told));
    part(card, "result").hidden = !wording.result(told);
    const button = part(card, "cancel");
    button.hidden = !isPending;
    setOff(button, isCancelling || !told.cancellable);
    if (!isPending) part(card, "trouble").hidden = true;
  }

  // Where it stands on the page

  const sectionOf = (told) => {
    if (!wording.isPending(told)) return "finished";
    return told.state === "pending" ? "waiting" : "running";
  };

  function place(card, told) {
    const cards = document.querySelector(`[data-section=${sectionOf(told)}] .cards`);
    if (card.parentNode === cards) return;
    // Finished ones show the newest first, the others the oldest.
    const isAfter = sectionOf(told) === "finished"
      ? (other) => other.dataset.ended < told.ended
      : (other) => other.dataset.created > told.created;
    cards.insertBefore(card, [...cards.children].find(isAfter) || null);
  }

  function trim() {
    const finished = document.querySelector("[data-section=finished] .cards");
    while (finished.children.length > MOST_FINISHED) {
      const last = finished.lastElementChild;
      known.delete(last.dataset.id);
      last.remove();
      setOlder(older + 1);
    }
  }

  let older = kind === "list" ? Number(document.querySelector("[data-older]").textContent) : 0;
  let more = kind === "list" ? Number(document.querySelector("[data-more]").textContent) : 0;

  function setOlder(amount) {
    older = Math.max(0, amount);
    write(document.querySelector("[data-older]"), wording.number(older));
    byId("older").hidden = !older;
  }

  function setMore(amount) {
    more = Math.max(0, amount);
    write(document.querySelector("[data-more]"), wording.number(more));
    byId("more").hidden = !more;
  }

  const cardsOf = (name) => document.querySelector(`[data-section=${name}] .cards`).children;
  const isFull = () => cardsOf("running").length + cardsOf("waiting").length >= MOST_PENDING;

  // Where there is room again, what waits longest is shown.
  function fill() {
    while (beyond.size && !isFull()) {
      const [next] = [...beyond.values()].sort((one, other) => (one.created < other.created ? -1 : 1));
      update(next);
    }
  }

  function count() {
    let all = 0;
    for (const section of document.querySelectorAll("[data-section]")) {
      const amount = section.querySelector(".cards").children.length;
      write(section.querySelector("[data-count]"), String(amount));
      section.hidden = amount === 0;
      all += amount;
    }
    byId("empty").hidden = all > 0;
    const pending = cardsOf("running").length + cardsOf("waiting").length + more;
    document.title = pending ? `(${pending}) ${title}` : title;
  }

  // What is new

  const waiting = new Map();

  function take(told) {
    if (!waiting.size) requestAnimationFrame(show);
    waiting.set(told.id, told);
  }

  function show() {
    const focused = document.activeElement;
    const card = focused && focused.closest(".card");
    for (const told of waiting.values()) {
      if (told.removed) remove(told.id);
      else update(told);
    }
    waiting.clear();
    if (kind === "list") {
      trim();
      fill();
      if (stream && isAllKnown) setMore(beyond.size);
      count();
    }
    // What was moved, or hidden, has lost it.
    if (card && (focused.hidden || focused !== document.activeElement)) {
      (focused.hidden ? part(card, "link") : focused).focus({ preventScroll: true });
    }
  }

  function update(told) {
    let entry = known.get(told.id);
    // What was asked for before an end may be answered after it.
    if (entry && wording.isPending(told) && !isPendingState(entry.state)) return;
    if (!entry) {
      if (kind !== "list") return;
      if (told.state === "pending" && isFull()) {
        beyond.set(told.id, told);
        return;
      }
      beyond.delete(told.id);
      const card = byId("card").content.firstElementChild.cloneNode(true);
      writeOnce(card, told);
      entry = { card, state: "" };
      known.set(told.id, entry);
    }
    const { card, state } = entry;
    writeProgress(card, told);
    writeState(card, told);
    if (kind === "list") place(card, told);
    else writeFacts(told);
    if (!wording.isPending(told) && isPendingState(state)) {
      speak(`${what(told)}: ${wording.state(told)}. ${wording.result(told)}`);
    }
    entry.state = told.state;
  }

  const isPendingState = (state) => state === "running" || state === "pending";

  function remove(id) {
    if (kind !== "list" || beyond.delete(id)) return;
    const entry = known.get(id);
    if (!entry) {
      // Only of what is over nothing is known here.
      setOlder(older - 1);
      return;
    }
    known.delete(id);
    entry.card.remove();
  }

  function writeFacts(told) {
    const percent = wording.isPending(told) ? wording.percent(told) : wording.state(told);
    document.title = percent ? `${percent} \u00b7 ${title}` : title;
    const fact = (name) => document.querySelector(`[data-fact="${name}"]`);
    if (told.status === null) return;
    write(fact("status"), String(told.status));
    write(fact("errors_total"), String(told.errors_total));
    write(fact("errors_omitted"), String(told.errors_omitted));
    byId("errors").hidden = !told.errors_total;
    byId("more-errors").hidden = !told.errors_omitted;
    byId("errors").querySelector(".errors").replaceChildren(...told.errors.map(writeError));
  }

  function writeError(error) {
    const item = document.createElement("li");
    const status = item.appendChild(document.createElement("code"));
    status.textContent = error.status;
    item.append(" ");
    item.appendChild(document.createElement("bdi")).textContent = wording.readable(error.href);
    return item;
  }

  // What is spoken: the ends, a few at a time

  let toSpeak = [];
  let speaking = 0;

  function speak(text) {
    toSpeak.push(text.trim());
    if (speaking) return;
    speaking = setTimeout(() => {
      speaking = 0;
      write(byId("spoken"), toSpeak.length > 3 ? `${toSpeak.length} operations have ended.` : toSpeak.join(" "));
      toSpeak = [];
    }, SPEAK_AFTER);
  }

  // How it is told

  const HOW = {
    live: "Live",
    lost: "Connecting\u2026",
    polling: "Updated every few seconds",
    gone: "No longer known",
    refused: "Not signed in",
  };

  function tellHow(how) {
    const sign = byId("connection");
    sign.hidden = false;
    sign.dataset.how = how;
    write(byId("connection-text"), HOW[how]);
  }

  let stream = null;
  let last = "";
  let patience = 0;
  let polling = 0;
  let turn = 0;
  // Whether what is not shown of what waits is in `beyond`, and not only a number.
  let isAllKnown = !more;

  function listen() {
    stop();
    tellHow("lost");
    if (!isAllKnown) learn();
    stream = new EventSource(last ? `${events.split("?")[0]}?after=${last}` : events);
    patience = setTimeout(startPolling, STREAM_PATIENCE);
    stream.addEventListener("begin", onBegin);
    stream.addEventListener("alive", hear);
    stream.addEventListener("progress", onTold);
    stream.addEventListener("end", onEnd);
    stream.addEventListener("removed", onRemoved);
    stream.addEventListener("error", onError);
  }

  // Only what was heard is live. A proxy may hold back a stream that it has begun to pass on.
  function hear(event) {
    clearTimeout(patience);
    patience = setTimeout(startPolling, silence);
    tellHow("live");
    if (event.lastEventId) last = event.lastEventId;
    return JSON.parse(event.data);
  }

  function onBegin(event) {
    // After a restart of the server nothing on the page need still be there.
    if (!hear(event).resumed) location.reload();
  }

  const onTold = (event) => take(hear(event));
  const onRemoved = (event) => take({ ...hear(event), removed: true });

  function onEnd(event) {
    onTold(event);
    if (kind !== "one") return;
    stop();
    byId("connection").hidden = true;
  }

  function onError() {
    if (stream.readyState === EventSource.CLOSED) startPolling();
    else tellHow("lost");
  }

  function stop() {
    clearTimeout(patience);
    clearTimeout(polling);
    turn += 1;
    if (stream) stream.close();
    stream = null;
  }

  function startPolling() {
    stop();
    ask();
  }

  const WHY_NOT = { 401: "refused", 403: "refused", 404: "gone", 410: "gone" };

  // What is at a URL, as JSON, and how many there are where that is a part of a list.
  async function get(url) {
    const signal = AbortSignal.timeout(POLL_WITHIN);
    const answer = await fetch(url, { headers: { Accept: "application/json" }, cache: "no-store", signal });
    if (!answer.ok) throw WHY_NOT[answer.status] || "lost";
    return { told: await answer.json(), total: Number(answer.headers.get("X-Total-Count")) };
  }

  async function ask() {
    const mine = turn;
    let how = "polling";
    let isOver = false;
    try {
      isOver = await (kind === "list" ? askForAll(mine) : askForOne(mine));
    } catch (reason) {
      how = Object.values(WHY_NOT).includes(reason) ? reason : "lost";
    }
    // Somebody looked away meanwhile.
    if (mine !== turn) return;
    tellHow(how);
    byId("connection").hidden = isOver;
    if (!isOver && (how === "polling" || how === "lost")) polling = setTimeout(ask, POLL_EVERY);
  }

  async function askForOne(mine) {
    const { told } = await get(poll);
    if (mine === turn) take(told);
    return !wording.isPending(told);
  }

  // In this order: what ends in between is in both answers, and the later one is right.
  async function askForAll(mine) {
    const pending = await get(`${poll}?state=${PENDING}&limit=${MOST_PENDING}`);
    const over = await get(`${poll}?state=${OVER}&limit=${MOST_FINISHED}`);
    if (mine !== turn) return false;
    const all = [...pending.told, ...over.told];
    const ids = new Set(all.map((each) => each.id));
    for (const id of known.keys()) if (!ids.has(id)) take({ id, removed: true });
    for (const each of all) take(each);
    beyond.clear();
    isAllKnown = false;
    setMore(pending.total - pending.told.length);
    setOlder(over.total - over.told.length);
    if (!all.length) count();
    return false;
  }

  // What the page does not show is told by the stream only when it changes.
  async function learn() {
    try {
      const { told } = await get(`${poll}?state=pending`);
      isAllKnown = true;
      for (const each of told) take(each);
    } catch {
      // The number stays as it was.
    }
  }

  // Cancelling

  let asked = null;

  function askToCancel(card) {
    asked = card.dataset.id;
    write(byId("ask-what"), part(card, "what").textContent);
    for (const text of document.querySelectorAll("#ask-text [data-method]")) {
      text.hidden = text.dataset.method !== card.dataset.method;
    }
    byId("ask").showModal();
  }

  async function cancel(id) {
    const { card } = known.get(id);
    const before = part(card, "state").textContent;
    cancelling.add(id);
    setOff(part(card, "cancel"), true);
    write(part(card, "state"), "Cancelling\u2026");
    let trouble = "The server could not be reached. Try again.";
    try {
      const url = `${list}/${id}`;
      const answer = await fetch(url, { method: "DELETE", headers: { "X-Davkeep-Token": token } });
      if (answer.ok) return;
      trouble = answer.status === 409
        ? "It can no longer be cancelled."
        : `It was not cancelled (HTTP ${answer.status}). Load the page again and retry.`;
    } catch {
      // Told below.
    }
    cancelling.delete(id);
    setOff(part(card, "cancel"), false);
    write(part(card, "state"), before);
    write(part(card, "trouble"), trouble);
    part(card, "trouble").hidden = false;
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest(".cancel");
    if (button && !button.hasAttribute("aria-disabled")) askToCancel(button.closest(".card"));
  });

  byId("ask").addEventListener("submit", (event) => {
    if (event.submitter.value === "cancel" && known.has(asked)) cancel(asked);
  });

  // A page that nobody looks at holds no connection; a browser has only six for one server.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) stop();
    else if (kind === "list" || isPendingPage()) listen();
  });

  const isPendingPage = () => Boolean(document.querySelector("[data-state=running], [data-state=pending]"));

  for (const { card, state } of known.values()) {
    writeMoment(card);
    part(card, "cancel").hidden = state !== "running" && state !== "pending";
  }
  if (kind === "list" || isPendingPage()) listen();
})();
