// Changes of the path within one document, by whatever router.

/** Where there is no event: the time between two looks. */
const LOOK_MS = 250;

/** Calls back once for each new path; a change of the query or the hash alone is none. Nothing of the page is patched. */
export function watchRoutes(win: Window & typeof globalThis, changed: () => void): void {
  let path = win.location.pathname;
  const look = () => {
    if (win.location.pathname === path) return;
    path = win.location.pathname;
    changed();
  };
  const navigation = (win as { navigation?: EventTarget }).navigation;
  // Routers push, then replace, and set the title after that.
  if (navigation) navigation.addEventListener("navigatesuccess", () => setTimeout(look));
  else setInterval(look, LOOK_MS);
}
