/** Reads pictures with the models on this device: detect, crop, classify, judge, as `Recognizer.read` does on the server. */
import type { Face, Head } from "../api/types";
import { crop } from "../core/crop";
import type { RGB } from "../core/image";
import { type Detection, carryBack, letterbox } from "../core/letterbox";
import type { Gate, HeadSpec } from "../core/manifest";
import { chance, measure, reason, signals } from "../core/quality";
import { describe } from "../core/scores";
import type { Provider } from "./backend";
import type { StoredModel } from "./models";
import { Opened, type Runtime } from "./session";

export interface ReadOptions {
  /** Longest side at which faces are looked for; without it the detector's own. */
  readonly side?: number;
  /** The picture is itself the crop of one face. */
  readonly asCrop?: boolean;
  readonly gate?: Gate;
}

export interface DeviceReading {
  readonly faces: Face[];
  readonly width: number;
  readonly height: number;
  /** Milliseconds of each stage. */
  readonly latency: { detect: number; crop: number; classify: number; judge: number; total: number };
}

export class Engine {
  private constructor(
    readonly expression: Opened,
    readonly detector: Opened,
  ) {}

  /** Open both models. */
  static async open(runtime: Runtime, expression: StoredModel, detector: StoredModel, provider: Provider = "wasm"): Promise<Engine> {
    if (!expression.manifest.crop || !expression.manifest.primary) {
      throw new Error(`${expression.manifest.name} is a model for ${expression.manifest.task}; it has no labels to predict`);
    }
    if (!detector.manifest.detector) throw new Error(`${detector.manifest.name} is no detector`);
    return new Engine(await Opened.open(runtime, expression, provider), await Opened.open(runtime, detector, provider));
  }

  /** Read one picture. */
  async read(image: RGB, options: ReadOptions = {}): Promise<DeviceReading> {
    const start = performance.now();
    const found = options.asCrop ? [wholePicture(image)] : await this.detect(image, options.side);
    const detected = performance.now();
    const spec = this.expression.manifest.crop!;
    const crops = found.map((face) => crop(image, face, spec, options.asCrop));
    const cropped = performance.now();
    const heads = await this.classify(crops);
    const classified = performance.now();
    const faces = found.map((face, at) => this.judge(face, crops[at]!, heads[at]!, options));
    const end = performance.now();
    return {
      faces, width: image.width, height: image.height,
      latency: {
        detect: detected - start, crop: cropped - detected, classify: classified - cropped,
        judge: end - classified, total: end - start,
      },
    };
  }

  /** Find the faces of a picture, best first. */
  async detect(image: RGB, side?: number): Promise<Detection[]> {
    const settings = this.detector.manifest.detector!;
    const longest = side ?? settings.side;
    const input = letterbox(image, longest, settings.multiple ?? 32);
    const out = await this.detector.run([input]);
    const float = (name: string): Float32Array => out[name]!.data as Float32Array;
    const found = { boxes: float("boxes"), scores: float("scores"), points: float("points") };
    return carryBack(image, longest, settings.score, found);
  }

  /** Return the values of every head for every crop. */
  classify(crops: readonly RGB[]): Promise<Map<HeadSpec, number[]>[]> {
    return this.expression.heads(crops);
  }

  async close(): Promise<void> {
    await this.expression.close();
    await this.detector.close();
  }

  private judge(face: Detection, pixels: RGB, values: Map<HeadSpec, number[]>, options: ReadOptions): Face {
    const heads = [...values].map(([head, row]) => [head.name, describe(head, row)] as const);
    const { primary, gate, quality: model } = this.expression.manifest;
    const main = heads.find(([name]) => name === primary)![1];
    const measured = measure(face, pixels);
    const best = main.scores[main.label]!;
    const known = signals(measured, face.confidence, best, main.entropy, options.asCrop ?? false);
    const quality = model ? { ...measured, score: chance(model, known, main.label) } : measured;
    const limits = { ...gate, ...options.gate, ...(options.asCrop ? { min_face: null, max_turn: null } : {}) };
    return {
      ...main, box: [...face.box], confidence: face.confidence,
      points: face.points ? face.points.map(([x, y]): [number, number] => [x, y]) : null,
      quality: quality.score,
      abstained: reason(quality, main.entropy, best, limits),
      heads: Object.fromEntries(heads.filter(([name]) => name !== primary)) as Record<string, Head>,
    };
  }
}

function wholePicture({ width, height }: RGB): Detection {
  return { box: [0, 0, width, height], confidence: 1, points: null };
}
