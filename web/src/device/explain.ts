/** Explains a face with the models on this device, as `POST /v1/explain` does with the method 'occlusion'. */
import type { Explanation } from "../api/types";
import { similarity } from "../core/align";
import { crop } from "../core/crop";
import type { Point, RGB } from "../core/image";
import type { Detection } from "../core/letterbox";
import type { CropSpec } from "../core/manifest";
import { rank } from "../core/scores";
import { fallMap, hide, meanColour, patches } from "../explain/occlusion";
import { sentence, shares } from "../explain/regions";
import type { Engine } from "./engine";

export interface ExplainOptions {
  /** Number of the face, in the order in which they were read. */
  readonly face: number;
  /** Label to explain; null takes the model's answer. */
  readonly target: string | null;
}

/** What the screen shows of an explanation; the crop comes as pixels, which the page paints. */
export type DeviceExplanation = Pick<Explanation, "method" | "target" | "score" | "map" | "regions" | "sentence" | "seconds"> & {
  readonly crop: RGB;
};

const BATCH = 32;

export async function explain(engine: Engine, image: RGB, { face, target }: ExplainOptions): Promise<DeviceExplanation> {
  const start = performance.now();
  const found = (await engine.detect(image))[face];
  if (!found) throw new Error("The face was not found again. Choose the picture once more.");
  const { manifest } = engine.expression;
  const head = manifest.heads.find(({ name }) => name === manifest.primary)!;
  const pixels = crop(image, found, manifest.crop!);
  const ask = async (crops: readonly RGB[]): Promise<number[][]> => (await engine.classify(crops)).map((heads) => heads.get(head)!);
  const [answer] = await ask([pixels]);
  const at = target === null ? rank(answer!)[0]! : head.labels.indexOf(target);
  if (at < 0) throw new Error(`The model has no label “${target}”.`);
  const map = await occlusion(pixels, at, answer![at]!, ask);
  const share = found.points ? sharesOf(map, found, manifest.crop!) : null;
  return {
    method: "occlusion", target: head.labels[at]!, score: answer![at]!, map, crop: pixels, regions: share,
    sentence: share ? `${head.labels[at]!}: ${sentence(share)}` : null, seconds: (performance.now() - start) / 1000,
  };
}

/** Ask for a crop under every patch, a batch at a time. */
export async function occlusion(
  pixels: RGB, target: number, whole: number, ask: (crops: readonly RGB[]) => Promise<number[][]>,
): Promise<number[][]> {
  const mean = meanColour(pixels);
  const squares = patches(pixels.width);
  const hidden: number[] = [];
  for (let from = 0; from < squares.length; from += BATCH) {
    const answers = await ask(squares.slice(from, from + BATCH).map((square) => hide(pixels, square, mean)));
    hidden.push(...answers.map((one) => one[target]!));
  }
  return fallMap(pixels.width, whole, hidden);
}

/** Share a map out among the regions of a face, where its crop was laid by its points. */
function sharesOf(map: number[][], face: Detection, { kind, template, size }: CropSpec): ReturnType<typeof shares> {
  if (kind !== "align" || !template || !face.points) return null;
  const [a, b, c, d, e, f] = similarity(face.points, template.map(([x, y]): Point => [x * size, y * size]));
  return shares(map, face.points.map(([x, y]): Point => [a * x + b * y + c, d * x + e * y + f]));
}
