import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { IdleWatch } from "../../src/flow/idle-watch.ts";

beforeEach(
  () => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] }),
);
afterEach(() => void vi.useRealTimers());

/** A watch of 800 ms over counts that the test sets, and when it expired, in ms. */
function watch() {
  const counts = { moved: 0, held: 0 };
  const asked = { held: 0 };
  const expired: number[] = [];
  const start = performance.now();
  const held = () => (asked.held++, counts.held);
  const expire = () => void expired.push(performance.now() - start);
  const idle = new IdleWatch(800, () => counts.moved, held, expire);
  return { counts, asked, expired, idle };
}

test("tells once, after the time", () => {
  const { expired } = watch();
  vi.advanceTimersByTime(5000);
  expect(expired).toEqual([800]);
});

test("tells so long after the last byte that moved, to an eighth", () => {
  const { counts, expired } = watch();
  vi.advanceTimersByTime(750);
  counts.moved = 1;
  vi.advanceTimersByTime(5000);
  expect(expired).toEqual([1600]);
});

test("what the system still holds for the peer counts as moving while it becomes less", () => {
  const { counts, expired } = watch();
  for (const held of [300, 200, 100]) {
    counts.held = held;
    vi.advanceTimersByTime(700);
  }
  expect(expired).toEqual([]);
  counts.held = 0;
  vi.advanceTimersByTime(5000);
  expect(expired).toHaveLength(1);
});

test("what the system holds is not asked for while bytes move", () => {
  const { counts, asked } = watch();
  for (let i = 0; i < 50; i++) {
    counts.moved++;
    vi.advanceTimersByTime(100);
  }
  expect(asked.held).toBe(0);
});

test("tells nothing once it is stopped", () => {
  const { expired, idle } = watch();
  vi.advanceTimersByTime(799);
  idle.stop();
  vi.advanceTimersByTime(5000);
  expect(expired).toEqual([]);
});
