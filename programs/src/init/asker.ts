/** Who answers the questions of `sluice init`: a person at a terminal, or nobody, so that flags and defaults must do. */
import { Console, Context, Effect, type FileSystem, Layer, type Path, Redacted, Terminal } from "effect"
import { Prompt } from "effect/cli"
import { ProgramError } from "../command/report.ts"
import { keysOf } from "../config/key.ts"
import { type AnswerName, InitConfig } from "./config.ts"

export interface Choice<A> {
  readonly title: string
  readonly value: A
  readonly description?: string
}

/** A question whose answer is text. `check` gives the answer, or why it is wrong. */
export interface TextQuestion {
  readonly name: AnswerName
  readonly message: string
  readonly initial?: string | undefined
  readonly check: (text: string) => Effect.Effect<string, string, FileSystem.FileSystem>
  readonly isSecret?: boolean
}

export class Asker extends Context.Service<
  Asker,
  {
    /** Whether a person answers, who can be asked again. */
    readonly isPerson: boolean
    readonly say: (text: string) => Effect.Effect<void>
    readonly text: (question: TextQuestion) => Effect.Effect<string, ProgramError, FileSystem.FileSystem>
    /** The first choice is the default, if there is one. */
    readonly choose: <A>(question: {
      readonly name: AnswerName | undefined
      readonly message: string
      readonly choices: ReadonlyArray<Choice<A>>
      readonly hasDefault: boolean
    }) => Effect.Effect<A, ProgramError>
    readonly confirm: (question: {
      readonly message: string
      readonly initial: boolean
    }) => Effect.Effect<boolean, ProgramError>
  }
>()("sluice/init/Asker") {}

/** Fails with a sentence about `sluice init`. */
export const refuse = (message: string): ProgramError => new ProgramError({ program: "init", message })

/** Asks at the terminal. Ctrl-C and Esc stop the questions. */
export const layerTerminal: Layer.Layer<Asker, never, Prompt.Environment> = Layer.effect(
  Asker,
  Effect.gen(function* () {
    const surroundings = yield* Effect.context<FileSystem.FileSystem | Path.Path | Terminal.Terminal>()
    const terminal = yield* Terminal.Terminal
    const run = <A>(prompt: Prompt.Prompt<A>): Effect.Effect<A, ProgramError> =>
      Prompt.run(prompt).pipe(
        // Ends the line of the question.
        Effect.tapError(() => Effect.ignore(terminal.display("\n"))),
        Effect.mapError(() => refuse("stopped; nothing was written")),
        Effect.provide(surroundings)
      )
    return Asker.of({
      isPerson: true,
      say: (text) => Effect.ignore(terminal.display(`${text}\n`)),
      text: ({ check, initial = "", isSecret = false, message }) => {
        const options = { message, validate: (text: string) => Effect.provide(check(text.trim()), surroundings) }
        return isSecret
          ? Effect.map(run(Prompt.Password(options)), Redacted.value)
          : run(Prompt.String({ ...options, default: initial }))
      },
      choose: ({ choices, message }) => run(Prompt.Select({ message, choices })),
      confirm: (options) => run(Prompt.Confirm(options))
    })
  })
)

/** Takes the default of every question, and fails for one without. */
export const layerNobody: Layer.Layer<Asker> = Layer.succeed(Asker, {
  isPerson: false,
  say: (text) => Console.log(text),
  text: ({ check, initial, name }) =>
    initial === undefined
      ? Effect.fail(missing(name))
      : Effect.mapError(check(initial), (problem) => refuse(`--${name}: ${problem}`)),
  choose: ({ choices, hasDefault, message, name }) => {
    const [first] = choices
    if (hasDefault && first !== undefined) return Effect.succeed(first.value)
    return Effect.fail(name === undefined ? refuse(message) : missing(name))
  },
  confirm: ({ initial }) => Effect.succeed(initial)
})

const missing = (name: AnswerName): ProgramError => {
  const key = keysOf(InitConfig.program, InitConfig.schema.fields).find((each) => each.name === name)
  return refuse(`--${name} is missing: expected ${key?.value.expected}`)
}
