// The looks of the overlay: one sheet, constructed, so that no policy of the page is in its way and nothing of the page reaches it.

export const STYLE = `
:host(usher-overlay) { all: initial; color-scheme: light dark; }
* { box-sizing: border-box; font: 13px/1.5 system-ui, sans-serif; }
[hidden] { display: none !important; }
.open, .panel {
  --ink: light-dark(#1a2233, #e6ebf5); --soft: light-dark(#525d73, #a0abc0); --card: light-dark(#fff, #171c27); --base: light-dark(#f3f5f9, #10141c);
  --line: light-dark(#ccd2de, #313a4b); --mark: light-dark(#2456d6, #9db7ff); --yes: light-dark(#0a6638, #74dba0); --no: light-dark(#a40e26, #ff9aa5);
  --maybe: light-dark(#7a4e00, #f2c56b);
  color: var(--ink); background: var(--base);
}
.open, .panel:not(.docked) { position: fixed; right: 12px; bottom: 12px; z-index: 2147483647; border: 1px solid var(--soft); border-radius: 8px; }
.open { min-width: 44px; min-height: 32px; padding: 4px 12px; cursor: pointer; font-weight: 600; }
.panel { width: min(420px, calc(100vw - 24px)); max-height: min(70vh, 640px); display: flex; flex-direction: column; box-shadow: 0 8px 30px #0004; }
.docked { width: 100%; height: 100%; max-height: none; box-shadow: none; }
header { display: flex; align-items: center; gap: 8px; min-height: 56px; padding: 8px 8px 0 12px; }
h2, h3 { margin: 0; }
h2 { font-size: 15px; }
h3 { margin: 10px 0 4px; }
b, h2, h3, h3 code, th { font-weight: 600; }
.status { flex: 1; max-height: 3em; overflow: hidden; text-align: end; font-variant-numeric: tabular-nums; }
[role=tablist] { display: flex; flex-wrap: wrap; gap: 2px; padding: 4px 8px 0; border-bottom: 1px solid var(--line); }
button { color: inherit; background: none; border: 1px solid transparent; border-radius: 6px; padding: 3px 8px; min-height: 26px; cursor: pointer; text-align: start; }
button:hover { background: color-mix(in srgb, var(--mark) 12%, transparent); }
[role=tab] { border-radius: 6px 6px 0 0; border-bottom: 2px solid transparent; }
[aria-selected=true] { border-bottom-color: var(--mark); font-weight: 600; }
button:focus-visible, summary:focus-visible, pre:focus-visible, [role=tabpanel]:focus-visible { outline: 2px solid var(--mark); outline-offset: -1px; }
.action { background: var(--card); border-color: var(--soft); margin: 4px 4px 4px 0; }
[role=tabpanel] { flex: 1; overflow: auto; padding: 8px 12px 16px; }
ul, ol { margin: 0; padding-left: 16px; }
.plain { list-style: none; padding: 0; }
.tree { list-style: none; padding-left: 10px; margin-top: 2px; border-left: 1px solid var(--line); }
li { margin: 3px 0; overflow-wrap: anywhere; }
.card { margin: 6px 0; padding: 6px 10px; background: var(--card); border: 1px solid var(--line); border-radius: 8px; overflow-wrap: anywhere; }
.edge { border-left-width: 4px; }
.edge.matched { border-left-color: var(--yes); }
.edge.not_matched { border-left-color: var(--no); }
.edge.unknown { border-left-color: var(--maybe); }
.edge.not_reached { border-left-style: dashed; }
.pill { padding: 0 7px; border: 1px solid currentColor; border-radius: 99px; font-size: 11px; }
p { margin: 4px 0; }
code, .mono, pre { font-family: ui-monospace, "Cascadia Mono", Menlo, monospace; font-size: 12px; }
pre { margin: 4px 0; padding: 6px 8px; max-height: 260px; overflow: auto; background: var(--card); border: 1px solid var(--line); border-radius: 6px; white-space: pre-wrap; overflow-wrap: anywhere; }
details summary { cursor: pointer; color: var(--soft); font-size: 12px; min-height: 24px; padding-top: 3px; }
.quiet { color: var(--soft); }
.verdict { white-space: nowrap; }
.matched, .sent { color: var(--yes); }
.not_matched, .dropped { color: var(--no); }
.unknown, .held, .memory { color: var(--maybe); }
.card.edge { color: inherit; }
table { border-collapse: collapse; width: 100%; }
td:last-child.quiet { min-width: 7em; }
th, td { text-align: left; vertical-align: top; padding: 3px 8px 3px 0; border-top: 1px solid var(--line); overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.bars { display: flex; align-items: end; gap: 3px; min-height: 96px; font-variant-numeric: tabular-nums; }
.bars span { flex: 1; display: grid; text-align: center; font-size: 11px; }
.bars i { background: var(--mark); border-radius: 3px 3px 0 0; border-bottom: 1px solid var(--soft); }
label { display: inline-flex; align-items: center; gap: 6px; min-height: 26px; }
.frame { position: fixed; z-index: 2147483646; pointer-events: none; border: 2px solid light-dark(#2456d6, #9db7ff); background: #2456d61a; }
@media (max-width: 400px) { .status { max-height: 4em; font-size: 11px; line-height: 1.25; } }
@media (prefers-reduced-motion: no-preference) { .card { transition: border-color .3s; } }
@media (forced-colors: active) { [aria-selected=true] { border-bottom-color: Highlight; } }
`;
