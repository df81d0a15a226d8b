/** What `sluice conformance` prints, and the exit status that follows from it. */
import type { Conformance } from "@sluice/conformance"
import { escaped } from "@sluice/protocol"
import { Console, Effect } from "effect"
import { ConfigError } from "../config/config-error.ts"
import { columns } from "../output/columns.ts"
import { FaultsFound } from "../command/report.ts"

type Results = ReadonlyArray<Conformance.RuleResult>

/** Prints the verdicts, as a table or as a line of JSON each. */
export const print = (results: Results, json: boolean): Effect.Effect<void> =>
  Console.log((json ? results.map((result) => escaped(JSON.stringify(result))) : table(results)).join("\n"))

/** Fails where a rule is broken, or where none could be tried. */
export const settle = (results: Results): Effect.Effect<void, FaultsFound> => {
  const count = (tag: Conformance.Verdict["_tag"]) => countOf(results, tag)
  return count("Failed") > 0 || count("Passed") === 0 ? Effect.fail(new FaultsFound()) : Effect.void
}

/** Which rules `--only` names; fails where one of its beginnings is that of no rule. */
export const chosen = (
  only: string | undefined,
  rules: ReadonlyArray<Conformance.RuleText>,
  { program, protocol }: { readonly program: string; readonly protocol: string }
): Effect.Effect<{ readonly only?: ReadonlyArray<string> }, ConfigError> => {
  if (only === undefined) return Effect.succeed({})
  const prefixes = only.split(",").filter((prefix) => prefix !== "")
  const strange = prefixes.find((prefix) => !rules.some(({ id }) => id.startsWith(prefix)))
  if (strange === undefined) return Effect.succeed({ only: prefixes })
  const problems = [`--only: no rule for ${protocol} begins with "${strange}"`]
  return Effect.fail(new ConfigError({ program, problems }))
}

/** One verdict, in a line of its own. */
export const lineOf = ({ id, section, title, verdict }: Conformance.RuleResult): ReadonlyArray<string> => [
  verdict._tag.toLowerCase(),
  section,
  id,
  tell(title, verdict)
]

const table = (results: Results): ReadonlyArray<string> => [
  ...columns([["VERDICT", "SECTION", "RULE", ""], ...results.map(lineOf)]),
  "",
  `${countOf(results, "Passed")} passed, ${countOf(results, "Failed")} failed, ${countOf(results, "Skipped")} skipped`
]

const countOf = (results: Results, tag: Conformance.Verdict["_tag"]): number =>
  results.filter(({ verdict }) => verdict._tag === tag).length

const tell = (title: string, verdict: Conformance.Verdict): string => {
  switch (verdict._tag) {
    case "Passed":
      return title
    case "Failed":
      return `${title}: expected ${verdict.expected}, came ${verdict.came}`
    case "Skipped":
      return `${title}: ${verdict.why}`
  }
}
