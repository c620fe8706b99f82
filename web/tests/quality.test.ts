import { describe, expect, it } from "vitest";
import type { Chance } from "../src/core/manifest";
import { chance, reason, signals } from "../src/core/quality";
import { json } from "./golden";

interface Case { whole: boolean; size: number; light: number; confidence: number; best: number; label: string; chance: number }
const golden = json<{ model: Chance; cases: Case[] }>("chances.json");

describe("the chance that an answer is right equals Python's", () => {
  it.each(golden.cases.map((one, i) => [`case ${i}`, one] as const))("%s", (_, one) => {
    const measured = { size: one.size, sharpness: 0.2, turn: Number.NaN, light: one.light, contrast: 30, score: 0 };
    const known = signals(measured, one.confidence, one.best, 0.5, one.whole);
    expect(chance(golden.model, known, one.label)).toBeCloseTo(one.chance, 5);
  });

  it("names a signal that this page does not measure", () => {
    expect(() => chance({ bias: 0, curves: { gloss: { knots: [0], values: [1] } } }, {}, "fear")).toThrow("gloss");
  });
});

it("calls a flat answer uncertain before it calls its quality low", () => {
  const measured = { size: 90, sharpness: 0.2, turn: 0, light: 100, contrast: 30, score: 0.2 };
  expect(reason(measured, 1.5, 0.3, { max_entropy: 1, min_quality: 0.5 })).toBe("uncertain");
  expect(reason(measured, 0.5, 0.9, { max_entropy: 1, min_quality: 0.5 })).toBe("low quality");
});
