/** Asks for an explanation of a face where the person wants it computed. */
import { postPicture } from "../api/client";
import type { Explanation, Method } from "../api/types";
import { type RGB, toRGBA } from "../core/image";
import * as device from "../device/client";
import { decode } from "../photos/read";
import type { Mode } from "../state.svelte";

/** What the screen shows of an explanation. */
export type Shown = Pick<Explanation, "method" | "target" | "score" | "map" | "regions" | "sentence" | "seconds"> & {
  /** Address of the crop as the model saw it. */
  readonly crop: string;
};

/** The method that runs on the device. */
export const LOCAL: Method = {
  name: "occlusion", available: true, about: "a patch slides over the face; where the answer falls, it mattered",
};

export async function ask(file: Blob, mode: Mode, method: string, face: number, target: string | null): Promise<Shown> {
  if (mode === "device") {
    const { crop, ...rest } = await device.explain(await decode(file), { face, target });
    return { ...rest, crop: await address(crop) };
  }
  const query = new URLSearchParams({ method, face: String(face), ...(target ? { target } : {}) });
  const found = await postPicture<Explanation>(`/v1/explain?${query.toString()}`, file);
  return { ...found, crop: `data:image/png;base64,${found.crop_png}` };
}

async function address(crop: RGB): Promise<string> {
  const canvas = new OffscreenCanvas(crop.width, crop.height);
  canvas.getContext("2d")!.putImageData(new ImageData(toRGBA(crop), crop.width, crop.height), 0, 0);
  const png = new Uint8Array(await (await canvas.convertToBlob({ type: "image/png" })).arrayBuffer());
  return `data:image/png;base64,${btoa(String.fromCharCode(...png))}`;
}
