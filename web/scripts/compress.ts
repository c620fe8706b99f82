import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Plugin } from "vite";

/** Keep WebAssembly compressed only: the server hands it out so, and the wheel and the first visit are a quarter of the size. */
export function compress(): Plugin {
  return {
    name: "mien:compress",
    apply: "build",
    async writeBundle({ dir }) {
      const folder = join(dir!, "assets");
      for (const name of (await readdir(folder)).filter((one) => one.endsWith(".wasm"))) {
        const path = join(folder, name);
        await writeFile(`${path}.gz`, gzipSync(await readFile(path), { level: 9 }));
        await rm(path);
      }
    },
  };
}
