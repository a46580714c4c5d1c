// The OpenAPI document that an edge serves, held to the standard by a validator that is not ours.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { Validator } from "@seriousme/openapi-schema-validator";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const read = () => JSON.parse(readFileSync(join(root, "docs/openapi.json"), "utf8"));

test("the document is OpenAPI 3.1", async () => {
  const validator = new Validator();
  const found = await validator.validate(read());
  assert.equal(found.valid, true, JSON.stringify(found.errors, undefined, 1));
  assert.equal(validator.version, "3.1");
  // Every reference leads somewhere.
  assert.doesNotThrow(() => validator.resolveRefs());
});

test("a document that is not is refused", async () => {
  for (const damage of [
    (document) => delete document.info.title,
    (document) => delete document.paths["/healthz"].get.responses["200"].description,
    (document) => (document.paths["/v1/audiences/{audience}/bundle"].get.parameters[0].in = "somewhere"),
    (document) => (document.components.securitySchemes.adminKey.type = "key"),
  ]) {
    const document = read();
    damage(document);
    assert.equal((await new Validator().validate(document)).valid, false, String(damage));
  }
});

test("operations have names of their own, and parameters of their paths", () => {
  const operations = Object.entries(read().paths).flatMap(([path, methods]) => Object.values(methods).map((operation) => ({ path, ...operation })));
  const names = operations.map(({ operationId }) => operationId);
  assert.equal(new Set(names).size, names.length, names.join(" "));
  for (const { path, parameters = [] } of operations) {
    const inPath = parameters.filter((parameter) => parameter.in === "path").map(({ name }) => name);
    assert.deepEqual(inPath, [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name), path);
  }
});
