/* Loaded before the first paint: the theme. Then links out of Airflow's frame, and tables that sort and filter. No page needs it to be read. */
(function () {
  "use strict";
  var root = document.documentElement;

  function outer() { // Airflow's document around our frame, or null where we stand alone
    try { return window.parent !== window && window.parent.document ? window.parent.document : null; } catch (e) { return null; }
  }

  // Theme: what Airflow's page shows; alone: what was chosen there (localStorage `theme`), else what the system prefers.
  var system = window.matchMedia("(prefers-color-scheme: dark)");
  function chosen() {
    var frame = outer(), kept = null;
    if (frame) {
      if (frame.documentElement.classList.contains("dark")) { return "dark"; }
      if (frame.documentElement.classList.contains("light")) { return "light"; }
    }
    try { kept = window.localStorage.getItem("theme"); } catch (e) { kept = null; }
    return kept === "dark" || kept === "light" ? kept : (system.matches ? "dark" : "light");
  }
  function dress() {
    var theme = chosen();
    if (root.classList.contains(theme)) { return; }
    root.classList.remove("light", "dark");
    root.classList.add(theme);
    document.dispatchEvent(new CustomEvent("perennial:theme", {detail: theme}));
  }
  dress();
  system.addEventListener("change", dress);
  window.addEventListener("storage", dress);
  if (outer()) { new MutationObserver(dress).observe(outer().documentElement, {attributes: true, attributeFilter: ["class"]}); }

  // Airflow's frame may neither open windows nor leave itself: the same link in Airflow's own document may.
  function leave(event) {
    var link = event.target.closest ? event.target.closest("a[href]") : null, frame = outer();
    if (!link || !frame || event.defaultPrevented || event.button > 1 || !/^https?:$/.test(link.protocol)) { return; }
    var aside = event.ctrlKey || event.metaKey || event.shiftKey || event.button === 1 || link.target === "_blank";
    if (!aside && link.target !== "_top") { return; }
    event.preventDefault();
    var out = frame.createElement("a");
    out.href = link.href;
    if (aside) { out.target = "_blank"; out.rel = "noopener noreferrer"; }
    frame.body.appendChild(out);
    out.click();
    out.remove();
  }
  document.addEventListener("click", leave);
  document.addEventListener("auxclick", leave);
})();
