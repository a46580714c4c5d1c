// Inline, before everything: takes calls until the SDK comes, each with its time and a promise. What answers at once says that there is
// nothing yet.

((page: any) => {
  if (page.usher) return;
  const usher: any = (page.usher = { q: [] });
  const take = (verb: string) => (...args: unknown[]) =>
    new Promise((done) => {
      usher.q.push([verb, args, Date.now(), done]);
    });
  "load ready page track identify group alias reset personalize render expose setConsent flush on use".split(" ").map((verb) => {
    usher[verb] = take(verb);
  });
  usher.engine = { load: take("loadEngine"), info: () => ({ state: "off", waiting: 0 }), measure: () => null };
  usher.debug = { status: () => null };
})(window);
