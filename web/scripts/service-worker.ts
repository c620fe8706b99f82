import { createHash } from "node:crypto";
import type { Plugin } from "vite";

const FIXED = ["/", "/manifest.webmanifest", "/icon.svg", "/icon-192.png", "/icon-512.png"];

/** Runtimes are kept from their first use: most visitors never need them. */
const LATER = /\.wasm$|webgpu|asyncify/;

/** Write the list of the app's own files into `sw.js`, so that it can be used without a server after the first visit. */
export function serviceWorker(): Plugin {
  return {
    name: "mien:service-worker",
    apply: "build",
    generateBundle(_, bundle) {
      const worker = Object.values(bundle).find((file) => file.type === "chunk" && file.fileName === "sw.js");
      if (worker?.type !== "chunk") return;
      const own = Object.keys(bundle).filter((name) => name.startsWith("assets/") && !LATER.test(name)).map((name) => `/${name}`).sort();
      const files = [...FIXED, ...own];
      const version = createHash("sha256").update(files.join("\n")).digest("hex").slice(0, 12);
      worker.code = worker.code
        .replace("__MIEN_FILES__", JSON.stringify(files))
        .replace("__MIEN_VERSION__", JSON.stringify(version));
    },
  };
}
