// What a page does by itself: it counts seconds, stops polling while nobody sees it, filters rows, and knows some keys.
// Without it, everything can be read; acts are plain forms.
"use strict";
(() => {
  const content = document.getElementById("content");
  const lost = document.getElementById("lost");
  let tag = content && content.dataset.tag;

  const words = (seconds) => {
    if (seconds >= 172800) return Math.floor(seconds / 86400) + "d";
    const hours = Math.floor(seconds / 3600), minutes = Math.floor(seconds / 60) % 60;
    if (hours) return hours + "h" + (minutes ? minutes + "m" : "");
    return (minutes ? minutes + "m" : "") + (seconds % 60 || !minutes ? (seconds % 60) + "s" : "");
  };
  const began = new Date(content?.dataset.now || 0).getTime(), speed = Number(content?.dataset.speed || 1);
  const count = () => {
    if (document.hidden || !began) return;
    const now = began + performance.now() * speed;  // by the server's clock: this machine's may be wrong
    for (const time of document.querySelectorAll("time[data-ago], time[data-left]")) {
      const seconds = Math.round((new Date(time.dateTime) - now) / 1000);
      const text = "left" in time.dataset ? (seconds > 0 ? words(seconds) + " left" : "due")
        : (seconds > -5 ? "just now" : words(-seconds) + " ago");
      if (time.textContent !== text) time.textContent = text;
    }
  };
  const filter = () => {
    const input = document.querySelector("[data-filter]");
    if (!input) return;
    const wanted = input.value.trim().toLowerCase().split(/\s+/);
    for (const row of document.querySelectorAll(input.dataset.filter))
      row.hidden = !wanted.every((word) => row.textContent.toLowerCase().includes(word));
  };
  setInterval(count, 1000);
  document.addEventListener("input", (event) => { if (event.target.matches("[data-filter]")) filter(); });

  let typed = "";
  document.addEventListener("htmx:beforeRequest", (event) => { if (document.hidden) event.preventDefault(); });
  document.addEventListener("htmx:configRequest", (event) => { if (tag) event.detail.headers["If-None-Match"] = '"' + tag + '"'; });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const status = event.detail.xhr.status;
    if (status === 401 || status === 403) { location.reload(); return; }
    if (status !== 200 && status !== 304) return;
    lost.hidden = true;
    const selected = String(document.getSelection());
    if (selected && status === 200) { event.detail.shouldSwap = false; return; }  // somebody copies from the page
    if (status === 200) tag = (event.detail.xhr.getResponseHeader("ETag") || "").replace(/"/g, "");
    typed = document.querySelector("[data-filter]")?.value || "";
  });
  document.addEventListener("htmx:afterSwap", () => {
    const input = document.querySelector("[data-filter]");
    if (input && typed) { input.value = typed; filter(); }
    document.getElementById("requested")?.remove();  // what it has led to is on the page by now
    if (location.search === "?requested") history.replaceState(null, "", location.pathname);
    count();
  });
  for (const name of ["htmx:sendError", "htmx:timeout"]) document.addEventListener(name, () => { lost.hidden = false; });
  document.addEventListener("htmx:responseError", (event) => { if (event.detail.xhr.status >= 500) lost.hidden = false; });
  document.addEventListener("visibilitychange", () => { if (!document.hidden && content && window.htmx && content.hasAttribute("hx-get")) count(); });

  const pages = { o: "/", p: "/plan", d: "/drift", t: "/tree", e: "/events" };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea, dialog *")) return;
    const key = event.key;
    if (key in pages) location.href = pages[key];
    else if (key === "?") document.getElementById("keys").showModal();
    else if (key === "/") { const input = document.querySelector("[data-filter]"); if (input) { event.preventDefault(); input.focus(); } }
    else if (key === "j" || key === "k") {
      const links = [...document.querySelectorAll("#services tbody tr:not([hidden]) a")];
      if (!links.length) return;
      const at = links.indexOf(document.activeElement);
      links[Math.max(0, Math.min(links.length - 1, at + (key === "j" ? 1 : -1)))].focus();
    }
  });
  count();
})();
