/** How much of a map lies on eyes, brows, nose, mouth ...; mirrored from `mien.explain.regions`. */
import type { Point } from "../core/image";

export const REGIONS = ["eyes", "brows", "forehead", "nose", "cheeks", "mouth", "chin", "outside"] as const;
export type Region = (typeof REGIONS)[number];

/** Return a function that names the region of a pixel, or null where the five points define no face. */
export function regionsOf(points: readonly Point[]): ((x: number, y: number) => Region) | null {
  const [left, right, , first, second] = points as [Point, Point, Point, Point, Point];
  const middle = (p: Point, q: Point): Point => [(p[0] + q[0]) / 2, (p[1] + q[1]) / 2];
  const [eyes, mouth] = [middle(left, right), middle(first, second)];
  const across = [right[0] - left[0], right[1] - left[1]] as const;
  const down = [mouth[0] - eyes[0], mouth[1] - eyes[1]] as const;
  const det = across[0] * down[1] - down[0] * across[1];
  if (Math.abs(det) < 1e-6) return null;
  return (column, row) => {
    const [x, y] = [column + 0.5 - eyes[0], row + 0.5 - eyes[1]];
    return name((down[1] * x - down[0] * y) / det, (across[0] * y - across[1] * x) / det);
  };
}

/** Name the place that is `u` eye distances across from between the eyes and `v` ways to the mouth down. */
function name(u: number, v: number): Region {
  const side = Math.abs(u);
  if (v >= 0.78 && v <= 1.3 && side < 0.6) return "mouth";
  if (v >= -0.1 && v < 0.78 && side < (v < 0.3 ? 0.13 : 0.32)) return "nose";
  if (v >= -0.2 && v < 0.25 && side >= 0.12 && side < 0.85) return "eyes";
  if ((u / 1.05) ** 2 + ((v - 0.35) / 1.35) ** 2 > 1) return "outside";
  if (v >= -0.5 && v < -0.2 && side < 0.85) return "brows";
  if (v > 1.3) return "chin";
  return v < -0.25 ? "forehead" : "cheeks";
}

/** Return the share of what speaks for the target in every region; the shares sum to one. */
export function shares(map: readonly (readonly number[])[], points: readonly Point[]): Record<Region, number> | null {
  const region = regionsOf(points);
  if (!region) return null;
  const sums = Object.fromEntries(REGIONS.map((one) => [one, 0])) as Record<Region, number>;
  let total = 0;
  map.forEach((row, y) => row.forEach((value, x) => {
    if (value <= 0) return;
    sums[region(x, y)] += value;
    total += value;
  }));
  if (total > 0) for (const one of REGIONS) sums[one] /= total;
  return sums;
}

/** Say the largest shares: "mouth 48 %, eyes 31 %, nose 9 %". */
export function sentence(share: Record<Region, number>, count = 3): string {
  const best = Object.entries(share).sort(([, p], [, q]) => q - p).slice(0, count).filter(([, value]) => value >= 0.005);
  return best.map(([one, value]) => `${one} ${(100 * value).toFixed(0)} %`).join(", ") || "nothing";
}
