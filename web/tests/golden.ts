/** Reads the files that `python -m tests.golden.write` made. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { ReactionPolicy, Reactions } from "../src/api/types";
import type { RGB } from "../src/core/image";
import type { CropSpec } from "../src/core/manifest";

export const FOLDER = new URL("../../tests/golden/", import.meta.url);

type XY = [number, number];
export interface GoldenHead { label: string; scores: Record<string, number>; entropy: number; labels_90: string[] | null }
export interface GoldenScores { name: string; heads: Record<string, GoldenHead> }
export interface GoldenOcclusion { crop: string; target: string; map: number[][]; points: XY[]; regions: Record<string, number>; sentence: string }
export interface Golden {
  pictures: Record<string, XY>;
  template: XY[];
  crops: {
    name: string; picture: string; crop: CropSpec; box: [number, number, number, number]; points: XY[] | null;
    sharpness: number; turn: number | null; quality: number;
  }[];
  letterboxes: { picture: string; side: number; size: XY; box: number[]; point: number[] }[];
  tiny: GoldenScores[];
  reactions: {
    policy: ReactionPolicy;
    cases: {
      faces: { scores: Record<string, number>; abstained: string | null }[];
      scene: Record<string, number> | null;
      expected: Reactions;
    }[];
  }[];
  track: {
    frames: { time: number; boxes: [number, number, number, number][]; tracker_id: number[] }[];
    smoothing: { time: number; scores: number[]; smoothed: number[]; shown: number }[];
  };
}

export const golden = json<Golden>("golden.json");

export function json<T>(file: string): T {
  return JSON.parse(readFileSync(new URL(file, FOLDER), "utf8")) as T;
}

export function picture(file: string, width: number, height: number): RGB {
  const data = new Uint8Array(gunzipSync(readFileSync(new URL(`${file}.rgb.gz`, FOLDER))));
  if (data.length !== width * height * 3) throw new Error(`${file}: ${data.length} bytes are not ${width}x${height}`);
  return { data, width, height };
}

export function source(name: string): RGB {
  const [width, height] = golden.pictures[name]!;
  return picture(`pictures/${name}`, width, height);
}

/** The largest difference of two pictures, in levels of 255. */
export function apart(a: RGB, b: RGB): number {
  return a.data.reduce((most, value, i) => Math.max(most, Math.abs(value - b.data[i]!)), 0);
}
