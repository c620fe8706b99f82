/** Runs the models off the page's thread, so that drawing never waits for them. */
import * as ort from "onnxruntime-web/wasm";
import mjs from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import wasm from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import { type RGB, fromRGBA } from "../core/image";
import { type Adapters, type Provider, choose } from "./backend";
import { Engine, type Runtime } from "./engine";
import { explain } from "./explain";
import { installed, load } from "./models";
import type { FromWorker, ToWorker } from "./protocol";

const say = (message: FromWorker): void => self.postMessage(message);
// Threads need shared memory, which a page has only when it is isolated (the server's headers see to it).
const THREADS = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency || 1, 4) : 1;

let engine: Promise<Engine> | null = null;
const canvas = new OffscreenCanvas(1, 1);
const context = canvas.getContext("2d", { willReadFrequently: true, alpha: false })!;

self.onmessage = ({ data }: MessageEvent<ToWorker>): void => {
  if (data.type === "open") {
    engine ??= open(data.key);
    engine.catch((error: unknown) => {
      engine = null;
      say({ type: "failed", message: words(error) });
    });
  } else {
    const work = data.type === "read" ? read(data) : explainFace(data);
    work.catch((error: unknown) => say({ type: "error", id: data.id, message: words(error) }));
  }
};

/** The runtime comes from our own address, as files of its own, because its threads load them again. */
function prepare(found: typeof ort, mjs: string, wasm: string): Runtime {
  found.env.wasm.numThreads = THREADS;
  found.env.wasm.wasmPaths = { mjs: new URL(mjs, self.location.href), wasm: new URL(wasm, self.location.href) };
  return found;
}

/** Fetch the runtime that has WebGPU: only where there is a graphics processor, for it weighs twice the other's. */
async function graphics(): Promise<Runtime> {
  const [found, { default: mjs }, { default: wasm }] = await Promise.all([
    import("onnxruntime-web/webgpu"),
    import("onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs?url"),
    import("onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url"),
  ]);
  return prepare(found, mjs, wasm);
}

async function open(key: string | null): Promise<Engine> {
  const { models } = await installed(key);
  const pick = (task: string): string => {
    const found = models.find((model) => model.active && model.task === task) ?? models.find((model) => model.task === task);
    if (!found) throw new Error(`The server has no model for ${task} that could run on this device. See “Models”.`);
    return found.name;
  };
  const progress = (name: string, loaded: number, total: number): void => say({ type: "progress", name, loaded, total });
  const [expression, detector] = [pick("expression"), pick("detection")];
  const start = async (runtime: Runtime, provider: Provider): Promise<Engine> => {
    const models = await Promise.all([expression, detector].map((name) => load(name, provider, key, progress)));
    return Engine.open(runtime, models[0]!, models[1]!, provider);
  };
  const { gpu } = navigator as Navigator & { readonly gpu?: Adapters };
  const { engine: opened, provider, note } = await choose(
    gpu,
    () => start(prepare(ort, mjs, wasm), "wasm"),
    async () => start(await graphics(), "webgpu"),
  );
  const { manifest, precision } = opened.expression;
  say({
    type: "ready",
    info: {
      expression: `${manifest.name} ${manifest.version}`,
      detector: `${opened.detector.manifest.name} ${opened.detector.manifest.version}`,
      precision, provider, note, digest: manifest.graphs[precision]!.sha256.slice(0, 12), threads: THREADS,
    },
  });
  return opened;
}

async function explainFace({ id, frame, options }: ToWorker & { type: "explain" }): Promise<void> {
  const opened = await engine;
  if (!opened) throw new Error("The models are not open.");
  say({ type: "explained", id, explanation: await explain(opened, pixels(frame), options) });
}

async function read({ id, frame, options }: ToWorker & { type: "read" }): Promise<void> {
  const opened = await engine;
  if (!opened) throw new Error("The models are not open.");
  const start = performance.now();
  const image = pixels(frame);
  const took = performance.now() - start;
  say({ type: "result", id, reading: await opened.read(image, options), pixels: took });
}

/** Read the colours of a frame, on black, and let go of it. */
function pixels(frame: ImageBitmap): RGB {
  const { width, height } = frame;
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  context.fillStyle = "#000";
  context.fillRect(0, 0, width, height);
  context.drawImage(frame, 0, 0);
  frame.close();
  return fromRGBA(context.getImageData(0, 0, width, height).data, width, height);
}

function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
