import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-web";
import { beforeAll, describe, expect, it } from "vitest";
import { crop } from "../src/core/crop";
import { type Manifest, parseManifest } from "../src/core/manifest";
import { describe as describeHead, entropy, predictionSet } from "../src/core/scores";
import { Engine } from "../src/device/engine";
import { PRECISION } from "../src/device/models";
import { convey } from "../src/device/scene";
import { Opened, type Runtime } from "../src/device/session";
import { FOLDER, type GoldenHead, type GoldenScores, golden, json, source } from "./golden";

const ASSETS = new URL("../../src/mien/assets/", import.meta.url);

interface Shipped {
  expression: { sha256: string; scores: GoldenScores[] };
  face: { sha256: string; side: number; boxes: number[][]; scores: number[]; points: number[][][] };
  scene: { sha256: string; values: Record<string, number[]> };
  read: { faces: (GoldenHead & { box: number[]; quality: number; abstained: string | null; heads: Record<string, GoldenHead> })[] };
}

interface Stored { manifest: Manifest; precision: string; graph: ArrayBuffer }

function stored(folder: URL, precision = PRECISION): Stored {
  const manifest = parseManifest(JSON.parse(readFileSync(new URL("model.json", folder), "utf8")));
  const bytes = readFileSync(new URL(manifest.graphs[precision]!.file, folder));
  return { manifest, precision, graph: new Uint8Array(bytes).buffer };
}

const shipped = json<Shipped>("models.json");
const face = stored(new URL("face/", ASSETS));

beforeAll(() => {
  ort.env.wasm.numThreads = 1;
});

/** Compare the scores of every golden crop with Python's; return the largest difference. */
async function compare(engine: Engine, expected: readonly GoldenScores[]): Promise<number> {
  let most = 0;
  for (const [at, one] of golden.crops.entries()) {
    const face = { box: one.box, points: one.points, confidence: 1 };
    const made = crop(source(one.picture), face, engine.expression.manifest.crop!);
    const [values] = await engine.classify([made]);
    for (const [head, row] of values!) {
      const scores = expected[at]!.heads[head.name]!.scores;
      row.forEach((value, k) => (most = Math.max(most, Math.abs(value - scores[head.labels[k]!]!))));
    }
  }
  return most;
}

describe("the models inside the package, run as the browser runs them", () => {
  it("give Python's scores to 1e-3", async () => {
    const model = stored(new URL("expression/", ASSETS));
    expect(shipped.expression.sha256, "stale: run python -m tests.golden.write").toBe(model.manifest.graphs[PRECISION]!.sha256);
    const engine = await Engine.open(ort as Runtime, model, face);
    expect(await compare(engine, shipped.expression.scores)).toBeLessThanOrEqual(1e-3);
    await engine.close();
  });

  it("say of whole pictures what Python says, to 1e-3", async () => {
    const model = await Opened.open(ort as Runtime, stored(new URL("scene/", ASSETS)), "wasm");
    expect(shipped.scene.sha256, "stale: run python -m tests.golden.write").toBe(model.manifest.graphs[PRECISION]!.sha256);
    for (const [name, expected] of Object.entries(shipped.scene.values)) {
      const found = Object.values(await convey(model, source(name)));
      expected.forEach((value, at) => expect(Math.abs(found[at]! - value), name).toBeLessThanOrEqual(1e-3));
    }
    await model.close();
  });

  it("find Python's faces and read them alike", async () => {
    expect(shipped.face.sha256, "stale: run python -m tests.golden.write").toBe(face.manifest.graphs[face.precision]!.sha256);
    const engine = await Engine.open(ort as Runtime, stored(new URL("expression/", ASSETS)), face);
    const picture = source("photo");
    const found = await engine.detect(picture, shipped.face.side);
    expect(found.length).toBe(shipped.face.boxes.length);
    found.forEach((one, at) => {
      one.box.forEach((value, k) => expect(Math.abs(value - shipped.face.boxes[at]![k]!)).toBeLessThan(0.5));
      expect(one.confidence).toBeCloseTo(shipped.face.scores[at]!, 2);
    });
    const { faces } = await engine.read(picture, { side: shipped.face.side });
    faces.forEach((one, at) => {
      const expected = shipped.read.faces[at]!;
      expect(one.label).toBe(expected.label);
      expect(one.abstained).toBe(expected.abstained);
      expect(one.labels_90).toEqual(expected.labels_90);
      expect(one.quality).toBeCloseTo(expected.quality, 1);
      for (const [label, value] of Object.entries(one.scores)) expect(Math.abs(value - expected.scores[label]!)).toBeLessThan(0.02);
    });
    await engine.close();
  });
});

it("a small random model gives Python's scores, entropy and sets", async () => {
  const engine = await Engine.open(ort as Runtime, stored(new URL("tiny/", FOLDER)), face);
  expect(await compare(engine, golden.tiny)).toBeLessThanOrEqual(1e-3);
  for (const one of golden.tiny) {
    for (const head of engine.expression.manifest.heads) {
      const expected = one.heads[head.name]!;
      const made = describeHead(head, Object.values(expected.scores));
      expect(made.label).toBe(expected.label);
      expect(made.entropy).toBeCloseTo(expected.entropy, 3);
      expect(made.labels_90).toEqual(expected.labels_90);
    }
  }
  await engine.close();
});

describe("scores", () => {
  it("have the entropy of a fair choice when even", () => {
    expect(entropy([0.25, 0.25, 0.25, 0.25])).toBeCloseTo(Math.log(4), 10);
    expect(entropy([1, 0, 0])).toBeCloseTo(0, 9);
  });
  it("always have a set, which grows with the threshold", () => {
    const values = [0.5, 0.3, 0.15, 0.05];
    expect(predictionSet(values, 0)).toEqual([0]);
    expect(predictionSet(values, 0.6)).toEqual([0, 1]);
    expect(predictionSet(values, 1)).toEqual([0, 1, 2, 3]);
  });
});
