/** The outcomes of a rule: it passed, it was broken, or it was skipped. */
import { escaped } from "@sluice/protocol"
import { Schema } from "effect"

/** The endpoint broke the rule. */
export class RuleBroken extends Schema.TaggedError<RuleBroken>("sluice/conformance/RuleBroken")("RuleBroken", {
  expected: Schema.String,
  came: Schema.String
}) {}

/** The rule could not be checked, for a reason that is not a fault of the endpoint. */
export class RuleSkipped extends Schema.TaggedError<RuleSkipped>("sluice/conformance/RuleSkipped")("RuleSkipped", {
  why: Schema.String
}) {}

export type Verdict =
  | { readonly _tag: "Passed" }
  | { readonly _tag: "Failed"; readonly expected: string; readonly came: string }
  | { readonly _tag: "Skipped"; readonly why: string }

/** The verdict on a failed session. Escapes the endpoint's texts: they must not forge lines of a report or steer a terminal. */
export const verdictOf = (failure: RuleBroken | RuleSkipped): Verdict =>
  failure._tag === "RuleSkipped"
    ? { _tag: "Skipped", why: escaped(failure.why) }
    : { _tag: "Failed", expected: escaped(failure.expected), came: escaped(failure.came) }
