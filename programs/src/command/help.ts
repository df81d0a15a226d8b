/** How the CLI prints help. For a wrong command line report.ts prints a line instead of the whole help. */
import { Effect, Layer } from "effect"
import { CliOutput } from "effect/cli"

const standard = CliOutput.defaultFormatter()

/** Shows the subcommand of a program, `config`, as optional: a program with flags of its own runs without it. */
const formatter: CliOutput.Formatter = {
  ...standard,
  formatHelpDoc: (doc) =>
    standard.formatHelpDoc(
      doc.flags.length === 0 ? doc : { ...doc, usage: doc.usage.replace("<subcommand>", "[config]") }
    )
}

const presenter: CliOutput.Presenter = {
  present: (event) => (event._tag === "InvalidInvocation" ? Effect.void : CliOutput.defaultPresenter.present(event))
}

export const layerHelp = Layer.merge(CliOutput.layer(formatter), CliOutput.layerPresenter(presenter))
