// While a run goes on its page is written anew; this loads it again, and keeps what is shown: the link says most of it.
(() => {
  "use strict";
  const note = document.getElementById("live"); // not of a run that has ended: its page takes over what was shown, and rests
  const every = 1000 * Number(note?.dataset.seconds), written = Number(note?.dataset.written);
  const PATIENCE = 300_000, KEY = `gridsearch ${location.pathname}`; // ms without a new page until the writer is given up
  let touched = 0;
  for (const kind of ["pointerdown", "keydown", "input", "wheel", "touchmove"])
    addEventListener(kind, () => (touched = Date.now()), { capture: true, passive: true });

  function keep() {
    const open = [...document.querySelectorAll("details")].map((one) => one.open);
    try {
      sessionStorage.setItem(KEY, JSON.stringify({ scroll: scrollY, open, focus: document.activeElement?.id }));
    } catch {
      // not allowed to remember: the link is kept anyway
    }
  }

  function restore() {
    try {
      const { scroll, open, focus } = JSON.parse(sessionStorage.getItem(KEY) ?? "{}");
      document.querySelectorAll("details").forEach((one, number) => (one.open = open?.[number] ?? one.open));
      if (focus) document.getElementById(focus)?.focus({ preventScroll: true });
      if (scroll) scrollTo(0, scroll);
      sessionStorage.removeItem(KEY);
    } catch {
      // nothing was remembered
    }
  }

  function watch() {
    restore();
    if (!note) return;
    const timer = setInterval(() => {
      if (Date.now() - written > PATIENCE) {
        clearInterval(timer);
        note.textContent = "Nobody has written this page for five minutes, so it no longer loads itself again; the run may be at work all the same.";
      } else if (!document.hidden && Date.now() - touched > 3000) {
        keep();
        location.reload();
      }
    }, every);
  }

  if (note) history.scrollRestoration = "manual";
  // Not before all is there: what is kept of a page half loaded would be lost
  if (document.getElementById("explorer-root")) document.addEventListener("explorer-ready", () => requestAnimationFrame(watch), { once: true });
  else addEventListener("load", watch, { once: true });
})();
