// The looks of the overlay: one sheet, constructed, so that no policy of the page is in its way and nothing of the page reaches it.

export const STYLE = `
:host { all: initial; }
* { box-sizing: border-box; font: 13px/1.5 system-ui, sans-serif; }
[hidden] { display: none !important; }
.open, .panel { position: fixed; right: 12px; bottom: 12px; z-index: 2147483647; color: #1c2230; background: #fff; border: 1px solid #8a93a6; border-radius: 8px; }
.open { min-width: 44px; min-height: 32px; padding: 4px 12px; cursor: pointer; font-weight: 600; }
.panel { width: min(420px, calc(100vw - 24px)); max-height: min(70vh, 640px); display: flex; flex-direction: column; box-shadow: 0 8px 30px #0004; }
header { display: flex; align-items: center; justify-content: space-between; padding: 6px 8px 0 12px; }
h2 { margin: 0; }
b, h2, th { font-weight: 600; }
[role=tablist] { display: flex; flex-wrap: wrap; gap: 2px; padding: 4px 8px; border-bottom: 1px solid #c9cfdb; }
button { color: inherit; background: none; border: 1px solid transparent; border-radius: 4px; padding: 3px 8px; min-height: 26px; cursor: pointer; }
button:hover, [aria-selected=true] { background: #e7ebf5; }
button:focus-visible, [role=tabpanel]:focus-visible { outline: 2px solid #2456d6; outline-offset: 1px; }
.action { border-color: #8a93a6; margin: 4px 4px 0 0; }
[role=tabpanel] { overflow: auto; padding: 8px 12px 12px; }
ul, ol { margin: 0; padding-left: 16px; }
.plain { list-style: none; padding: 0; }
li { margin: 2px 0; overflow-wrap: anywhere; }
p { margin: 4px 0; }
code, .mono { font-family: ui-monospace, monospace; font-size: 12px; }
.quiet { color: #545d70; }
.matched, .sent { color: #116329; }
.not_matched, .dropped { color: #a40e26; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 2px 8px 2px 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.frame { position: fixed; z-index: 2147483646; pointer-events: none; border: 2px solid #2456d6; background: #2456d61a; }
@media (prefers-color-scheme: dark) {
  .open, .panel { color: #e8ebf2; background: #171b24; border-color: #5d6679; }
  button:hover, [aria-selected=true] { background: #2b3242; }
  .quiet { color: #a6aebf; }
  .matched, .sent { color: #6fdd8b; }
  .not_matched, .dropped { color: #ff9aa5; }
  [role=tablist] { border-color: #3a4254; }
  button:focus-visible, [role=tabpanel]:focus-visible { outline-color: #9db7ff; }
}
`;
