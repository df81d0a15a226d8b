/** How the CLI prints help. A wrong command line is told by report.ts, in one line and without the whole help. */
import { Effect, Layer } from "effect"
import { CliOutput } from "effect/cli"

const standard = CliOutput.defaultFormatter()

/** A program runs by itself; its subcommand `config` is there to look, so usage shows it as optional. */
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
