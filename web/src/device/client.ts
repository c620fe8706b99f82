/** The page's side of the worker: opens it once for all screens and hands it pictures. */
import { apiKey } from "../api/client";
import type { Wish } from "./backend";
import type { DeviceReading, ReadOptions } from "./engine";
import type { DeviceExplanation, ExplainOptions } from "./explain";
import type { Conveyed, DeviceInfo, FromWorker, ToWorker } from "./protocol";

export interface Timed extends DeviceReading {
  /** Milliseconds to get at the frame's pixels. */
  readonly pixels: number;
}

type Answer = FromWorker & { readonly id: number };

interface Waiting {
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

const WISH = "mien.provider";

/** What the person wants the models to run on. */
export function wish(): Wish {
  const kept = localStorage.getItem(WISH);
  return kept === "wasm" || kept === "webgpu" ? kept : "auto";
}

/** Let the models run on something else from the next picture on. */
export function setWish(wanted: Wish): void {
  localStorage.setItem(WISH, wanted);
  end("The models are opened anew. Try again.");
}

let worker: Worker | null = null;
let opening: Promise<DeviceInfo> | null = null;
const waiting = new Map<number, Waiting>();
let next = 0;

/** Load the models onto this device; later calls return the first one's promise. */
export function open(progress: (part: number) => void = () => {}): Promise<DeviceInfo> {
  opening ??= start(progress);
  return opening;
}

/** Read a picture; the frame is handed over and closed. */
export async function read(frame: ImageBitmap, options: ReadOptions = {}): Promise<Timed> {
  const answer = await ask((id) => ({ type: "read", id, frame, options }));
  if (answer.type !== "result") throw new Error("the worker gave another kind of answer");
  return { ...answer.reading, pixels: answer.pixels };
}

/** Say what a whole picture conveys; null where the server has no model for it. The frame is handed over and closed. */
export async function convey(frame: ImageBitmap): Promise<Conveyed | null> {
  const answer = await ask((id) => ({ type: "convey", id, frame }));
  if (answer.type !== "conveyed") throw new Error("the worker gave another kind of answer");
  return answer.whole;
}

/** Explain what the model says of a face; the frame is handed over and closed. */
export async function explain(frame: ImageBitmap, options: ExplainOptions): Promise<DeviceExplanation> {
  const answer = await ask((id) => ({ type: "explain", id, frame, options }));
  if (answer.type !== "explained") throw new Error("the worker gave another kind of answer");
  return answer.explanation;
}

async function ask(message: (id: number) => ToWorker & { readonly frame: ImageBitmap }): Promise<Answer> {
  await open();
  const asked = message(next++) as ToWorker & { readonly id: number; readonly frame: ImageBitmap };
  return new Promise((resolve, reject) => {
    waiting.set(asked.id, { resolve, reject });
    send(asked, [asked.frame]);
  });
}

/** Let go of the worker; those who wait are told why. */
function end(message: string): void {
  opening = null;
  worker?.terminate();
  worker = null;
  for (const one of waiting.values()) one.reject(new Error(message));
  waiting.clear();
}

function send(message: ToWorker, transfer: Transferable[] = []): void {
  worker!.postMessage(message, transfer);
}

function start(progress: (part: number) => void): Promise<DeviceInfo> {
  worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  const loads = new Map<string, [number, number]>();
  return new Promise((resolve, reject) => {
    const fail = (message: string): void => {
      reject(new Error(message));
      end(message);
    };
    worker!.onerror = (event) => fail(`The models cannot run in this browser (${event.message || "the worker failed"}). Use “Server”.`);
    worker!.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if (data.type === "progress") {
        loads.set(data.name, [data.loaded, data.total]);
        const sum = (k: 0 | 1): number => [...loads.values()].reduce((total, pair) => total + pair[k], 0);
        progress(sum(0) / Math.max(sum(1), 1));
      } else if (data.type === "ready") resolve(data.info);
      else if (data.type === "failed") fail(data.message);
      else settle(data);
    };
    send({ type: "open", key: apiKey(), wish: wish() });
  });
}

function settle(data: Answer): void {
  const one = waiting.get(data.id);
  waiting.delete(data.id);
  if (data.type === "error") one?.reject(new Error(data.message));
  else one?.resolve(data);
}
