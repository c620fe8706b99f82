/** How fit a face is for reading an expression, and when to abstain; mirrors `src/mien/recognition/quality.py`. */
import type { Chance, Gate } from "./manifest";
import { type Point, type RGB, clamp, rint } from "./image";
import type { Detection } from "./letterbox";

export interface Quality {
  readonly size: number;
  readonly sharpness: number;
  readonly turn: number;
  readonly light: number;
  readonly contrast: number;
  readonly score: number;
}

/** Measure one face: size, sharpness and turn, and their product in 0..1. */
export function measure(face: Detection, crop: RGB): Quality {
  const [x1, y1, x2, y2] = face.box;
  const size = Math.min(x2 - x1, y2 - y1);
  const { sharpness: sharp, light, contrast } = texture(crop);
  const turned = face.points ? turn(face.points) : Number.NaN;
  const front = Number.isNaN(turned) ? 0.5 : clamp(1 - turned, 0, 1);
  const score = clamp(size / 48, 0, 1) * clamp(sharp / 0.25, 0, 1) * front;
  return { size, sharpness: sharp, turn: turned, light, contrast, score };
}

/**
 * Return what a chance is computed from. `best` is the probability of the primary head's answer; where the picture is
 * itself the crop (`whole`), its size, turn and detection say nothing.
 */
export function signals(
  quality: Quality, confidence: number, best: number, entropy: number, whole: boolean,
): Record<string, number> {
  return {
    certainty: logOdds(best),
    entropy,
    sharpness: quality.sharpness,
    contrast: quality.contrast,
    light: quality.light,
    size: whole ? Number.NaN : Math.log2(Math.max(quality.size, 1)),
    turn: whole ? Number.NaN : quality.turn,
    found: whole ? Number.NaN : logOdds(confidence),
  };
}

/** Return how likely an answer is right; a signal that is NaN adds nothing. */
export function chance(model: Chance, measured: Readonly<Record<string, number>>, label: string): number {
  let total = model.bias + (model.labels?.[label] ?? 0);
  for (const [name, { knots, values }] of Object.entries(model.curves)) {
    const at = measured[name];
    if (at === undefined) throw new Error(`this model's quality uses “${name}”, which this page does not measure: reload it`);
    if (!Number.isNaN(at)) total += interpolate(at, knots, values);
  }
  return 1 / (1 + Math.exp(-total));
}

function interpolate(at: number, knots: readonly number[], values: readonly number[]): number {
  const after = knots.findIndex((knot) => knot > at);
  if (after === 0) return values[0]!;
  if (after < 0) return values[knots.length - 1]!;
  const [x0, x1, y0, y1] = [knots[after - 1]!, knots[after]!, values[after - 1]!, values[after]!];
  return y0 + ((y1 - y0) * (at - x0)) / (x1 - x0);
}

function logOdds(p: number): number {
  const inside = clamp(p, 1e-9, 1 - 1e-9);
  return clamp(Math.log(inside / (1 - inside)), -7, 7);
}

/** Say why a face should not be answered, or null; the order is that of the Python package. */
export function reason(quality: Quality, entropy: number, confidence: number, gate: Gate): string | null {
  if (gate.min_face != null && quality.size < gate.min_face) return "too small";
  if (gate.min_sharpness != null && quality.sharpness < gate.min_sharpness) return "blurred";
  if (gate.max_turn != null && quality.turn > gate.max_turn) return "turned away";
  if (gate.max_entropy != null && entropy > gate.max_entropy) return "uncertain";
  if (gate.min_confidence != null && confidence < gate.min_confidence) return "uncertain";
  if (gate.min_quality != null && quality.score < gate.min_quality) return "low quality";
  return null;
}

/** Return how far a face is turned, 0 from the front to 1 in profile. */
export function turn([left, right, nose, ...mouth]: readonly Point[]): number {
  if (!left || !right || !nose || !mouth[0] || !mouth[1]) throw new RangeError("a face has five points");
  const across = [right[0] - left[0], right[1] - left[1]] as const;
  const middle = [(left[0] + right[0]) / 2, (left[1] + right[1]) / 2] as const;
  const lips = [(mouth[0][0] + mouth[1][0]) / 2, (mouth[0][1] + mouth[1][1]) / 2] as const;
  const distance = Math.max(Math.hypot(...across), 1e-3);
  const down = Math.max(Math.hypot(lips[0] - middle[0], lips[1] - middle[1]), 1e-3);
  const offset = Math.abs((nose[0] - middle[0]) * across[0] + (nose[1] - middle[1]) * across[1]) / distance ** 2;
  const narrow = 1 - clamp(distance / down, 0, 1);
  return clamp(Math.max(offset * 2, narrow), 0, 1);
}

const RADIUS = 6;
const KERNEL = (() => {
  const raw = Array.from({ length: 2 * RADIUS + 1 }, (_, i) => Math.exp(-((i - RADIUS) ** 2) / (2 * 1.5 ** 2)));
  const sum = raw.reduce((a, b) => a + b);
  return raw.map((value) => value / sum);
})();

/** Return the share of a crop's contrast that a Gaussian blur (sigma 1.5 px) removes (0 for an even crop), mean, deviation. */
function texture(crop: RGB): { sharpness: number; light: number; contrast: number } {
  const { width, height } = crop;
  const grey = new Float32Array(width * height);
  for (let i = 0, from = 0; i < grey.length; i++, from += 3) {
    grey[i] = rint(0.299 * crop.data[from]! + 0.587 * crop.data[from + 1]! + 0.114 * crop.data[from + 2]!);
  }
  const light = mean(grey);
  const contrast = deviation(grey);
  if (contrast < 1) return { sharpness: 0, light, contrast };
  const blurred = blur(blur(grey, width, height, 1, width), height, width, width, 1);
  return { sharpness: deviation(grey.map((value, i) => value - blurred[i]!)) / contrast, light, contrast };
}

/** Blur along one axis (`length` values, `step` apart, in `lines` lines `stride` apart); edges mirror without repeat. */
function blur(values: Float32Array, length: number, lines: number, step: number, stride: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let line = 0; line < lines; line++) {
    for (let i = 0; i < length; i++) {
      let sum = 0;
      for (let k = -RADIUS; k <= RADIUS; k++) sum += KERNEL[k + RADIUS]! * values[line * stride + mirror(i + k, length) * step]!;
      out[line * stride + i * step] = sum;
    }
  }
  return out;
}

function mirror(at: number, length: number): number {
  if (length === 1) return 0;
  const period = 2 * (length - 1);
  const inside = ((at % period) + period) % period;
  return inside < length ? inside : period - inside;
}

function mean(values: Float32Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

function deviation(values: Float32Array): number {
  const middle = mean(values);
  let square = 0;
  for (const value of values) square += (value - middle) ** 2;
  return Math.sqrt(square / values.length);
}
