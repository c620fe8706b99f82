/** Occlusion (Zeiler and Fergus 2014), mirrored from `mien.explain.methods.occlusion`. */
import { type RGB, rint } from "../core/image";

const PATCH = 0.2;
const STEP = 0.0625;

interface Patch { readonly left: number; readonly top: number; readonly right: number; readonly bottom: number }

/** List the squares that slide over a crop; they may hang over the edge, so that pixels there are hidden as often. */
export function patches(size: number): Patch[] {
  const side = Math.max(rint(PATCH * size), 1);
  const stride = Math.max(rint(STEP * size), 1);
  const starts: number[] = [];
  for (let start = -side + stride; start < size; start += stride) starts.push(start);
  return starts.flatMap((top) => starts.map((left) => ({
    left: Math.max(left, 0), top: Math.max(top, 0), right: Math.min(left + side, size), bottom: Math.min(top + side, size),
  })));
}

/** Paint a square of a crop in the crop's mean colour. */
export function hide(crop: RGB, { left, top, right, bottom }: Patch, mean: readonly number[]): RGB {
  const data = crop.data.slice();
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) data.set(mean, 3 * (y * crop.width + x));
  }
  return { ...crop, data };
}

/** Return the mean colour, rounded as the hidden pixels are. */
export function meanColour({ data }: RGB): number[] {
  const sums = [0, 0, 0];
  data.forEach((value, at) => (sums[at % 3]! += value));
  return sums.map((sum) => rint((3 * sum) / data.length));
}

/**
 * Map how much the answer falls: rows of the mean fall over the squares that hide a pixel.
 *
 * @param whole the target's probability for the crop as it is
 * @param hidden the same under each square of `patches(size)`
 */
export function fallMap(size: number, whole: number, hidden: readonly number[]): number[][] {
  const sums = new Float64Array(size * size);
  const times = new Uint32Array(size * size);
  patches(size).forEach(({ left, top, right, bottom }, at) => {
    for (let y = top; y < bottom; y++) {
      for (let x = left; x < right; x++) {
        sums[y * size + x]! += whole - hidden[at]!;
        times[y * size + x]! += 1;
      }
    }
  });
  return Array.from({ length: size }, (_, y) => {
    return Array.from({ length: size }, (_, x) => sums[y * size + x]! / Math.max(times[y * size + x]!, 1));
  });
}
