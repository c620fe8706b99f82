/**
 * Chooses what runs the models on this device. WebAssembly runs everywhere; WebGPU is taken where the browser has a real
 * graphics processor that gives the same answers and is faster, which is tried out and not assumed.
 */
import type { RGB } from "../core/image";
import type { Engine } from "./engine";
import type { Opened } from "./session";

export type Provider = "wasm" | "webgpu";

/** What the person wants: `auto` takes WebGPU where it is faster, `webgpu` wherever it gives the right answers. */
export type Wish = "auto" | Provider;

/** The part of `navigator.gpu` that is asked. */
export interface Adapters {
  requestAdapter(): Promise<{ readonly info?: { readonly isFallbackAdapter?: boolean } } | null>;
}

/** What is tried of an engine. */
export type Tried = Pick<Engine, "detect" | "classify" | "close"> & { readonly expression: Pick<Opened, "manifest"> };

export interface Backend<E extends Tried> {
  readonly provider: Provider;
  readonly engine: E;
  /** Why WebGPU is not used though the browser offers it, or how the two compared; null where there is none. */
  readonly note: string | null;
}

interface Trial {
  readonly milliseconds: number;
  readonly scores: readonly number[];
}

const RUNS = 5;
/** How far scores may lie apart: both run the same 32-bit graph, and a broken driver differs by far more. */
export const APART = 1e-3;

/** Open the models where they run best. Without an adapter the WebGPU runtime is never fetched. */
export async function choose<E extends Tried>(
  gpu: Adapters | undefined, wasm: () => Promise<E>, webgpu: () => Promise<E>, wish: Wish = "auto",
): Promise<Backend<E>> {
  const sure = await wasm();
  const stay = (note: string | null): Backend<E> => ({ provider: "wasm", engine: sure, note });
  if (wish === "wasm") return stay(null);
  if (!gpu) return stay(wish === "auto" ? null : "this browser has no WebGPU");
  const adapter = await gpu.requestAdapter().catch(() => null);
  if (!adapter) return stay("WebGPU has no graphics processor here");
  if (adapter.info?.isFallbackAdapter && wish === "auto") return stay("WebGPU is only imitated here");
  let candidate: E | null = null;
  try {
    candidate = await webgpu();
    const runs = wish === "auto" ? RUNS : 1;
    const [slow, fast] = [await trial(sure, runs), await trial(candidate, runs)];
    const compared = `WebGPU ${fast.milliseconds.toFixed(1)} ms, WebAssembly ${slow.milliseconds.toFixed(1)} ms`;
    const wrong = slow.scores.some((score, at) => !(Math.abs(score - (fast.scores[at] ?? NaN)) <= APART));
    if (!wrong && (wish === "webgpu" || fast.milliseconds < slow.milliseconds)) {
      await sure.close();
      return { provider: "webgpu", engine: candidate, note: compared };
    }
    await candidate.close();
    return stay(wrong ? "WebGPU gives other answers here" : compared);
  } catch {
    await candidate?.close().catch(() => {});
    return stay("WebGPU could not run the models here");
  }
}

/** Time detection and classification of a made picture; the first runs compile and are not counted. */
async function trial(engine: Tried, runs: number): Promise<Trial> {
  const picture = made(320, 256);
  const face = made(engine.expression.manifest.crop!.size);
  let scores: number[] = [];
  const once = async (): Promise<number> => {
    const start = performance.now();
    await engine.detect(picture, 320);
    const [heads] = await engine.classify([face]);
    scores = [...heads!.values()].flat();
    return performance.now() - start;
  };
  await once();
  if (runs > 1) await once();
  const times: number[] = [];
  for (let run = 0; run < runs; run++) times.push(await once());
  return { milliseconds: times.sort((a, b) => a - b)[runs >> 1]!, scores };
}

function made(width: number, height = width): RGB {
  const data = new Uint8Array(width * height * 3);
  for (let at = 0; at < data.length; at++) data[at] = 128 + 90 * Math.sin(at / 37) + 30 * Math.cos(at / 1013);
  return { data, width, height };
}
