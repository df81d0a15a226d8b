/** Prints the verdicts of `sluice conformance`, and chooses the exit status. */
import type { Conformance } from "@sluice/conformance"
import { escaped } from "@sluice/protocol"
import { Console, Effect } from "effect"
import { ConfigError } from "../config/config-error.ts"
import { columns } from "../output/columns.ts"
import { FaultsFound } from "../command/report.ts"

type Results = ReadonlyArray<Conformance.RuleResult>

/** Prints the verdicts as a table, or each as a line of JSON. */
export const print = (results: Results, json: boolean): Effect.Effect<void> =>
  Console.log((json ? results.map((result) => escaped(JSON.stringify(result))) : table(results)).join("\n"))

/** Fails if a rule is broken, or if none could be tried. */
export const failIfBroken = (results: Results): Effect.Effect<void, FaultsFound> => {
  const count = (tag: Conformance.Verdict["_tag"]) => countOf(results, tag)
  return count("Failed") > 0 || count("Passed") === 0 ? Effect.fail(new FaultsFound()) : Effect.void
}

/** The rules that `--only` chooses. Fails if no rule begins with one of its parts. */
export const chosen = (
  only: string | undefined,
  rules: ReadonlyArray<Conformance.RuleText>,
  { program, protocol }: { readonly program: string; readonly protocol: string }
): Effect.Effect<{ readonly only?: ReadonlyArray<string> }, ConfigError> => {
  if (only === undefined) return Effect.succeed({})
  const prefixes = only.split(",").filter((prefix) => prefix !== "")
  const unknown = prefixes.find((prefix) => !rules.some(({ id }) => id.startsWith(prefix)))
  if (unknown === undefined) return Effect.succeed({ only: prefixes })
  const problems = [`--only: no rule for ${protocol} begins with "${unknown}"`]
  return Effect.fail(new ConfigError({ program, problems }))
}

/** The cells of one verdict's line. */
export const lineOf = ({ id, section, title, verdict }: Conformance.RuleResult): ReadonlyArray<string> => [
  verdict._tag.toLowerCase(),
  section,
  id,
  describe(title, verdict)
]

const table = (results: Results): ReadonlyArray<string> => [
  ...columns([["VERDICT", "SECTION", "RULE", ""], ...results.map(lineOf)]),
  "",
  `${countOf(results, "Passed")} passed, ${countOf(results, "Failed")} failed, ${countOf(results, "Skipped")} skipped`
]

const countOf = (results: Results, tag: Conformance.Verdict["_tag"]): number =>
  results.filter(({ verdict }) => verdict._tag === tag).length

const describe = (title: string, verdict: Conformance.Verdict): string => {
  switch (verdict._tag) {
    case "Passed":
      return title
    case "Failed":
      return `${title}: expected ${verdict.expected}, came ${verdict.came}`
    case "Skipped":
      return `${title}: ${verdict.why}`
  }
}
