// Values that would run a script, load something or lead away, if a sink took them for more than a text.
//
// Kernels in every wrapping: what a parser, a URL reader, a list of candidates or a second decoding could make of them.

const CODE = "alert(1)";
const KERNELS = [
  `<script>${CODE}</script>`, `<img src=x onerror=${CODE}>`, `<svg onload=${CODE}>`, `<svg><script>${CODE}</script></svg>`,
  `<iframe srcdoc="<script>parent.${CODE}</script>"></iframe>`, `<iframe src="javascript:parent.${CODE}"></iframe>`,
  `<a href="javascript:${CODE}">x</a>`, `<body onload=${CODE}>`, `<details open ontoggle=${CODE}>`, `<input autofocus onfocus=${CODE}>`,
  `<math><mtext><style><img src=x onerror=${CODE}></style></mtext></math>`, `<template><img src=x onerror=${CODE}></template>`,
  `<object data="javascript:${CODE}"></object>`, `<embed src="javascript:${CODE}">`, `<form action="javascript:${CODE}"><button>x</button></form>`,
  `<meta http-equiv=refresh content="0;url=javascript:${CODE}">`, `<link rel=stylesheet href=//evil.invalid/x.css>`, `<base href=//evil.invalid/>`,
  `<img src=//evil.invalid/pixel.gif>`, `<video><source onerror=${CODE}></video>`, `<p style="background:url(//evil.invalid/x)">x</p>`,
  `javascript:${CODE}`, `JaVaScRiPt:${CODE}`, `data:text/html,<script>${CODE}</script>`, `vbscript:${CODE}`, `blob:http://127.0.0.1/x`,
  `//evil.invalid/x.png`, `https://evil.invalid/x.png 2x`, `/ok.png 1x, //evil.invalid/x.png 2x`, `http:\\\\evil.invalid\\x`, `/\\evil.invalid/x`,
  `http://127.0.0.1@evil.invalid/x`, `?x"><script>${CODE}</script>`, `{{constructor.constructor('${CODE}')()}}`, `\${${CODE}}`,
];
const WRAPPINGS = [
  (kernel) => kernel,
  (kernel) => `"'>${kernel}<!--`,
  (kernel) => `\u0001 \t\n${kernel}`,
  (kernel) => kernel.replace(/[<>"]/g, (c) => `&#${c.charCodeAt(0)};`),
  (kernel) => `</style></title></textarea></noscript>${kernel}`,
  (kernel) => kernel.replace("a", "\u0000a").replace("script:", "scr\tipt\n:"),
  (kernel) => `<p><b>${kernel}</b></p>`,
];

const plain = WRAPPINGS.flatMap((wrap) => KERNELS.map(wrap));

/** `count` payloads, or all of one wrapping: those, then each in two wrappings, and behind another. */
export function payloads(count) {
  const twice = WRAPPINGS.flatMap((outer) => plain.map((payload) => outer(payload)));
  const behind = plain.flatMap((payload, at) => KERNELS.map((_, step) => payload + plain[(at + 1 + step * 7) % plain.length]));
  const all = [...new Set([...plain, ...twice, ...behind])];
  return all.slice(0, Math.max(count, plain.length));
}
