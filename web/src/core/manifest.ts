/** The part of `model.json` that a client needs; the whole schema is `mien.manifest.Manifest`. */
import type { Point } from "./image";

export interface HeadSpec {
  readonly name: string;
  readonly label_set: string;
  readonly labels: readonly string[];
  readonly kind?: "single" | "multi" | "value";
  readonly conformal_90?: number | null;
}

export interface Gate {
  readonly min_face?: number | null;
  readonly min_sharpness?: number | null;
  readonly max_turn?: number | null;
  readonly min_quality?: number | null;
  readonly max_entropy?: number | null;
  readonly min_confidence?: number | null;
}

/** How likely the primary head's answer is right: a sum of curves is its log-odds. */
export interface Chance {
  readonly bias: number;
  readonly curves: Readonly<Record<string, { readonly knots: readonly number[]; readonly values: readonly number[] }>>;
  readonly labels?: Readonly<Record<string, number>>;
}

export interface CropSpec {
  readonly kind: "align" | "box" | "whole";
  readonly size: number;
  readonly margin?: number;
  readonly template?: readonly Point[] | null;
}

export interface Manifest {
  readonly schema_version: 1;
  readonly name: string;
  readonly version: string;
  readonly task: string;
  readonly licence: string;
  readonly graphs: Readonly<Record<string, { readonly file: string; readonly sha256: string; readonly size: number }>>;
  readonly default: string;
  readonly heads: readonly HeadSpec[];
  readonly primary?: string | null;
  readonly crop?: CropSpec | null;
  readonly gate: Gate;
  readonly quality?: Chance | null;
  readonly detector?: { readonly score: number; readonly side: number; readonly multiple?: number } | null;
}

/** Check the parts that everything after relies on. */
export function parseManifest(value: unknown): Manifest {
  const found = value as Manifest;
  if (found?.schema_version !== 1) throw new Error("this model's manifest is of an unknown version: reload the page");
  if (!found.graphs?.[found.default]) throw new Error(`the manifest of ${found.name} names no default graph`);
  return found;
}
