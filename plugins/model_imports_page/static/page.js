"use strict";
(() => {
  const root = document.documentElement;
  const status = document.getElementById("status");
  const loading = new Set();
  const waiting = new WeakMap(); // what was not yet seen, and whether a refresh wants it

  // Airflow shows this page in a frame of its own origin, and its theme is that of the frame's parent.
  function followTheme() {
    if (window.parent === window) return;
    let host;
    try { host = window.parent.document.documentElement; } catch { return; }
    const apply = () => {
      const theme = ["dark", "light"].find((name) => host.classList.contains(name));
      if (theme) root.dataset.theme = theme;
    };
    new MutationObserver(apply).observe(host, { attributes: true, attributeFilter: ["class"] });
    apply();
  }

  // The frame's sandbox lets no link out of it. A link to Airflow or to a console is followed by the parent instead.
  function followOutside(event) {
    const link = event.target.closest("a[data-top]");
    if (!link || window.parent === window) return;
    let outside;
    try { outside = window.parent.document; } catch { return; }
    event.preventDefault();
    const copy = outside.createElement("a");
    copy.href = link.href;
    copy.rel = "noopener";
    if (new URL(link.href).origin !== location.origin || link.pathname.includes("/reports/")) copy.target = "_blank";
    copy.click();
  }

  function age() {
    const moments = [...document.querySelectorAll("[data-read-at]")].map((each) => Date.parse(each.dataset.readAt));
    if (loading.size && !(root.dataset.ready && moments.length)) return "Loading…";
    if (!moments.length) return "Nothing could be read";
    const seconds = Math.max(0, Math.round((Date.now() - Math.min(...moments)) / 1000));
    const read = seconds < 60 ? "Read less than a minute ago" : `Read ${Math.floor(seconds / 60)} min ago`;
    return loading.size ? `${read}; loading…` : read;
  }

  function settle() {
    if (!loading.size && !root.dataset.ready) {
      root.dataset.ready = "true";
      performance.mark("ready");
    }
    const text = age();
    if (status.textContent !== text) status.textContent = text;
  }

  function addressOf(element) {
    if (element.id) return `#${CSS.escape(element.id)}`;
    const href = element.getAttribute("href");
    return href && `a[href="${CSS.escape(href)}"]`;
  }

  // New content takes nothing from the person: neither the focus nor what was typed.
  function fill(holder, html) {
    const typed = holder.querySelector("#find")?.value;
    const focused = holder.contains(document.activeElement) && addressOf(document.activeElement);
    const keep = Number(holder.dataset.keep || 0);
    while (holder.children.length > keep) holder.lastElementChild.remove();
    holder.insertAdjacentHTML("beforeend", html);
    const search = typed && holder.querySelector("#find");
    if (search) { search.value = typed; find(typed); }
    if (focused) holder.querySelector(focused)?.focus({ preventScroll: true });
  }

  function failed(holder, text, html) {
    const box = document.createElement(holder.tagName === "TR" ? "td" : "div");
    if (box.colSpan) { box.colSpan = 3; box.setAttribute("role", "cell"); }
    if (html) box.innerHTML = html;
    else {
      box.className = "notice error";
      box.setAttribute("role", "alert");
      box.textContent = text;
    }
    fill(holder, box.outerHTML);
  }

  async function load(holder, refresh = false) {
    loading.add(holder);
    holder.setAttribute("aria-busy", "true");
    const url = new URL(holder.dataset.src, location.href);
    if (refresh) url.searchParams.set("refresh", "true");
    try {
      const answer = await fetch(url, { headers: { Accept: "text/html" } });
      const text = await answer.text();
      const ours = (answer.headers.get("Content-Type") || "").startsWith("text/html");
      if (answer.ok) { fill(holder, text); watch(holder, refresh); }
      else if (answer.status === 401) failed(holder, "Your session has ended. Log in to Airflow and reload the page.");
      else failed(holder, `Airflow answered ${answer.status}: ${text.slice(0, 200)}`, ours && text);
    } catch {
      failed(holder, "Airflow did not answer. Reload the page to try again.");
    }
    holder.removeAttribute("aria-busy");
    loading.delete(holder);
    settle();
  }

  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting || !waiting.has(entry.target)) continue;
      const refresh = waiting.get(entry.target);
      seen.unobserve(entry.target);
      waiting.delete(entry.target);
      load(entry.target, refresh);
    }
  });

  // What is on the screen is loaded at once, the rest when it comes into sight.
  function watch(within, refresh = false) {
    for (const holder of within.querySelectorAll("[data-src]")) {
      const box = holder.getBoundingClientRect();
      if (box.top < window.innerHeight && box.bottom > 0) load(holder, refresh);
      else { waiting.set(holder, refresh); seen.observe(holder); }
    }
  }

  // The server asks AWS again, but no more often than every few seconds for all viewers together.
  function refresh() {
    if (loading.size) return;
    for (const holder of document.querySelectorAll("main > [data-src], main > section > [data-src]")) {
      if (waiting.has(holder)) waiting.set(holder, true);
      else load(holder, true);
    }
    settle();
  }

  function find(text) {
    const wanted = text.trim().toLowerCase();
    const rows = [...document.querySelectorAll("tr[data-name]")];
    for (const row of rows) row.hidden = !row.dataset.name.includes(wanted);
    const shown = rows.filter((row) => !row.hidden).length;
    document.getElementById("found").textContent = wanted ? `${shown} of ${rows.length}` : "";
  }

  // The frame that Airflow shows this page in may forbid the clipboard; a selection can be copied by hand.
  async function copy(button) {
    const source = button.parentElement.querySelector("code") || button.closest("details").querySelector("pre");
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(source);
      button.textContent = "Selected: press Ctrl+C";
    }
  }

  // A link to a version opens its card.
  function openCard(event) {
    const link = event.target.closest('a[href^="#version-"]');
    const card = link && document.querySelector(link.getAttribute("href"));
    if (!card) return;
    event.preventDefault();
    card.closest("details").open = true;
    card.focus();
    card.scrollIntoView({ block: "center" });
  }

  followTheme();
  document.addEventListener("click", openCard);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
  });
  document.addEventListener("click", followOutside);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-retry]");
    const holder = button && button.closest("[data-src]");
    if (holder) load(holder);
    else if (button) location.reload();
  });
  document.addEventListener("input", (event) => { if (event.target.id === "find") find(event.target.value); });
  document.getElementById("refresh").addEventListener("click", refresh);
  setInterval(settle, 5000);
  watch(document);
  settle();
})();
