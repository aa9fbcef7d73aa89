// What the page can do without this file, it does by itself; this makes it livelier: parts that
// fetch themselves anew, and an order that is moved by dragging or by keys.
"use strict";

const parsed = (html) => new DOMParser().parseFromString(html, "text/html").body;

async function fetched(url) {
  const answer = await fetch(url, { headers: { accept: "text/html" }, cache: "no-store" });
  if (answer.status === 401) location.reload(); // the session has ended: the form to sign in
  return answer.ok ? answer.text() : null;
}

// --- parts that change by themselves ---

const inUse = (part) =>
  part.contains(document.activeElement) ||
  (getSelection().rangeCount > 0 && !getSelection().isCollapsed && part.contains(getSelection().anchorNode));

function replaceKeeping(part, html) {
  const open = [...part.querySelectorAll("details")].map((details) => details.open);
  const scrolled = [...part.querySelectorAll(".log")].map((log) => log.scrollTop);
  part.replaceChildren(...parsed(html).childNodes);
  part.querySelectorAll("details").forEach((details, i) => (details.open = open[i] ?? false));
  part.querySelectorAll(".log").forEach((log, i) => (log.scrollTop = scrolled[i] ?? log.scrollHeight));
}

function enliven(part) {
  const again = () => setTimeout(refresh, Number(part.dataset.every));
  async function refresh() {
    if (document.hidden || inUse(part)) return again();
    try {
      const html = await fetched(part.dataset.live);
      if (html !== null) replaceKeeping(part, html);
    } catch {
      // The host is away: the next look tells.
    }
    if (!part.querySelector("[data-done]")) again();
  }
  again();
}

document.querySelectorAll("[data-live]").forEach(enliven);
document.querySelectorAll(".log").forEach((log) => (log.scrollTop = log.scrollHeight));

// --- the order of a capability's targets ---

function orderable(form) {
  const list = form.querySelector("#targets");
  const said = form.querySelector("#moved");
  const items = () => [...list.children];
  const name = (item) => item.querySelector("input").value;
  const place = (text, n) => text.replace("{n}", n);

  function renumber() {
    const all = items();
    all.forEach((item, i) => {
      const rank = i === 0 ? list.dataset.primary : place(list.dataset.fallback, i);
      item.querySelector(".rank").textContent = rank;
      item.querySelectorAll("button").forEach((button) => {
        button.value = button.value.replace(/\d+$/, i);
      });
      item.querySelector("[data-step=up]").disabled = i === 0;
      item.querySelector("[data-step=down]").disabled = i === all.length - 1;
    });
  }

  let asked = 0;
  async function dryRun() {
    const mine = ++asked;
    const fields = new URLSearchParams(new FormData(form));
    fields.delete("csrf");
    const html = await fetched(`${form.dataset.dryRun}?${fields}`).catch(() => null);
    if (html !== null && mine === asked) form.querySelector("#dry-run").replaceChildren(...parsed(html).childNodes);
  }

  function changed(item) {
    renumber();
    form.querySelector("#draft-mark").hidden = false;
    const at = items().indexOf(item) + 1;
    if (at > 0) said.textContent = place(list.dataset.moved.replace("{target}", name(item)), at);
    dryRun();
  }

  function move(item, by) {
    const all = items();
    const to = all.indexOf(item) + by;
    if (to < 0 || to >= all.length) return;
    list.insertBefore(item, by < 0 ? all[to] : all[to].nextSibling);
    changed(item);
  }

  list.addEventListener("click", (event) => {
    const button = event.target.closest("[data-step]");
    if (!button) return;
    event.preventDefault();
    const item = button.closest("li");
    move(item, button.dataset.step === "up" ? -1 : 1);
    const other = item.querySelector(`[data-step=${button.dataset.step === "up" ? "down" : "up"}]`);
    (button.disabled ? other : button).focus();
  });

  list.addEventListener("keydown", (event) => {
    if (!event.altKey || (event.key !== "ArrowUp" && event.key !== "ArrowDown")) return;
    const item = event.target.closest("li");
    if (!item) return;
    event.preventDefault();
    const held = document.activeElement;
    move(item, event.key === "ArrowUp" ? -1 : 1);
    (held.disabled ? item.querySelector("button:not(:disabled)") : held).focus();
  });

  // Pointer events and not HTML's drag and drop, which no touch screen has.
  let dragged = null;
  let before = "";
  list.classList.add("orderable");
  list.addEventListener("pointerdown", (event) => {
    const grip = event.target.closest(".grip");
    if (!grip || event.button !== 0) return;
    event.preventDefault();
    dragged = grip.closest("li");
    before = items().map(name).join("\n");
    dragged.classList.add("dragged");
    list.setPointerCapture(event.pointerId); // the list stays where it is; an item that moves loses it
  });
  list.addEventListener("pointermove", (event) => {
    if (!dragged) return;
    const middle = (item) => item.getBoundingClientRect().top + item.offsetHeight / 2;
    const next = items().find((item) => item !== dragged && event.clientY < middle(item)) ?? null;
    if (next !== dragged.nextElementSibling) list.insertBefore(dragged, next);
  });
  function drop() {
    if (!dragged) return;
    const item = dragged;
    dragged = null;
    item.classList.remove("dragged");
    if (items().map(name).join("\n") !== before) changed(item);
  }
  list.addEventListener("pointerup", drop);
  list.addEventListener("pointercancel", drop);

  form.querySelectorAll("[name=feature], #tokens").forEach((field) => field.addEventListener("change", dryRun));
}

document.querySelectorAll("[data-dry-run]").forEach(orderable);
