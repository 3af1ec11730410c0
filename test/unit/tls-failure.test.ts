import { expect, test } from "vitest";
import { dateOf, nameInWords } from "../../src/endpoints/tls-failure.ts";

test("a date of a certificate is an ISO date, and null where it is in no calendar", () => {
  expect(dateOf("Jan  2 03:04:05 2020 GMT")).toBe("2020-01-02T03:04:05Z");
  expect(dateOf("Bad time value")).toBe(null);
});

test("a name is its common name, or all that it has", () => {
  expect(nameInWords({ CN: "example.test", O: "Example" })).toBe("example.test");
  expect(nameInWords({ O: "Example", OU: ["a", "b"] })).toBe("O=Example, OU=a, b");
  expect(nameInWords({})).toBe("nobody");
  expect(nameInWords(undefined)).toBe("nobody");
});
