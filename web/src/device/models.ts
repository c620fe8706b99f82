/**
 * The models on this device: fetched from the server once, checked, and kept by the digest of their content.
 * Works without a server after the first time.
 */
import { type Manifest, parseManifest } from "../core/manifest";
import type { Catalogue, ReactionPolicy } from "../api/types";

const STORE = "mien-models-1";
/** The graph that is run where a model has it. */
export const PRECISION = "fp32";

export interface StoredModel {
  readonly manifest: Manifest;
  readonly precision: string;
  readonly graph: ArrayBuffer;
}

export type Progress = (name: string, loaded: number, total: number) => void;

/** Return the server's list of models, or the last one that was seen. */
export async function installed(key: string | null): Promise<Catalogue> {
  return (await fresh("/v1/models", key)).json() as Promise<Catalogue>;
}

/** Return the server's reaction policy, or the last one that was seen. */
export async function policy(key: string | null): Promise<ReactionPolicy> {
  return (await fresh("/v1/reactions/policy", key)).json() as Promise<ReactionPolicy>;
}

/**
 * Return a model, from the store where its digest is there already.
 *
 * It is the 32-bit graph, which answers alike on every processor (see docs/decisions/device-precision.md).
 */
export async function load(name: string, key: string | null, progress: Progress = () => {}): Promise<StoredModel> {
  const manifest = parseManifest(await (await fresh(`/v1/models/${encodeURIComponent(name)}/model.json`, key)).json());
  const precision = PRECISION in manifest.graphs ? PRECISION : manifest.default;
  const { file, sha256, size } = manifest.graphs[precision]!;
  const store = await caches.open(STORE);
  const address = `/models/${sha256}`;
  const kept = await store.match(address);
  if (kept) return { manifest, precision, graph: await kept.arrayBuffer() };
  const answer = await get(`/v1/models/${encodeURIComponent(name)}/${encodeURIComponent(file)}`, key);
  const graph = await download(answer, size, (loaded) => progress(name, loaded, size));
  const digest = hex(await crypto.subtle.digest("SHA-256", graph));
  if (digest !== sha256) throw new Error(`The model “${name}” arrived damaged. Reload the page to fetch it again.`);
  await store.put(address, new Response(graph));
  await forget(store, name, Object.values(manifest.graphs).map((graph) => graph.sha256));
  return { manifest, precision, graph };
}

/** Fetch what may have changed; without a server take what was stored last. */
async function fresh(path: string, key: string | null): Promise<Response> {
  const store = await caches.open(STORE);
  try {
    const answer = await get(path, key);
    await store.put(path, answer.clone());
    return answer;
  } catch (error) {
    const kept = await store.match(path);
    if (kept) return kept;
    throw error;
  }
}

async function get(path: string, key: string | null): Promise<Response> {
  const answer = await fetch(path, { headers: key ? { "X-API-Key": key } : {} }).catch(() => {
    throw new Error("The models are not on this device yet and the server does not answer. Connect once, then it works offline.");
  });
  if (answer.ok) return answer;
  throw new Error(`The server has no ${path.split("/").at(-1)} to give (status ${answer.status}). See “Models” for what is installed.`);
}

async function download(answer: Response, size: number, progress: (loaded: number) => void): Promise<ArrayBuffer> {
  if (!answer.body) return answer.arrayBuffer();
  const parts: Uint8Array[] = [];
  let loaded = 0;
  for (const reader = answer.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    progress(Math.min((loaded += value.length), size));
  }
  const whole = new Uint8Array(loaded);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole.buffer;
}

/** Drop the graphs that an older version of this model has left behind. */
async function forget(store: Cache, name: string, current: readonly string[]): Promise<void> {
  const note = `/models/current/${name}`;
  const before = (await (await store.match(note))?.text())?.split(" ") ?? [];
  for (const sha256 of before) if (!current.includes(sha256)) await store.delete(`/models/${sha256}`);
  await store.put(note, new Response(current.join(" ")));
}

function hex(digest: ArrayBuffer): string {
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
