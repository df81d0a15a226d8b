/** The conformance kit: rules of the specification, run against a server or a client. */
export type { Kit, Rule, RuleBroken, RuleProtocol, RuleResult, RuleSkipped, RuleText, Verdict } from "./rule.ts"
export { serverRules } from "./rules.ts"
export { rulesFor, run, type RunOptions } from "./run.ts"
export { clientRules } from "./client/client-rules.ts"
export type { ClientKit, ClientRule } from "./client/kit.ts"
export { clientRulesFor, serve, type ServeOptions } from "./client/serve.ts"
