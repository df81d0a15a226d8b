/** How `sluice init` gets one answer: from a flag, a variable or a file, or else from the person. */
import { Effect, type FileSystem } from "effect"
import type { ProgramError } from "../command/report.ts"
import { type Given, load } from "../config/load.ts"
import { Asker, refuse } from "./asker.ts"
import { AnswerConfig, type AnswerName, type InitConfig } from "./config.ts"

/** What the questions start from. */
export interface Beginning {
  readonly config: typeof InitConfig.schema.Type
  readonly given: ReadonlyMap<string, Given>
}

export type Asking<A> = Effect.Effect<A, ProgramError, Asker | FileSystem.FileSystem>

export interface Question {
  readonly name: AnswerName
  readonly message: string
  readonly initial?: string
  /** A check beyond that of the key. Fails with the problem. */
  readonly also?: Check
  readonly isSecret?: boolean
}

/** A check of an answer; fails with the problem. */
export type Check = (text: string) => Effect.Effect<unknown, string>
const noCheck: Check = () => Effect.void

/** Gives the answer of a flag, or asks for it. */
export type Ask = (question: Question) => Asking<string>

export const asking =
  (given: Beginning["given"]): Ask =>
  ({ also = noCheck, ...question }) =>
    Effect.gen(function* () {
      const known = raw(given, question.name)
      if (known === undefined) {
        const check = (text: string) =>
          Effect.as(
            Effect.andThen(
              isValid(question.name, text),
              Effect.suspend(() => also(text))
            ),
            text
          )
        return yield* Effect.flatMap(Asker, (asker) => asker.text({ ...question, check }))
      }
      yield* Effect.mapError(also(known), (problem) => refuse(`--${question.name}: ${problem}`))
      return known
    })

/** Checks one answer as the flag of its name, so that a question and a flag take the same, with the same words about errors. */
export const isValid = (name: AnswerName, text: string): Effect.Effect<void, string, FileSystem.FileSystem> =>
  load(AnswerConfig, { flags: new Map([[name, text]]), environment: {}, file: "" }).pipe(
    Effect.mapError(({ problems }) => problems[0]!.replace(`--${name}: `, "")),
    Effect.asVoid
  )

/** A given answer as text; several values have commas between them. */
export const raw = (given: Beginning["given"], name: string): string | undefined => {
  const value = given.get(name)?.raw
  if (value === undefined) return undefined
  return Array.isArray(value) ? value.join(",") : String(value)
}

/** Several values of an answer. */
export const listOf = (text: string): ReadonlyArray<string> => text.split(",").map((part) => part.trim())
