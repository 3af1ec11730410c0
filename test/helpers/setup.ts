import fc from "fast-check";

// A run that decides about a change repeats itself; every other looks at new cases.
if (process.env["CI"]) fc.configureGlobal({ seed: 20_261_123 });
