/** Emotion scores to allowed and blocked emoji, by the server's policy; mirrored from `mien.reactions`. */
import type { Decision, Face, ReactionPolicy, Reactions } from "../api/types";

type Scores = Record<string, number>;
export type Decided = Pick<Reactions, "predicted_emotions" | "allowed_emojis" | "blocked_emojis" | "emotion_scores" | "decisions" | "note">;
type Emotions = NonNullable<ReactionPolicy["scene"]>;
type Sources = Partial<Record<"faces" | "scene", Scores>>;

/**
 * Decide on the reactions to a picture by its faces, without those from which the model abstained, and by what a
 * whole-picture model says. Emotions that are only derived from valence and arousal speak where no face counts.
 */
export function react(faces: readonly Pick<Face, "scores" | "abstained">[], policy: ReactionPolicy, whole: Scores | null = null): Decided {
  const counted = faces.filter(({ abstained }) => abstained === null);
  const sources: Sources = {};
  if (counted.length) sources.faces = strongest(counted.map((face) => carry(face.scores, policy.mapping, policy.labels)));
  if (whole && policy.scene && !(policy.scene.places && counted.length)) {
    sources.scene = strongest([carry(emotions(whole, policy.scene), policy.scene.mapping, policy.labels)]);
  }
  const scores = fuse(sources, policy);
  const note = explain(faces.length, counted.length, sources);
  const seen = Object.keys(policy.rules)
    .filter((name) => (scores[name] ?? -1) >= policy.rules[name]!.threshold)
    .sort((p, q) => scores[q]! - scores[p]!);
  const decisions = emojis(policy).map((emoji) => decide(emoji, seen, scores, policy));
  const order = seen.flatMap((name) => policy.rules[name]!.allows.map(plain));
  const place = (emoji: string): number => Math.max(order.lastIndexOf(plain(emoji)), 0);
  const of = (status: Decision["status"]): string[] => decisions.filter((one) => one.status === status).map((one) => one.emoji);
  return {
    predicted_emotions: seen,
    allowed_emojis: of("allowed").sort((p, q) => place(p) - place(q)),
    blocked_emojis: of("blocked"),
    emotion_scores: scores,
    decisions,
    note: Object.keys(sources).length && !seen.length ? `${note}; no emotion reaches its threshold, so nothing is blocked` : note,
  };
}

/** Carry a distribution over to the policy's labels; one whose whole mass is dropped becomes uniform. */
function carry(scores: Scores, mapping: Readonly<Record<string, string>>, labels: readonly string[]): Scores {
  const out = Object.fromEntries(labels.map((label) => [label, 0]));
  for (const [label, score] of Object.entries(scores)) {
    const target = mapping[label];
    if (target !== undefined) out[target]! += score;
  }
  const total = Object.values(out).reduce((sum, value) => sum + value, 0);
  for (const label of labels) out[label] = total > 1e-6 ? out[label]! / total : 1 / labels.length;
  return out;
}

/** Take each label's highest score over the faces: one sad person makes a picture sad. */
function strongest(all: readonly Scores[]): Scores {
  return Object.fromEntries(Object.keys(all[0]!).map((label) => {
    return [label, rounded(Math.max(...all.map((scores) => scores[label]!)))];
  }));
}

/** Turn valence and arousal into emotions by the nearness of their places; a model's own emotions stay as they are. */
function emotions(whole: Scores, { places, spread }: Emotions): Scores {
  if (!places || !spread) return whole;
  const density = (place: readonly number[] | null): number => {
    if (!place) return 0.25;
    const away = (whole["valence"]! - place[0]!) ** 2 + (whole["arousal"]! - place[1]!) ** 2;
    return Math.exp(-away / (2 * spread ** 2)) / (2 * Math.PI * spread ** 2);
  };
  const found = Object.entries(places).map(([name, place]) => [name, density(place)] as const);
  const total = found.reduce((sum, [, value]) => sum + value, 0);
  return Object.fromEntries(found.map(([name, value]) => [name, value / total]));
}

/** Take the weighted mean of the sources that speak; equal shares where the policy counts none of them. */
function fuse(sources: Sources, { labels, fusion }: ReactionPolicy): Scores {
  const speaking = Object.entries(sources);
  if (!speaking.length) return {};
  const counts = speaking.map(([name]) => fusion[name] ?? 0);
  const weights = counts.some((weight) => weight > 0) ? counts : counts.map(() => 1);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return Object.fromEntries(labels.map((label) => [label, rounded(speaking.reduce((sum, [, scores], at) => sum + weights[at]! * scores[label]!, 0) / total)]));
}

const rounded = (score: number): number => Math.round(score * 1e5) / 1e5;

/** List every emoji of the policy once, in its order. */
function emojis({ rules }: ReactionPolicy): string[] {
  const first = new Map<string, string>();
  for (const { allows, blocks } of Object.values(rules)) {
    for (const emoji of [...allows, ...blocks]) if (!first.has(plain(emoji))) first.set(plain(emoji), emoji);
  }
  return [...first.values()];
}

function decide(emoji: string, seen: readonly string[], scores: Scores, { rules }: ReactionPolicy): Decision {
  if (!seen.length) return { emoji, status: "allowed", emotion: null, reason: `${emoji} allowed: nothing was seen that speaks against it` };
  const speaks = (list: readonly string[]): boolean => list.some((one) => plain(one) === plain(emoji));
  const because = (name: string): string => `${name} ${scores[name]!.toFixed(2)} >= ${rules[name]!.threshold.toFixed(2)}`;
  const against = seen.find((name) => speaks(rules[name]!.blocks));
  if (against) return { emoji, status: "blocked", emotion: against, reason: `${emoji} blocked: ${because(against)}` };
  const fits = seen.find((name) => speaks(rules[name]!.allows));
  if (fits) return { emoji, status: "allowed", emotion: fits, reason: `${emoji} allowed: ${because(fits)}` };
  return { emoji, status: "open", emotion: null, reason: `${emoji} open: no rule of ${seen.join(", ")} speaks about it` };
}

function explain(found: number, counted: number, { scene }: Sources): string {
  const parts = counted ? [`${counted} of ${found} ${found === 1 ? "face" : "faces"}`] : [];
  if (scene) parts.push("the whole picture");
  if (parts.length) return `from ${parts.join(" and ")}`;
  const why = !found ? "no face" : found === 1 ? "no face that can be read" : `none of ${found} faces can be read`;
  return `no signal: ${why} and no whole-picture model; nothing is blocked`;
}

/** Make "❤" and "❤️" the same emoji: they differ only by the invisible request for colour. */
function plain(emoji: string): string {
  return emoji.replaceAll("\uFE0F", "");
}
