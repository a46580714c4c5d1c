// Inline, before everything: takes calls until the SDK comes, each with its time and a promise.

((page: any) => {
  if (page.usher) return;
  const usher: any = (page.usher = { q: [] });
  "load ready page track identify group alias reset personalize render expose setConsent flush on use".split(" ").map((verb) => {
    usher[verb] = (...args: unknown[]) =>
      new Promise((done) => {
        usher.q.push([verb, args, Date.now(), done]);
      });
  });
})(window);
