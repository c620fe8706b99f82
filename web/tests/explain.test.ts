import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-web";
import { describe, expect, it } from "vitest";
import { crop } from "../src/core/crop";
import { parseManifest } from "../src/core/manifest";
import { Engine } from "../src/device/engine";
import type { Runtime } from "../src/device/session";
import { occlusion } from "../src/device/explain";
import { patches } from "../src/explain/occlusion";
import { regionsOf, sentence, shares } from "../src/explain/regions";
import { type GoldenOcclusion, golden, json, source } from "./golden";

const MODEL = new URL("../../src/mien/assets/expression/", import.meta.url);
const expected = json<{ occlusion: GoldenOcclusion }>("models.json").occlusion;

describe("occlusion on the device", () => {
  it("gives Python's map, shares and sentence", { timeout: 240_000 }, async () => {
    ort.env.wasm.numThreads = 1;
    const read = (file: string): Buffer => readFileSync(new URL(file, MODEL));
    const manifest = parseManifest(JSON.parse(read("model.json").toString("utf8")));
    const model = { manifest, precision: "fp32", graph: new Uint8Array(read(manifest.graphs["fp32"]!.file)).buffer };
    // The detector is not asked here: any graph stands in its place.
    const detector = { ...model, manifest: { ...manifest, detector: { score: 0.5, side: 320 } } };
    const engine = await Engine.open(ort as Runtime, model, detector);
    const one = golden.crops.find(({ name }) => name === expected.crop)!;
    const pixels = crop(source(one.picture), { box: one.box, points: one.points, confidence: 1 }, manifest.crop!);
    const head = manifest.heads.find(({ name }) => name === manifest.primary)!;
    const ask = async (crops: readonly (typeof pixels)[]): Promise<number[][]> => (await engine.classify(crops)).map((row) => row.get(head)!);
    const [answer] = await ask([pixels]);
    const target = answer!.indexOf(Math.max(...answer!));
    expect(head.labels[target]).toBe(expected.target);
    const map = await occlusion(pixels, target, answer![target]!, ask);
    const rows = expected.map.flat();
    const apart = map.flat().map((value, at) => Math.abs(value - rows[at]!));
    expect(Math.max(...apart)).toBeLessThanOrEqual(0.01 * Math.max(...rows.map(Math.abs)));
    await engine.close();
  });

  it("hides every pixel about as often as any other", () => {
    const times = new Map<number, number>();
    for (const { left, top, right, bottom } of patches(48)) {
      for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) times.set(48 * y + x, (times.get(48 * y + x) ?? 0) + 1);
    }
    expect(times.size).toBe(48 * 48);
    expect(Math.max(...times.values()) / Math.min(...times.values())).toBeLessThan(3);
  });
});

describe("regions", () => {
  it("share Python's map out as Python does", () => {
    const found = shares(expected.map, expected.points)!;
    for (const [name, value] of Object.entries(expected.regions)) expect(found[name as keyof typeof found]).toBeCloseTo(value, 6);
    expect(sentence(found)).toBe(expected.sentence);
  });
  it("are where they are on a face", () => {
    const region = regionsOf([[30, 30], [70, 30], [50, 55], [35, 75], [65, 75]])!;
    expect([region(30, 30), region(50, 78), region(50, 50), region(50, 2), region(0, 95)]).toEqual(["eyes", "mouth", "nose", "forehead", "outside"]);
    expect(region(35, 16)).toBe("brows");
    expect(region(28, 55)).toBe("cheeks");
    expect(region(50, 98)).toBe("chin");
  });
  it("are not named where the points define no face", () => {
    expect(regionsOf([[10, 10], [10, 10], [10, 10], [10, 10], [10, 10]])).toBeNull();
  });
});
