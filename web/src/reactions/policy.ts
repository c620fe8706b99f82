/** Emotion scores to allowed and blocked emoji, by the server's policy; mirrored from `mien.reactions`. */
import type { Decision, Face, ReactionPolicy, Reactions } from "../api/types";

type Scores = Record<string, number>;
export type Decided = Pick<Reactions, "predicted_emotions" | "allowed_emojis" | "blocked_emojis" | "emotion_scores" | "decisions" | "note">;

/** Decide on the reactions to a picture by its faces; those from which the model abstained do not count. */
export function react(faces: readonly Pick<Face, "scores" | "abstained">[], policy: ReactionPolicy): Decided {
  const counted = faces.filter(({ abstained }) => abstained === null);
  const scores = counted.length ? strongest(counted.map((face) => carry(face.scores, policy))) : {};
  const note = explain(faces.length, counted.length);
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
    note: counted.length && !seen.length ? `${note}; no emotion reaches its threshold, so nothing is blocked` : note,
  };
}

/** Carry a distribution over to the policy's labels; one whose whole mass is dropped becomes uniform. */
function carry(scores: Scores, { labels, mapping }: ReactionPolicy): Scores {
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
    return [label, Math.round(Math.max(...all.map((scores) => scores[label]!)) * 1e5) / 1e5];
  }));
}

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

function explain(found: number, counted: number): string {
  if (counted) return `from ${counted} of ${found} ${found === 1 ? "face" : "faces"}`;
  const why = !found ? "no face" : found === 1 ? "no face that can be read" : `none of ${found} faces can be read`;
  return `no signal: ${why} and no whole-picture model; nothing is blocked`;
}

/** Make "❤" and "❤️" the same emoji: they differ only by the invisible request for colour. */
function plain(emoji: string): string {
  return emoji.replaceAll("\uFE0F", "");
}
