/* Sends what a person does on a page: to our own addresses, or to Airflow's API, always as JSON with a header that no foreign page can send. */
(function () {
  "use strict";
  var ASKED_AGAIN_MS = 2000, TRIES = 8;

  function fields(form) {
    var found = {};
    Array.prototype.forEach.call(form.elements, function (one) {
      if (!one.name || one.name === "answer") { return; }
      found[one.name] = one.type === "checkbox" ? one.checked : (one.hasAttribute("data-number") ? Number(one.value) : one.value);
    });
    return found;
  }

  function send(method, url, body) {
    return fetch(url, {
      method: method, credentials: "same-origin", redirect: "error",
      headers: {"Content-Type": "application/json", "Accept": "application/json", "X-Perennial": "1"},
      body: body === undefined ? undefined : JSON.stringify(body)
    }).then(function (answer) {
      return answer.json().catch(function () { return {}; }).then(function (told) { return {status: answer.status, ok: answer.ok, told: told}; });
    });
  }

  function refused(found) {
    if (found.status === 401) { return "Your login has ended: log in to Airflow again, then repeat it."; }
    var told = found.told.text || found.told.detail;
    if (Array.isArray(told)) { told = told.map(function (one) { return (one.loc || []).slice(-1) + ": " + one.msg; }).join("; "); }
    if (told && typeof told === "object") { told = told.reason || JSON.stringify(told); }
    return (found.status === 403 ? "Not allowed. " : "") + (told || "Airflow answered with status " + found.status + ".");
  }

  function train(form) {
    var reason = fields(form).reason.trim();
    var body = {logical_date: null, conf: reason ? {reason: reason} : {}};
    if (reason) { body.note = reason; }
    return send("POST", form.dataset.act, body).then(function (found) {
      if (!found.ok) { return {bad: refused(found)}; }
      var run = found.told.dag_run_id;
      return {good: "The training was started: ", link: form.dataset.run + "/" + encodeURIComponent(run), name: run};
    });
  }

  // Airflow loses an answer that comes before its scheduler has seen that the task waits, and asks again: so one looks whether it stays.
  function answer(form, button) {
    var left = TRIES;
    function give() {
      return send("PATCH", form.dataset.act, {chosen_options: [button.value], params_input: {}}).then(function (found) {
        return found.ok || found.status === 409 ? look(2) : {bad: refused(found)};
      });
    }
    function look(times) {
      return wait().then(function () { return send("GET", form.dataset.act); }).then(function (found) {
        if (found.ok && found.told.response_received === false) {
          left -= 1;
          return left > 0 ? give() : {bad: "Airflow has asked again each time. Look at the run."};
        }
        if (times > 1) { return look(times - 1); }
        if (!found.ok) { return {bad: refused(found) + " Whether the answer was taken, the page shows when it is loaded again."}; }
        var said = found.told.chosen_options ? found.told.chosen_options[0] : button.value;
        var who = found.told.responded_by_user ? " by " + found.told.responded_by_user.name : "";
        return {good: "Answered" + who + ": " + (said === "Approve" ? "yes" : "no") + ". The run goes on."};
      });
    }
    return give();
  }

  function own(form) {
    return send("POST", form.dataset.act, fields(form)).then(function (found) {
      if (!found.ok) { return {bad: refused(found)}; }
      return {good: found.told.text + " ", link: window.location.pathname + window.location.search, name: "Load the page again", here: true};
    });
  }

  function wait() { return new Promise(function (done) { window.setTimeout(done, ASKED_AGAIN_MS); }); }

  function show(place, said) {
    place.className = "said anywhere " + (said.bad ? "bad" : "good");
    place.textContent = said.bad || said.good || "";
    if (said.link) {
      var link = document.createElement("a");
      link.href = said.link; link.textContent = said.name;
      if (!said.here) { link.target = "_top"; }
      place.appendChild(link);
    }
  }

  function submit(event) {
    var form = event.target;
    if (!form.dataset || !form.dataset.act) { return; }
    event.preventDefault();
    var button = event.submitter || form.querySelector("button"), place = form.querySelector("[data-said]");
    if (form.hasAttribute("aria-busy")) { return; }
    var buttons = form.querySelectorAll("button");
    form.setAttribute("aria-busy", "true");
    buttons.forEach(function (one) { one.disabled = true; });
    place.className = "said muted"; place.textContent = "Working …";
    ({train: train, answer: answer, own: own})[form.dataset.kind](form, button).catch(function (error) {
      return {bad: "Airflow did not answer (" + error.message + "). Whether it was done, the page shows when it is loaded again."};
    }).then(function (said) {
      form.removeAttribute("aria-busy");
      show(place, said);
      if (said.bad) { buttons.forEach(function (one) { one.disabled = false; }); button.focus(); }
    });
  }
  document.addEventListener("submit", submit);

  function load(section) {
    return fetch(section.dataset.acts, {credentials: "same-origin", headers: {"Accept": "text/html"}}).then(function (answer) {
      if (!answer.ok) { throw new Error("status " + answer.status); }
      return answer.text();
    }).then(function (text) { section.querySelector("[data-acts-body]").innerHTML = text; });
  }
  document.querySelectorAll("[data-acts]:not([data-acts-here])").forEach(function (section) {
    load(section).catch(function () { return null; }); // the link to the page of its own remains
  });
})();
