// Before the first paint: whether scripts run, whether a scenario takes its place above the shop, and whether the page is another than
// the first, so that nothing moves later; and the theme and width that were chosen before.
{
  const { dataset, style } = document.documentElement;
  dataset.js = "";
  if (new URLSearchParams(location.search).has("s")) dataset.scenario = "";
  else if (/^#\/./.test(location.hash)) dataset.size = "compact";
  try {
    const [theme, side] = ["theme", "side"].map((name) => JSON.parse(localStorage.getItem(`second-row.${name}`)));
    if (theme === "light" || theme === "dark") dataset.theme = theme;
    if (Number.isInteger(side)) style.setProperty("--side", `${side}vw`);
  } catch {
    // Storage is blocked, so nothing was chosen.
  }
}
