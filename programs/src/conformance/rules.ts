/** `sluice conformance rules`: lists the rules without trying them. */
import { Conformance } from "@sluice/conformance"
import { Console, Effect } from "effect"
import { Command, Flag } from "effect/cli"
import { columns } from "../output/columns.ts"

export const rules = Command.make(
  "rules",
  {
    json: Flag.Boolean("json").pipe(Flag.withDescription("Print each rule as a line of JSON."), Flag.withDefault(false))
  },
  ({ json }) =>
    Effect.suspend(() => {
      const all = [...Conformance.serverRules, ...Conformance.clientRules].map(
        ({ id, protocol, section, side, title }) => ({ id, title, section, side, protocol })
      )
      const lines = json
        ? all.map((rule) => JSON.stringify(rule))
        : columns([
            ["BINDS", "PROTOCOL", "SECTION", "RULE", ""],
            ...all.map(({ id, protocol, section, side, title }) => [side, protocol, section, id, title])
          ])
      return Console.log(lines.join("\n"))
    })
).pipe(
  Command.withDescription("Print every rule that `connect` and `serve` check, with its section of the specification."),
  Command.withShortDescription("List the rules.")
)
