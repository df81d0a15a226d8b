/** `sluice conformance`: checks which rules of the specification an implementation keeps. */
import { Command } from "effect/cli"
import { summaries } from "../command/summaries.ts"
import { connect } from "./connect.ts"
import { rules } from "./rules.ts"
import { serve } from "./serve.ts"

export const conformance = Command.make("conformance").pipe(
  Command.withDescription(summaries.conformance),
  Command.withSubcommands([connect, serve, rules])
)
