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
  if (outer()) { root.style.setProperty("--font", window.parent.getComputedStyle(outer().body).fontFamily); }
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

  // Tables: a button in each head that sorts, and a bar that searches and filters.
  function sortable(table) {
    var heads = Array.prototype.slice.call(table.tHead.rows[0].cells), body = table.tBodies[0];
    function key(row, place) { // a cell may span several columns
      var cells = row.cells, at = 0;
      for (var i = 0; i < cells.length; i += 1) {
        at += cells[i].colSpan;
        if (at > place) { return cells[i].dataset.key || ""; }
      }
      return "";
    }
    function compare(a, b) {
      if (a === "" || b === "") { return a === b ? 0 : null; }
      var x = Number(a), y = Number(b);
      return isNaN(x) || isNaN(y) ? a.localeCompare(b) : x - y;
    }
    heads.forEach(function (head, place) {
      if (!("sort" in head.dataset)) { return; }
      var button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.textContent = "";
      head.appendChild(button);
      button.addEventListener("click", function () {
        var down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach(function (one) { one.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        var rows = Array.prototype.slice.call(body.rows).map(function (row) { return {row: row, key: key(row, place)}; });
        rows.sort(function (a, b) { // what has no value comes last, whichever the direction
          var said = compare(a.key, b.key);
          return said === null ? (a.key === "" ? 1 : -1) : (down ? -said : said);
        });
        rows.forEach(function (one) { body.appendChild(one.row); });
      });
    });
  }

  function filtered(bar) {
    var table = document.getElementById(bar.dataset.filter), none = document.querySelector('[data-none="' + bar.dataset.filter + '"]');
    var rows = Array.prototype.slice.call(table.tBodies[0].rows), search = bar.querySelector("[data-search]");
    var chosen = Array.prototype.slice.call(bar.querySelectorAll("select[data-where]")), count = bar.querySelector("[data-count]");
    var texts = rows.map(function (row) { return row.textContent.toLowerCase(); });
    function apply() {
      var words = search.value.toLowerCase().split(/\s+/).filter(Boolean), left = 0;
      rows.forEach(function (row, place) {
        var fits = words.every(function (word) { return texts[place].indexOf(word) >= 0; }) && chosen.every(function (one) {
          return !one.value || (row.dataset[one.dataset.where] || "").split(" ").indexOf(one.value) >= 0;
        });
        row.classList.toggle("hidden", !fits);
        left += fits ? 1 : 0;
      });
      count.textContent = left + " of " + rows.length;
      if (none) { none.classList.toggle("hidden", left > 0); }
    }
    bar.hidden = false;
    bar.addEventListener("input", apply);
    document.addEventListener("keydown", function (event) {
      var busy = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
      if (event.key === "/" && !busy && !event.ctrlKey && !event.metaKey && !event.altKey) { event.preventDefault(); search.focus(); }
      if (event.key === "Escape" && document.activeElement === search) { search.value = ""; apply(); }
    });
    apply();
  }

  document.addEventListener("DOMContentLoaded", function () {
    Array.prototype.forEach.call(document.querySelectorAll("table[data-sortable]"), sortable);
    Array.prototype.forEach.call(document.querySelectorAll("[data-filter]"), filtered);
  });
})();
