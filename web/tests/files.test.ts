import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { mean, movement, normalise } from "../src/landmarks/pose";
import { csv, readTable } from "../src/landmarks/table";
import { parse } from "../src/models/markdown";
import type { Item } from "../src/photos/album.svelte";
import { toCsv, toJsonLines } from "../src/photos/export";

describe("csv", () => {
  it("reads quotes, commas and line ends inside a cell", () => {
    expect(csv('a,b\r\n"x, ""y""\nz",2\n')).toEqual([{ a: 'x, "y"\nz', b: "2" }]);
  });
  it("refuses a table without landmarks, with what was expected", async () => {
    await expect(readTable(new File(["a,b\n1,2\n"], "t.csv"))).rejects.toThrow(/expected the columns image, label, x0/);
  });
});

describe("parquet", () => {
  it("is read as mien writes it, with Zstandard", async () => {
    const data = readFileSync(new URL("data/landmarks.parquet", import.meta.url));
    const [first, second] = await readTable(new File([data], "landmarks.parquet"));
    expect([...first!.points]).toEqual([1.5, 3, 0]);
    expect([first!.image, first!.label, second!.label]).toEqual(["a.jpg", "happy", null]);
  });
  it("that is none is refused in words", async () => {
    await expect(readTable(new File(["no parquet at all"], "t.parquet"))).rejects.toThrow(/t.parquet cannot be read as parquet.*mien landmarks/);
  });
});

describe("pose", () => {
  const five = Float32Array.from([100, 100, 0, 160, 100, 0, 130, 130, 0, 110, 160, 0, 150, 160, 0]);
  it("does not depend on place, size or turn of the face", () => {
    const [cos, sin] = [Math.cos(0.4), Math.sin(0.4)];
    const turned = five.map((_, k) => {
      const [x, y] = [five[k - (k % 3)]!, five[k - (k % 3) + 1]!];
      return k % 3 === 0 ? 3 * (cos * x - sin * y) + 7 : k % 3 === 1 ? 3 * (sin * x + cos * y) - 20 : 0;
    });
    expect(Math.max(...movement(normalise(turned), normalise(five)))).toBeLessThan(1e-5);
  });
  it("has the eyes one unit apart and up above", () => {
    const made = normalise(five);
    expect(made[3]! - made[0]!).toBeCloseTo(1, 5);
    expect(made[7]!).toBeLessThan(made[1]!);
    expect(mean([made, made])).toEqual(made);
  });
});

describe("exports", () => {
  const item = {
    id: 0, name: '=1+1, "x".jpg', file: new File([], "x"), url: "", error: null,
    reading: {
      width: 10, height: 10,
      faces: [{
        box: [1, 2, 3, 4], points: null, label: "sadness", scores: { sadness: 0.75, neutral: 0.25 }, confidence: 0.5,
        ranking: [], entropy: 0.5, labels_90: null, quality: 1, abstained: null, heads: {},
      }],
    },
  } as unknown as Item;
  it("have one row a face that survives reading, and start no formula", () => {
    const [row] = csv(toCsv([item], "expression"));
    expect(row).toMatchObject({ image: `'=1+1, "x".jpg`, label: "sadness", expression_sadness: "0.75", x2: "3" });
  });
  it("have one JSON line a picture", () => {
    const line = JSON.parse(toJsonLines([item])) as { faces: unknown[]; error: null };
    expect(line.faces).toHaveLength(1);
    expect(line.error).toBeNull();
  });
});

it("a card's Markdown becomes blocks", () => {
  const blocks = parse("# T\n\ntext `code`\n\n| a | b |\n| --- | --- |\n| 1 | `2` |\n- item");
  expect(blocks.map((block) => block.kind)).toEqual(["heading", "text", "table", "item"]);
  expect(blocks[2]).toMatchObject({ rows: [[[{ text: "1" }], [{ text: "2", code: true }]]] });
});
