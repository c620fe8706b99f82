/** What a whole picture conveys, with the model on this device; mirrors `recognition.scene`. */
import { whole } from "../core/align";
import type { RGB } from "../core/image";
import type { Conveyed } from "./protocol";
import type { Opened } from "./session";

/** Return the main head's value of every label: emotions, or valence and arousal. */
export async function convey(model: Opened, image: RGB): Promise<Conveyed> {
  const { crop, heads, primary } = model.manifest;
  const main = heads.find(({ name }) => name === primary)!;
  const [found] = await model.heads([whole(image, crop!.size)]);
  const values = found!.get(main)!;
  return Object.fromEntries(main.labels.map((label, at) => [label, values[at]!]));
}
