/**
 * What `npm run fuzz` throws at both ends of a session before its channels (specification, section 3.6 and extension 0x0001):
 * SetupConnection and its answers, the negotiation of extensions, messages before and between them.
 */
import {
  Common,
  DecodeError,
  EncodeError,
  ExtensionsNegotiation,
  Frame,
  Mining,
  Protocol,
  WorkerIdentity
} from "@sluice/protocol"
import { SetupError, TransportError } from "@sluice/transport"
import { deepStrictEqual, ok } from "node:assert/strict"
import { isDeepStrictEqual } from "node:util"
import { framesOf, play, type Played, type Script, settings, SUPPORTED_FLAGS } from "./session-play.ts"
import { seeds } from "./session-seeds.ts"
import type { FuzzTarget } from "./target.ts"

const spoken = Protocol.extend(Mining.protocol, [...Common.setupMessages, ...ExtensionsNegotiation.messages])
const withWorkers = Protocol.negotiated(Mining.protocol, [WorkerIdentity.extension])
const isSubset = (some: ReadonlyArray<number>, all: ReadonlyArray<number>) => some.every((id) => all.includes(id))

/** The first byte says which end it is and what it wants, the second how the stream is cut, the third where it rests. */
const run = (input: Uint8Array): void => {
  const [first = 0, second = 0, third = 0] = input
  const setting = (first >> 2) & 3
  const script: Script = {
    isServer: (first & 1) === 0,
    isSilent: (first & 2) !== 0,
    setting,
    options: settings[setting]!,
    stream: input.subarray(3),
    pauseAt: third * 4
  }
  const whole = play(script, 4096)
  const { connection, error, messages } = whole
  const isTyped = [TransportError, SetupError, DecodeError, EncodeError].some((type) => error instanceof type)
  ok(isTyped, `not an error of connections: ${String(error)}`)
  if (script.isServer) checkServer(script, whole)
  else checkClient(script, whole)
  if (connection !== undefined) {
    ok(isSubset(script.options.requiredExtensions ?? [], connection.setup.extensions), "what is required is not there")
    const { toClient, toServer } = connection.setup.extensions.length > 0 ? withWorkers : Mining.protocol
    const expected = framesOf(script.stream)
      .slice(1)
      .map((frame) => read((one) => (script.isServer ? toServer : toClient).decode(one), frame))
      .filter((message) => message !== undefined)
    if (error instanceof TransportError) deepStrictEqual(messages, expected, "other messages than were sent")
    else deepStrictEqual(messages, expected.slice(0, messages.length), "other messages than were sent")
  } else ok(messages.length === 0, "messages before the setup")
  const pieces = play(script, 1 + (second & 127))
  const told = ({ agreed, error, messages, written }: Played) => ({ agreed, messages, written, error: String(error) })
  ok(isDeepStrictEqual(told(pieces), told(whole)), `a session depends on how its bytes were cut: ${String(error)}`)
}

/** Only who asked for what is served gets through, and is told so once. */
const checkServer = ({ options, stream }: Script, { connection, error, written }: Played): void => {
  const frames = framesOf(stream)
  const first = read((frame) => Common.setup.toServer.decode(frame), frames[0]) as Common.SetupConnection | undefined
  const said = written.map((frame) => spoken.toClient.decode(frame))
  if (first === undefined) {
    ok(connection === undefined && said.length === 0, "what does not begin with SetupConnection is answered")
    return
  }
  const isGood =
    first.protocol === 0 && first.minVersion <= 2 && first.maxVersion >= 2 && (first.flags & ~SUPPORTED_FLAGS) === 0
  const [answer, ...answers] = said
  if (!isGood) {
    ok(connection === undefined && answer?._tag === "SetupConnection.Error" && answers.length === 0, "not refused")
    ok((answer.flags & ~first.flags) === 0, "flags are refused that nobody asked for")
    return
  }
  ok(answer?._tag === "SetupConnection.Success" && answer.usedVersion === 2 && answer.flags === 1, "not accepted")
  const requests = frames.slice(1).flatMap((frame) => {
    const request = read((one) => spoken.toServer.decode(one), frame)
    return request?._tag === "RequestExtensions" ? [request as ExtensionsNegotiation.RequestExtensions] : []
  })
  ok(answers.length <= Math.min(requests.length, 8), "answers to what nobody asked")
  for (const [index, said] of answers.entries()) {
    const { requestId, requestedExtensions } = requests[index]!
    ok(
      said?._tag.startsWith("RequestExtensions.") && "requestId" in said && said.requestId === requestId,
      "not the answer"
    )
    if (said._tag === "RequestExtensions.Success") {
      ok(isSubset(said.supportedExtensions, requestedExtensions), "it agrees to what nobody asked for")
    }
  }
  if (connection === undefined) {
    ok((options.requiredExtensions ?? []).length > 0, "a good client gets no connection")
    return
  }
  ok(
    connection.setup.version === 2 && connection.setup.flags === first.flags,
    "another version or flags than agreed on"
  )
  if (error instanceof SetupError) return
  const last = answers.at(-1)
  const agreed = last?._tag === "RequestExtensions.Success" ? last.supportedExtensions : []
  deepStrictEqual(connection.setup.extensions, agreed, "other extensions than agreed on")
}

/** Only a server that took what was offered gets through. */
const checkClient = ({ options, stream }: Script, { connection, written }: Played): void => {
  const frames = framesOf(stream)
  const first = read((frame) => Common.setup.toClient.decode(frame), frames[0]) as
    | Common.SetupConnectionSuccess
    | Common.SetupConnectionError
    | undefined
  const [asked, ...rest] = written.map((frame) => spoken.toServer.decode(frame)?._tag)
  ok(asked === "SetupConnection" && rest.length <= 1, "the client says more than it has to say")
  ok(
    rest.every((tag) => tag === "RequestExtensions"),
    "the client says something else"
  )
  const isGood = first?._tag === "SetupConnection.Success" && first.usedVersion === 2
  if (!isGood) ok(connection === undefined && rest.length === 0, "the client goes on without SetupConnection.Success")
  if (connection === undefined || !isGood) return
  ok(
    connection.setup.version === 2 && connection.setup.flags === first.flags,
    "another version or flags than agreed on"
  )
  const answered = frames.flatMap((frame) => {
    const answer = read((one) => spoken.toClient.decode(one), frame)
    return answer?._tag === "RequestExtensions.Success"
      ? (answer as ExtensionsNegotiation.RequestExtensionsSuccess).supportedExtensions
      : []
  })
  const { extensions } = connection.setup
  const offered = (options.extensions ?? []).map(({ id }) => id)
  ok(isSubset(extensions, offered) && isSubset(extensions, answered), "other extensions than agreed on")
}

/** What a frame says, if anything. */
const read = (decode: (frame: Frame) => unknown, frame: Frame | undefined): { readonly _tag: string } | undefined => {
  try {
    return frame === undefined ? undefined : (decode(frame) as { readonly _tag: string } | undefined)
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

export const sessionTarget: FuzzTarget = { name: "session", run, seeds }
