/** Runs the models off the page's thread, so that drawing never waits for them. */
import * as ort from "onnxruntime-web/wasm";
import mjs from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import wasm from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import { type RGB, fromRGBA } from "../core/image";
import type { Model } from "../api/types";
import { type Adapters, type Provider, type Wish, choose } from "./backend";
import { Engine } from "./engine";
import { explain } from "./explain";
import { installed, load } from "./models";
import type { FromWorker, ToWorker } from "./protocol";
import { convey } from "./scene";
import { Opened, type Runtime } from "./session";

const say = (message: FromWorker): void => self.postMessage(message);
// Threads need shared memory, which a page has only when it is isolated (the server's headers see to it).
const THREADS = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency || 1, 4) : 1;

let engine: Promise<Engine> | null = null;
/** The whole-picture model, opened when it is first asked; null where the server uses none. */
let scene: Promise<Opened | null> | null = null;
let key: string | null = null;
const canvas = new OffscreenCanvas(1, 1);
const context = canvas.getContext("2d", { willReadFrequently: true, alpha: false })!;

self.onmessage = ({ data }: MessageEvent<ToWorker>): void => {
  if (data.type === "open") {
    key = data.key;
    engine ??= open(data.wish);
    engine.catch((error: unknown) => {
      engine = null;
      say({ type: "failed", message: words(error) });
    });
  } else {
    const work = data.type === "read" ? read(data) : data.type === "explain" ? explainFace(data) : look(data);
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

async function open(wish: Wish): Promise<Engine> {
  const { models } = await installed(key);
  const pick = (task: string): string => {
    const found = models.find((model) => model.active && model.task === task) ?? models.find((model) => model.task === task);
    if (!found) throw new Error(`The server has no model for ${task} that could run on this device. See “Models”.`);
    return found.name;
  };
  const progress = (name: string, loaded: number, total: number): void => say({ type: "progress", name, loaded, total });
  const [expression, detector] = [pick("expression"), pick("detection")];
  const start = async (runtime: Runtime, provider: Provider): Promise<Engine> => {
    const models = await Promise.all([expression, detector].map((name) => load(name, key, progress)));
    return Engine.open(runtime, models[0]!, models[1]!, provider);
  };
  const { gpu } = navigator as Navigator & { readonly gpu?: Adapters };
  const { engine: opened, provider, note } = await choose(
    gpu,
    () => start(prepare(ort, mjs, wasm), "wasm"),
    async () => start(await graphics(), "webgpu"),
    wish,
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
  void keepScene(models).catch(() => {}); // It is only needed without a server, and is asked for again then.
  return opened;
}

/** The whole-picture model that the server uses. */
function wholePictures(models: readonly Model[]): string | undefined {
  return models.find((model) => model.active && model.task === "scene")?.name;
}

/** Have the whole-picture model at hand for when there is no server. */
async function keepScene(models: readonly Model[]): Promise<void> {
  const name = wholePictures(models);
  if (name) await load(name, key);
}

async function openScene(): Promise<Opened | null> {
  const name = wholePictures((await installed(key)).models);
  return name ? Opened.open(prepare(ort, mjs, wasm), await load(name, key), "wasm") : null;
}

async function look({ id, frame }: ToWorker & { type: "convey" }): Promise<void> {
  const image = pixels(frame);
  scene ??= openScene();
  scene.catch(() => (scene = null));
  const model = await scene;
  say({ type: "conveyed", id, whole: model && (await convey(model, image)) });
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
