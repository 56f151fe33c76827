/* Draws the charts of a page from its JSON, in the colours of the theme, and again when that changes. */
(function () {
  "use strict";
  var given = document.getElementById("charts");
  if (!given || !window.Plotly) { return; }
  var charts = given.textContent;
  // The figures are made for a white page: their colours → variables of pages.css, or a colour for the dark.
  var VARIABLES = {"#1f5f9e": "--series-1", "#c05f00": "--series-2", "#5a6270": "--fg-muted", "#b3261e": "--bad", "#1c2128": "--fg", "#ffffff": "--bg", "#fafbfc": "--bg"};
  var DARK = {"#f4f7fb": "#1f2a40", "#b9d0e8": "#3f6694", "#f6c98f": "#b3722a", "#8c2d04": "#ffc49a", "rgba(192,95,0,0.15)": "rgba(240,164,87,0.2)"};

  function color(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }
  function dressed() {
    var dark = document.documentElement.classList.contains("dark");
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
      layout.hoverlabel = {align: "left", bgcolor: color("--bg-muted"), bordercolor: color("--border-strong"), font: {color: color("--fg")}};
    });
    return found;
  }
  function draw() {
    var found = dressed();
    Object.keys(found).forEach(function (name) {
      window.Plotly.react(name, found[name].data, found[name].layout, {responsive: true, displayModeBar: false});
    });
  }
  draw();
  document.addEventListener("perennial:theme", draw);
})();
