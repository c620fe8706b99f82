/** Reads the table of `mien landmarks` (csv or parquet) into rows. */

/** Points of a face mesh; a table of five points has fewer. */
export const MESH = 478;

export interface Row {
  readonly image: string;
  readonly label: string | null;
  /** x, y, z of each point in pixels of the picture, y down. */
  readonly points: Float32Array;
  readonly blendshapes: readonly (readonly [name: string, value: number])[];
  /** Pitch, yaw and roll in degrees, and how open eyes and mouth are. */
  readonly measures: readonly (readonly [name: string, value: number])[];
  readonly unfit: string | null;
}

type Cells = Record<string, unknown>;
const MEASURES = ["pitch", "yaw", "roll", "left_eye", "right_eye", "mouth"];
const NOT_SHAPES = new Set(["image", "face", "label", "confidence", "unfit", ...MEASURES]);

/** Read a file; the error says what was expected. */
export async function readTable(file: File): Promise<Row[]> {
  const cells = file.name.endsWith(".parquet") ? await parquet(file) : csv(await file.text());
  const columns = Object.keys(cells[0] ?? {});
  if (!columns.includes("x0") || !columns.includes("y0")) {
    throw new Error(`${file.name} has no landmarks: expected the columns image, label, x0, y0, z0 … that “mien landmarks” writes.`);
  }
  const count = columns.filter((name) => /^x\d+$/.test(name)).length;
  return cells.map((one) => row(one, count));
}

function row(cells: Cells, count: number): Row {
  const points = new Float32Array(count * 3);
  for (let k = 0; k < count; k++) {
    points[3 * k] = number(cells[`x${k}`]);
    points[3 * k + 1] = number(cells[`y${k}`]);
    points[3 * k + 2] = number(cells[`z${k}`]);
  }
  const shapes = Object.keys(cells).filter((name) => !NOT_SHAPES.has(name) && !/^[xyz]\d+$/.test(name));
  return {
    image: text(cells["image"]) ?? "", label: text(cells["label"]), unfit: text(cells["unfit"]), points,
    blendshapes: shapes.map((name) => [name, number(cells[name])] as const).sort((p, q) => q[1] - p[1]),
    measures: MEASURES.filter((name) => name in cells).map((name) => [name, number(cells[name])] as const),
  };
}

async function parquet(file: File): Promise<Cells[]> {
  // mien writes parquet with Zstandard, which hyparquet leaves to others.
  const [{ parquetReadObjects }, { decompress }] = await Promise.all([import("hyparquet"), import("fzstd")]);
  const compressors = { ZSTD: (part: Uint8Array, length: number) => decompress(part, new Uint8Array(length)) };
  try {
    return (await parquetReadObjects({ file: await file.arrayBuffer(), compressors })) as Cells[];
  } catch (error) {
    throw new Error(`${file.name} cannot be read as parquet (${(error as Error).message}). Open the table that “mien landmarks” wrote, or its csv.`);
  }
}

/** Split csv text into rows (RFC 4180: quotes, commas and line ends within quotes). */
export function csv(content: string): Cells[] {
  const rows: string[][] = [[]];
  let cell = "";
  let quoted = false;
  for (let at = 0; at < content.length; at++) {
    const letter = content[at]!;
    if (quoted && letter === '"' && content[at + 1] === '"') cell += content[++at];
    else if (letter === '"') quoted = !quoted;
    else if (!quoted && (letter === "," || letter === "\n")) {
      rows.at(-1)!.push(cell.replace(/\r$/, ""));
      cell = "";
      if (letter === "\n") rows.push([]);
    } else cell += letter;
  }
  if (cell || rows.at(-1)!.length) rows.at(-1)!.push(cell.replace(/\r$/, ""));
  const [head = [], ...body] = rows.filter((one) => one.some((value) => value !== ""));
  return body.map((values) => Object.fromEntries(head.map((name, at) => [name.replace(/^\uFEFF/, ""), values[at] ?? ""])));
}

function number(value: unknown): number {
  const found = Number(value ?? 0);
  return Number.isFinite(found) ? found : 0;
}

function text(value: unknown): string | null {
  return value === null || value === undefined || value === "" ? null : String(value);
}
