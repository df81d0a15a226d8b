/** `sluice decode`: prints each message of plain frames on a line. */
import {
  assemble,
  describe,
  escaped,
  Frame,
  listMessages,
  type Message,
  type ProtocolName,
  toLine
} from "@sluice/protocol"
import { Console, Effect, Option, Result } from "effect"
import { Argument, Command } from "effect/cli"
import { configured } from "../command/program.ts"
import { summaries } from "../command/summaries.ts"
import { ProgramError } from "../command/report.ts"
import { DecodeConfig } from "./config.ts"
import { readInput } from "./input.ts"
import { toBytes } from "./format.ts"

const { flags, loadFrom, note } = configured(DecodeConfig)

const refuse = (message: string): ProgramError => new ProgramError({ program: "decode", message })

export const decode = Command.make(
  "decode",
  {
    input: Argument.String("INPUT").pipe(Argument.withDescription("Frames as hex or base64"), Argument.optional),
    ...flags
  },
  Effect.fnUntraced(function* ({ input, ...rest }) {
    const { config } = yield* loadFrom(rest)
    const { format, payload, protocol, to } = config
    const read = yield* Effect.mapError(readInput(Option.getOrUndefined(input), config.in), refuse)
    const bytes = yield* Effect.mapError(Effect.fromResult(toBytes(read, format)), refuse)
    if (bytes.length === 0 && payload === undefined) return yield* refuse("there is nothing to decode")
    const options = { ...(protocol === undefined ? {} : { protocol }), ...(to === undefined ? {} : { to }) }
    const frames =
      payload === undefined
        ? bytes
        : yield* Effect.mapError(Effect.fromResult(frameOf(payload, bytes, protocol)), refuse)
    const lines = describe(frames, options).map((one) => (config.json ? escaped(JSON.stringify(one)) : toLine(one)))
    yield* Console.log(lines.join("\n"))
  })
).pipe(
  Command.withDescription(
    [
      "Print each message of plain frames on a line, with its fields, their units and remarks on what is unusual or wrong.",
      "",
      ...note
    ].join("\n  ")
  ),
  Command.withShortDescription(summaries.decode)
)

/** A frame with this payload and the header of the message that `type` names. */
const frameOf = (
  type: string,
  payload: Uint8Array,
  protocol: ProtocolName | undefined
): Result.Result<Uint8Array, string> => {
  const number = /^(0x[0-9a-f]{1,2}|\d{1,3})$/i.test(type) ? Number(type) : undefined
  const isMeant = ({ name, type: own, extension }: Message) =>
    number === undefined ? name === type : own === number && extension === 0
  const found = listMessages(protocol === undefined ? {} : { protocol }).filter(({ message }) => isMeant(message))
  const [first] = found
  if (number === undefined && first === undefined) {
    return Result.fail(
      `--payload: there is no message ${type}; give a name, such as NewTemplate, or a type, such as 0x71`
    )
  }
  if (number !== undefined && number > 0xff)
    return Result.fail(`--payload: expected a type from 0 to 0xff, got ${type}`)
  if (found.length > 1) {
    const where = found.map(({ protocol }) => protocol).join(" and ")
    return Result.fail(`--payload: ${type} is a message of ${where}; choose one with --protocol`)
  }
  if (payload.length > Frame.maxPayload) return Result.fail(`a payload has at most ${Frame.maxPayload} bytes`)
  const bit = first?.message.channel === true ? Frame.channelBit : 0
  const extensionType = (first?.message.extension ?? 0) | bit
  const hex = Buffer.from(payload).toString("hex")
  return Result.succeed(assemble({ extensionType, type: first?.message.type ?? number, payload: hex }))
}
