/** The conformance kit: rules of the specification, run against a server or a client. */
export type { Kit, Rule, RuleProtocol, RuleResult, RuleText } from "./rule.ts"
export { serverRules } from "./server/rules.ts"
export { rulesFor, run, runDefaults, type RunOptions } from "./server/run.ts"
export { clientRules } from "./client/client-rules.ts"
export type { ClientKit, ClientRule } from "./client/kit.ts"
export { clientRulesFor, serve, serveDefaults, type ServeOptions } from "./client/serve.ts"
export type { RuleBroken, RuleSkipped, Verdict } from "./verdict.ts"
