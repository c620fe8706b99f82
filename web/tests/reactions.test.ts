import { describe, expect, it } from "vitest";
import { react } from "../src/reactions/policy";
import { golden } from "./golden";

const sources = ["faces alone", "faces, and valence and arousal of the whole picture", "faces, and emotions of the whole picture"];

describe.each(golden.reactions.map((one, at) => [sources[at]!, one] as const))("by %s", (_, { policy, cases }) => {
  it.each(cases.map((one, at) => [at, one] as const))("case %i is decided as Python decides it", (_, { faces, scene, expected }) => {
    const found = react(faces, policy, scene);
    for (const [label, score] of Object.entries(expected.emotion_scores)) expect(found.emotion_scores[label]).toBeCloseTo(score, 4);
    expect(Object.keys(found.emotion_scores)).toEqual(Object.keys(expected.emotion_scores));
    for (const key of ["predicted_emotions", "allowed_emojis", "blocked_emojis", "note", "decisions"] as const) {
      expect(found[key]).toEqual(expected[key]);
    }
  });
});

it("a heart is the same emoji with and without the request for colour", () => {
  const rules = { sad: { threshold: 0.5, allows: ["❤"], blocks: [] }, happy: { threshold: 0.5, allows: [], blocks: ["❤️"] } };
  const own = { label_set: "own", labels: ["sad", "happy"], mapping: { a: "sad", b: "happy" }, fusion: { faces: 1 }, scene: null, rules };
  const { decisions } = react([{ scores: { a: 0.1, b: 0.9 }, abstained: null }], own);
  expect(decisions).toEqual([{ emoji: "❤", status: "blocked", emotion: "happy", reason: "❤ blocked: happy 0.90 >= 0.50" }]);
});
