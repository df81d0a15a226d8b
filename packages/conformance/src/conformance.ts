/** The conformance kit: rules of the specification, run against an endpoint. */
export type { Kit, Rule, RuleBroken, RuleProtocol, RuleResult, RuleSkipped, Verdict } from "./rule.ts"
export { serverRules } from "./rules.ts"
export { rulesFor, run, type RunOptions } from "./run.ts"
