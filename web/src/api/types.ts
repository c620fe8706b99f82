/** Names for the generated types of the server's HTTP API and stream. */
import type { components } from "./schema";

type Schemas = components["schemas"];
export type Face = Schemas["Face"];
export type Head = Schemas["Head"];
export type Prediction = Schemas["Prediction"];
export type Catalogue = Schemas["Catalogue"];
export type Model = Schemas["Model"];
export type Decision = Schemas["Decision"];
export type ReactionPolicy = Schemas["ReactionPolicy"];
export type Reactions = Schemas["Reactions"];
export type StreamResult = Schemas["Result"];
export type StreamHealth = Schemas["StreamHealth"];
/** The messages of the stream; their `type` is always there, though the schema gives it a default. */
export type ServerMessage =
  | (Schemas["Hello"] & { type: "hello" })
  | (Schemas["Result"] & { type: "result" })
  | (Schemas["StreamError"] & { type: "error" })
  | (Schemas["Pong"] & { type: "pong" });
export type Explanation = Schemas["Explanation"];
export type Method = Schemas["Method"];
export type Desk = Schemas["Desk"];
export type Asked = Schemas["Asked"];
export type Conflict = Schemas["Conflict"];
export type Rating = Schemas["Rating"];
