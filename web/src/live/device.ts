/** Live reading on this device: one frame at a time, tracked and smoothed like on the server. */
import type { Face, Head } from "../api/types";
import { describe } from "../core/scores";
import { Smoother } from "../core/smoothing";
import { Tracker } from "../core/tracker";
import * as device from "../device/client";
import type { DeviceInfo } from "../device/protocol";
import type { Listener, Reader } from "./reader";

export class DeviceReader implements Reader {
  private busy = true;
  private closed = false;
  private model = "";
  private readonly tracker = new Tracker();
  private readonly smoother = new Smoother();

  constructor(
    private readonly listener: Listener,
    private readonly side: number | undefined,
  ) {
    listener.status({ kind: "opening" });
    device.open((part) => this.closed || listener.status({ kind: "opening", part })).then(
      (info) => {
        this.busy = false;
        this.model = `${info.expression}, ${info.precision}`;
        if (!this.closed) listener.status({ kind: "ready", detail: runsOn(info) });
      },
      (error: Error) => this.closed || listener.status({ kind: "failed", message: error.message }),
    );
  }

  get free(): boolean {
    return !this.busy;
  }

  push(frame: ImageBitmap, taken: number): void {
    this.busy = true;
    device.read(frame, this.side ? { side: this.side } : {}).then(
      (reading) => {
        this.busy = false;
        if (this.closed) return;
        const { detect, crop, classify, judge } = reading.latency;
        this.listener.result({
          faces: this.follow(reading.faces, taken / 1000), width: reading.width, height: reading.height, taken,
          model: this.model, health: "on this device",
          latency: [
            ["pixels", reading.pixels], ["detect", detect], ["crop", crop], ["classify", classify], ["judge", judge],
            ["total", performance.now() - taken],
          ],
        });
      },
      (error: Error) => {
        this.busy = false;
        if (!this.closed) this.listener.status({ kind: "failed", message: error.message });
      },
    );
  }

  close(): void {
    this.closed = true;
  }

  private follow(faces: Face[], time: number): Face[] {
    const numbers = this.tracker.update(faces.map((face) => face.box), time);
    this.smoother.forget(time);
    return faces.map((face, at) => smooth(face, numbers[at]!, this.smoother, time));
  }
}

function runsOn({ provider, threads, note }: DeviceInfo): string {
  const name = provider === "webgpu" ? "WebGPU" : `WebAssembly, ${threads === 1 ? "1 thread" : `${threads} threads`}`;
  return note ? `${name} (${note})` : name;
}

function smooth(face: Face, id: number, smoother: Smoother, time: number): Face {
  const main = "";
  const heads = new Map<string, Head>([[main, face], ...Object.entries(face.heads)]);
  const values = new Map([...heads].map(([name, head]) => [name, Object.values(head.scores)]));
  const out = new Map(
    [...smoother.update(id, time, values)].map(([name, { values: mean, chosen }]) => {
      const labels = Object.keys(heads.get(name)!.scores);
      const head = describe({ name, label_set: "", labels }, mean);
      return [name, { ...head, label: labels[chosen]!, labels_90: null }] as const;
    }),
  );
  const { [main]: first, ...others } = Object.fromEntries(out);
  return { ...face, ...first!, heads: others, tracker_id: id, raw: face.scores };
}
