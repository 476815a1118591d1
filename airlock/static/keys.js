/* Keys for who reads many requests; without this file the page does all the same. */
(() => {
  const ballot = document.getElementById("ballot");
  const parts = [...document.querySelectorAll("[data-part]")];
  if (!ballot || !parts.length) return;
  let at = -1;
  const go = (step) => {
    at = Math.min(Math.max(at + step, 0), parts.length - 1);
    parts[at].focus({ preventScroll: true });
    parts[at].scrollIntoView({ block: "start" });
  };
  const choose = (key) => {
    const mine = parts[Math.max(at, 0)].querySelector(`input[data-key="${key}"]`);
    const whole = ballot.querySelectorAll('input[name="verdict"]');
    const pick = mine || whole[Number(key) - 1];
    pick.checked = true;
    const each = ballot.querySelector('input[value="each"]');
    if (mine && each) each.checked = true;
    if (mine && key !== "1") mine.closest("fieldset").querySelector("textarea").focus();
  };
  const keys = {
    j: () => go(1),
    k: () => go(-1),
    v: () => ballot.querySelector("textarea").focus(),
    "?": () => { const help = document.getElementById("keys"); help.open = true; help.querySelector("summary").focus(); },
  };
  document.addEventListener("focusin", (event) => {
    const part = event.target.closest("[data-part]");
    if (part) at = parts.indexOf(part);
  });
  document.addEventListener("keydown", (event) => {
    const field = event.target.closest("textarea, select, input:not([type=radio]):not([type=checkbox])");
    if (field || event.ctrlKey || event.altKey || event.metaKey) return;
    const act = keys[event.key] || ("123".includes(event.key) && (() => choose(event.key)));
    if (!act) return;
    event.preventDefault();
    act();
  });
})();
