/** One model on this device, opened: its manifest, and a graph that takes pictures. */
import type { InferenceSession, Tensor, TypedTensor } from "onnxruntime-web";
import type { RGB } from "../core/image";
import type { HeadSpec, Manifest } from "../core/manifest";
import type { Provider } from "./backend";
import type { StoredModel } from "./models";

/** The part of onnxruntime that is used, the same for WebAssembly in a browser and in Node. */
export interface Runtime {
  InferenceSession: { create(graph: Uint8Array, options: InferenceSession.SessionOptions): Promise<InferenceSession> };
  Tensor: new (type: "uint8", data: Uint8Array, dims: readonly number[]) => TypedTensor<"uint8">;
}

export class Opened {
  private constructor(
    private readonly runtime: Runtime,
    private readonly session: InferenceSession,
    readonly manifest: Manifest,
    readonly precision: string,
  ) {}

  static async open(runtime: Runtime, { manifest, precision, graph }: StoredModel, provider: Provider): Promise<Opened> {
    const session = await runtime.InferenceSession.create(new Uint8Array(graph), {
      executionProviders: [provider], graphOptimizationLevel: "all",
    });
    return new Opened(runtime, session, manifest, precision);
  }

  /** Run the graph on pictures of one size. */
  async run(images: readonly RGB[]): Promise<Record<string, Tensor>> {
    const { width, height } = images[0]!;
    const each = width * height * 3;
    let data = images[0]!.data;
    if (images.length > 1) {
      data = new Uint8Array(each * images.length);
      images.forEach((image, at) => data.set(image.data, at * each));
    }
    const input = new this.runtime.Tensor("uint8", data, [images.length, height, width, 3]);
    return this.session.run({ [this.session.inputNames[0]!]: input });
  }

  /** Return the values of every head for every crop. */
  async heads(crops: readonly RGB[]): Promise<Map<HeadSpec, number[]>[]> {
    if (crops.length === 0) return [];
    const out = await this.run(crops);
    return crops.map((_, row) => {
      return new Map(
        this.manifest.heads.map((head) => {
          const width = head.labels.length;
          const values = (out[head.name]!.data as Float32Array).subarray(row * width, (row + 1) * width);
          return [head, Array.from(values)] as const;
        }),
      );
    });
  }

  close(): Promise<void> {
    return this.session.release();
  }
}
