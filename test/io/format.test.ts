import { describe, expect, it } from "vitest";
import { formatBytes, formatDuration } from "#lib/io/format.js";

describe("formatBytes", () => {
  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.0 kB"],
    [9_960, "10 kB"],
    [191_794_682, "192 MB"],
    [999_600_000, "1.0 GB"],
    [5e15, "5000 TB"],
  ])("writes %d as %s", (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});

describe("formatDuration", () => {
  it.each([
    [0.04, "0.0 s"],
    [4.23, "4.2 s"],
    [9.97, "10 s"],
    [59.6, "1 min 0 s"],
    [125, "2 min 5 s"],
    [3725, "1 h 2 min"],
  ])("writes %d as %s", (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });
});
