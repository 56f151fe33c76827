/* Draws the charts of a page from its JSON, in the colours of the theme, again when that changes, and light on paper. */
(function () {
  "use strict";
  var given = document.getElementById("charts");
  if (!given || !window.Plotly) { return; }
  var charts = given.textContent;
  var root = document.documentElement, system = window.matchMedia("(prefers-color-scheme: dark)"), probe = document.createElement("span");
  probe.hidden = true;
  document.body.appendChild(probe);
  // The figures are made for a white page: their colours → variables of the style sheet, or a colour for the dark.
  var VARIABLES = {"#1f5f9e": "--series-1", "#c05f00": "--series-2", "#5a6270": "--fg-muted", "#b3261e": "--bad", "#1c2128": "--fg", "#ffffff": "--bg", "#fafbfc": "--bg"};
  var DARK = {"#f4f7fb": "#1f2a40", "#b9d0e8": "#3f6694", "#f6c98f": "#b3722a", "#8c2d04": "#ffc49a", "rgba(192,95,0,0.15)": "rgba(240,164,87,0.2)"};

  function color(name) { // worked out: a variable may hold a colour for each theme
    probe.style.color = "var(" + name + ")";
    return getComputedStyle(probe).color;
  }
  function dressed(width) {
    var dark = root.classList.contains("dark") || (system.matches && !root.classList.contains("light"));
    var found = JSON.parse(charts, function (key, value) {
      if (typeof value !== "string" || key === "text") { return value; }
      if (VARIABLES[value]) { return color(VARIABLES[value]); }
      return dark && DARK[value] ? DARK[value] : value;
    });
    Object.keys(found).forEach(function (name) {
      var layout = found[name].layout;
      ["xaxis", "yaxis"].forEach(function (axis) {
        layout[axis] = Object.assign({gridcolor: color("--grid"), linecolor: color("--border")}, layout[axis]);
      });
      layout.font = Object.assign({}, layout.font, {family: getComputedStyle(document.body).fontFamily});
      if (layout.legend && window.innerWidth < 600) { layout.legend.y = -0.32; } // below the date, which has two lines there
      if (width) { layout.width = width; }
      layout.hoverlabel = {align: "left", bgcolor: color("--bg-muted"), bordercolor: color("--border-strong"), font: {color: color("--fg")}};
    });
    return found;
  }
  function draw(width) {
    var found = dressed(width);
    Object.keys(found).forEach(function (name) {
      window.Plotly.react(name, found[name].data, found[name].layout, {responsive: true, displayModeBar: false});
    });
  }
  draw();
  document.addEventListener("perennial:theme", function () { draw(); });
  system.addEventListener("change", function () { draw(); });
  var before = root.className;
  window.addEventListener("beforeprint", function () { before = root.className; root.classList.remove("dark"); root.classList.add("light"); draw(690); });
  window.addEventListener("afterprint", function () { root.className = before; draw(); });
})();
