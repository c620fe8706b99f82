/** Messages between the page and the worker that runs the models. */
import type { Provider, Wish } from "./backend";
import type { DeviceReading, ReadOptions } from "./engine";
import type { DeviceExplanation, ExplainOptions } from "./explain";

export type ToWorker =
  | { readonly type: "open"; readonly key: string | null; readonly wish: Wish }
  | { readonly type: "read"; readonly id: number; readonly frame: ImageBitmap; readonly options: ReadOptions }
  | { readonly type: "convey"; readonly id: number; readonly frame: ImageBitmap }
  | { readonly type: "explain"; readonly id: number; readonly frame: ImageBitmap; readonly options: ExplainOptions };

export interface DeviceInfo {
  readonly expression: string;
  readonly detector: string;
  readonly precision: string;
  readonly digest: string;
  readonly provider: Provider;
  /** Why WebGPU is not used though it is offered, or how the two compared. */
  readonly note: string | null;
  readonly threads: number;
}

/** What the whole-picture model says: a value a label. */
export type Conveyed = Readonly<Record<string, number>>;

export type FromWorker =
  | { readonly type: "progress"; readonly name: string; readonly loaded: number; readonly total: number }
  | { readonly type: "ready"; readonly info: DeviceInfo }
  | { readonly type: "failed"; readonly message: string }
  | { readonly type: "result"; readonly id: number; readonly reading: DeviceReading; readonly pixels: number }
  | { readonly type: "conveyed"; readonly id: number; readonly whole: Conveyed | null }
  | { readonly type: "explained"; readonly id: number; readonly explanation: DeviceExplanation }
  | { readonly type: "error"; readonly id: number; readonly message: string };
