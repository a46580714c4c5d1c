// Before the first paint: whether scripts run, whether a scenario takes its place above the shop, and whether the page is another than
// the first, so that nothing moves later.
{
  const { dataset } = document.documentElement;
  dataset.js = "";
  if (new URLSearchParams(location.search).has("s")) dataset.scenario = "";
  else if (/^#\/./.test(location.hash)) dataset.size = "compact";
}
