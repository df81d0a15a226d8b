/** `sluice encode`: makes plain frames of messages in JSON, as `sluice decode --json` prints them or a person writes them. */
import { assemble, AssembleError, type CatalogueOptions, Frame } from "@sluice/protocol"
import { Console, Effect, FileSystem, Option, Result } from "effect"
import { Argument, Command } from "effect/cli"
import { reasonOf } from "../config/read-text.ts"
import { readInput } from "../decode/input.ts"
import { configured } from "../command/program.ts"
import { summaries } from "../command/summaries.ts"
import { ProgramError } from "../command/report.ts"
import { EncodeConfig } from "./config.ts"

const { flags, loadFrom, note } = configured(EncodeConfig)

const refuse = (message: string): ProgramError => new ProgramError({ program: "encode", message })

export const encode = Command.make(
  "encode",
  { input: Argument.String("JSON").pipe(Argument.withDescription("A message"), Argument.optional), ...flags },
  Effect.fnUntraced(function* ({ input, ...rest }) {
    const { config } = yield* loadFrom(rest)
    const { format, out, protocol } = config
    if (format === "binary" && out === undefined) return yield* refuse("--format binary needs --out FILE")
    const read = yield* Effect.mapError(readInput(Option.getOrUndefined(input), config.in), refuse)
    const options = protocol === undefined ? {} : { protocol }
    const frames = yield* Effect.mapError(Effect.fromResult(toFrames(new TextDecoder().decode(read), options)), refuse)
    const parts = config.payload ? frames.map((frame) => frame.subarray(Frame.headerSize)) : frames
    const all = Buffer.concat(parts)
    if (format === "binary") return yield* write(out!, all)
    const text =
      format === "base64" ? all.toString("base64") : parts.map((part) => Buffer.from(part).toString("hex")).join("\n")
    yield* out === undefined ? Console.log(text) : write(out, Buffer.from(`${text}\n`))
  })
).pipe(
  Command.withDescription(
    [
      "Make plain frames of messages in JSON, one message a line, as `sluice decode --json` prints them.",
      "",
      ...note
    ].join("\n  ")
  ),
  Command.withShortDescription(summaries.encode)
)

/** Writes a new file. "wx" never overwrites an existing one. */
const write = (path: string, bytes: Uint8Array) =>
  FileSystem.FileSystem.use((fs) =>
    Effect.mapError(fs.writeFile(path, bytes, { flag: "wx" }), (error) =>
      refuse(`cannot write ${path}: ${reasonOf(error)}`)
    )
  )

/** The frames of the messages in a text: one JSON value or array, or one value a line. */
const toFrames = (text: string, options: CatalogueOptions): Result.Result<ReadonlyArray<Uint8Array>, string> => {
  const whole = parse(text)
  if (Result.isSuccess(whole)) {
    const values: ReadonlyArray<unknown> = Array.isArray(whole.success) ? whole.success : [whole.success]
    return Result.all(
      values.map((value, index) => frameOf(value, options, values.length === 1 ? "" : `message ${index + 1}: `))
    )
  }
  const lines = text.split("\n").flatMap((line, index) => (line.trim() === "" ? [] : [{ line, number: index + 1 }]))
  if (lines.length === 0) return Result.fail("there is nothing to encode")
  return Result.all(
    lines.map(({ line, number }) => {
      const where = lines.length === 1 ? "" : `line ${number}: `
      return Result.flatMap(
        Result.mapError(parse(line), (why) => `${where}this is not JSON: ${why}`),
        (value) => frameOf(value, options, where)
      )
    })
  )
}

const parse = (text: string): Result.Result<unknown, string> =>
  Result.try({ try: () => JSON.parse(text) as unknown, catch: (error) => (error as Error).message })

const frameOf = (value: unknown, options: CatalogueOptions, where: string): Result.Result<Uint8Array, string> =>
  Result.try({
    try: () => assemble(value, options),
    catch: (error) => {
      if (error instanceof AssembleError) return `${where}${error.message}`
      throw error
    }
  })
