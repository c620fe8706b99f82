import { describe, expect, it } from "vitest";
import type { HeadSpec } from "../src/core/manifest";
import { type Adapters, type Tried, choose } from "../src/device/backend";

/** An engine that answers after some milliseconds. */
class Made implements Tried {
  closed = false;
  readonly expression: Tried["expression"];
  constructor(private readonly milliseconds: number, private readonly scores: number[] = [0.7, 0.3]) {
    const head: HeadSpec = { name: "expression", label_set: "x", labels: ["a", "b"] };
    const manifest = {
      schema_version: 1, name: "made", version: "1", task: "expression", licence: "", graphs: {}, default: "fp32",
      heads: [head], primary: "expression", crop: { kind: "whole", size: 8 }, gate: {},
    } as const;
    this.expression = { manifest };
  }
  detect(): Promise<[]> {
    return new Promise((resolve) => setTimeout(() => resolve([]), this.milliseconds));
  }
  classify(): ReturnType<Tried["classify"]> {
    return Promise.resolve([new Map([[this.expression.manifest.heads[0]!, this.scores]])]);
  }
  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}

const adapter = (info?: { isFallbackAdapter: boolean }): Adapters => ({ requestAdapter: () => Promise.resolve(info ? { info } : {}) });
const never = (): Promise<Made> => Promise.reject(new Error("the WebGPU runtime must not be fetched"));

describe("what runs the models", () => {
  it("is WebAssembly, without a word, where the browser has no WebGPU", async () => {
    const sure = new Made(1);
    expect(await choose(undefined, () => Promise.resolve(sure), never)).toEqual({ provider: "wasm", engine: sure, note: null });
  });
  it.each([
    ["no adapter", { requestAdapter: () => Promise.resolve(null) }, /no graphics processor/],
    ["an adapter that throws", { requestAdapter: () => Promise.reject(new Error("lost")) }, /no graphics processor/],
    ["a software adapter", adapter({ isFallbackAdapter: true }), /only imitated/],
  ] as const)("is WebAssembly, with a word, where WebGPU has %s; its runtime is not fetched", async (_, gpu, words) => {
    const { provider, note } = await choose(gpu, () => Promise.resolve(new Made(1)), never);
    expect(provider).toBe("wasm");
    expect(note).toMatch(words);
    expect(note).not.toMatch(/could not run/);
  });
  it("is WebGPU where it is faster and answers alike", async () => {
    const [slow, fast] = [new Made(12), new Made(1, [0.7005, 0.2995])];
    const { provider, engine, note } = await choose(adapter(), () => Promise.resolve(slow), () => Promise.resolve(fast));
    expect([provider, engine, slow.closed, fast.closed]).toEqual(["webgpu", fast, true, false]);
    expect(note).toMatch(/WebGPU \d+\.\d ms, WebAssembly \d+\.\d ms/);
  });
  it.each([
    ["slower", new Made(12), /WebGPU \d+\.\d ms/],
    ["wrong", new Made(0, [0.702, 0.298]), /other answers/],
    ["giving no numbers", new Made(0, [NaN, NaN]), /other answers/],
  ] as const)("is WebAssembly where WebGPU is %s, and the other is let go of", async (_, candidate, words) => {
    const sure = new Made(3);
    const { provider, engine, note } = await choose(adapter(), () => Promise.resolve(sure), () => Promise.resolve(candidate));
    expect([provider, engine, sure.closed, candidate.closed]).toEqual(["wasm", sure, false, true]);
    expect(note).toMatch(words);
  });
  it.each([
    ["imitated", adapter({ isFallbackAdapter: true })],
    ["slower", adapter()],
  ])("is WebGPU where it is %s, if the person wants it", async (_, gpu) => {
    const { provider } = await choose(gpu, () => Promise.resolve(new Made(0)), () => Promise.resolve(new Made(9)), "webgpu");
    expect(provider).toBe("webgpu");
  });
  it.each([
    ["there is none", undefined, [0.7, 0.3], /no WebGPU/],
    ["its answers are wrong", adapter(), [0.1, 0.9], /other answers/],
  ] as const)("is WebAssembly, with a word, where the person wants WebGPU but %s", async (_, gpu, scores, words) => {
    const { provider, note } = await choose(gpu, () => Promise.resolve(new Made(1)), () => Promise.resolve(new Made(1, [...scores])), "webgpu");
    expect(provider).toBe("wasm");
    expect(note).toMatch(words);
  });
  it("is WebAssembly if the person wants it; WebGPU is not even asked for", async () => {
    const gpu: Adapters = { requestAdapter: () => Promise.reject(new Error("must not be asked")) };
    const { provider, note } = await choose(gpu, () => Promise.resolve(new Made(9)), never, "wasm");
    expect([provider, note]).toEqual(["wasm", null]);
  });
  it("is WebAssembly where the models do not open on WebGPU", async () => {
    const { provider, note } = await choose(adapter(), () => Promise.resolve(new Made(1)), () => Promise.reject(new Error("no kernel")));
    expect(provider).toBe("wasm");
    expect(note).toMatch(/could not run/);
  });
});
