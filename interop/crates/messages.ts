/**
 * Every message in both directions. The receiver, Sluice or the crates, reads a message into its own types, prints it and encodes it
 * again; views and bytes are compared. Then both get payloads with random changes: both must refuse them, or read the same, or
 * differ in a way that docs/interop.md explains.
 */
import {
  Common,
  DecodeError,
  ExtensionsNegotiation,
  Frame,
  JobDeclaration,
  type Message,
  Mining,
  TemplateDistribution
} from "@sluice/protocol"
import { explain, type Explained } from "./differences.ts"
import { Random, randomMessage } from "./random-message.ts"
import type { Answer, ReferencePeer } from "./reference-peer.ts"
import { view } from "./view.ts"

/** Each message of the crates once, under the crates' name. */
export const MESSAGES: ReadonlyMap<string, Message> = new Map(
  [
    ...Common.setupMessages.map((message) => ["common", message] as const),
    ...named("mining", Mining.protocol),
    ...named("job_declaration", JobDeclaration.protocol),
    ...named("template_distribution", TemplateDistribution.protocol),
    ...ExtensionsNegotiation.messages.map((message) => ["negotiation", message] as const)
  ].map(([protocol, message]) => [`${protocol}.${message.name.replace(".", "")}`, message])
)

function named(
  name: string,
  { toClient, toServer }: { readonly toClient: Sides; readonly toServer: Sides }
): ReadonlyArray<readonly [protocol: string, message: Message]> {
  const messages = [...toServer.messages, ...toClient.messages]
  return messages.map((message) => [message.type < 0x10 ? "common" : name, message])
}

interface Sides {
  readonly messages: ReadonlyArray<Message>
}

export interface Plan {
  readonly peer: ReferencePeer
  readonly seed: number
  /** Random messages of each kind, each way. */
  readonly count: number
}

/** How many messages of each kind have all lengths at their limits. */
const EXTREME = 2
/** The most requests in flight. */
const WINDOW = 64

export interface Tally {
  messages: number
  bytes: number
}

/** Our messages, read and written by the crates. */
export const oursToTheirs = async ({ count, peer, seed }: Plan): Promise<Tally> => {
  const tally = { messages: 0, bytes: 0 }
  const random = new Random(seed)
  for (const [path, message] of MESSAGES) {
    for (let done = 0; done < count; done += WINDOW) {
      const sent = Array.from({ length: Math.min(WINDOW, count - done) }, (_, index) => {
        const value = randomMessage(random, message, done + index < EXTREME)
        return { value, frame: message.codec.encode(value) }
      })
      const answers = await Promise.all(sent.map(({ frame }) => peer.ask(1, frame)))
      for (const [index, { frame, value }] of sent.entries()) {
        const theirs = parsed(path, frame, answers[index]!)
        same(path, frame, "view", view(path, message, value), theirs.view)
        sameBytes(path, frame, theirs.frame)
        tally.messages++
        tally.bytes += frame.length
      }
    }
  }
  return tally
}

/** The crates' messages, read and written by us. */
export const theirsToOurs = async ({ count, peer, seed }: Plan): Promise<Tally> => {
  const tally = { messages: 0, bytes: 0 }
  for (const [path, message] of MESSAGES) {
    for (const answer of generate(peer, path, seed, count, EXTREME)) {
      const theirs = parsed(path, new Uint8Array(0), await answer)
      const frame = Frame.read(theirs.frame)!
      if (frame.messageType !== message.type || Frame.extension(frame) !== message.extension) {
        throw new Error(`${path}: the crates send it as ${frame.extensionType}, ${frame.messageType}`)
      }
      const value = message.codec.decode(frame.payload)
      same(path, theirs.frame, "view", view(path, message, value), theirs.view)
      sameBytes(path, theirs.frame, message.codec.encode(value))
      tally.messages++
      tally.bytes += theirs.frame.length
    }
  }
  return tally
}

/** Sends changed payloads to both. Gives the number of each explained difference. */
export const changed = async ({ count, peer, seed }: Plan): Promise<Tally & Explained> => {
  const tally = { messages: 0, bytes: 0, explained: new Map<string, number>() }
  const random = new Random(seed)
  for (const [path, message] of MESSAGES) {
    for (let done = 0; done < count; done += WINDOW) {
      const sent = Array.from({ length: Math.min(WINDOW, count - done) }, () =>
        change(random, message.codec.encode(randomMessage(random, message, false)))
      )
      const answers = await Promise.all(sent.map((frame) => peer.ask(1, frame)))
      for (const [index, frame] of sent.entries()) {
        tally.messages++
        tally.bytes += frame.length
        const difference = compare(path, message, frame, answers[index]!)
        if (difference === undefined) continue
        const why = explain(message, Frame.read(frame)!.payload, difference.ours, difference.theirs)
        if (why === undefined) throw unlike(path, frame, "changed payload", difference.ours, difference.theirs)
        tally.explained.set(why, (tally.explained.get(why) ?? 0) + 1)
      }
    }
  }
  return tally
}

/** Requests for random messages, a few at a time, so that not all of them wait in memory. */
function* generate(
  peer: ReferencePeer,
  path: string,
  seed: number,
  count: number,
  extreme: number
): Generator<Promise<Answer>> {
  for (let done = 0; done < count; done += WINDOW) {
    const body = Buffer.alloc(16)
    body.writeBigUInt64LE(BigInt(seed) * 1_000_003n + BigInt(done))
    body.writeUInt32LE(Math.min(WINDOW, count - done), 8)
    body.writeUInt32LE(done === 0 ? extreme : 0, 12)
    yield* peer.askFor(Math.min(WINDOW, count - done), 2, body, Buffer.from(path))
  }
}

/** The frame with another payload and a matching header. */
const change = (random: Random, frame: Uint8Array): Uint8Array => {
  let payload: Uint8Array = frame.slice(Frame.headerSize)
  for (let times = 1 + random.below(3); times > 0; times--) {
    const at = random.below(payload.length)
    switch (random.below(5)) {
      case 0:
        payload[at] = random.pick([0, 1, 2, 0x7f, 0x80, 0xff])
        break
      case 1:
        payload[at]! ^= 1 << random.below(8)
        break
      case 2:
        payload = payload.slice(0, at)
        break
      case 3:
        payload = Buffer.concat([payload, random.bytes(1 + random.below(8))])
        break
      case 4:
        payload = Buffer.concat([payload.subarray(0, at), random.bytes(1), payload.subarray(at)])
    }
  }
  const out = Buffer.alloc(Frame.headerSize + payload.length)
  out.set(frame.subarray(0, 3))
  out.writeUIntLE(payload.length, 3, 3)
  out.set(payload, Frame.headerSize)
  return out
}

/** The result of both for a frame: view and bytes, or the error; undefined if they agree. */
const compare = (path: string, message: Message, frame: Uint8Array, answer: Answer) => {
  const theirs = answer._tag === "Done" ? read(answer.body) : undefined
  let ours: { readonly view: string; readonly frame: Uint8Array } | undefined
  let refusal = ""
  try {
    const value = message.codec.decode(Frame.read(frame)!.payload)
    ours = { view: view(path, message, value), frame: message.codec.encode(value) }
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    refusal = error.message
  }
  if (ours === undefined && theirs === undefined && answer._tag === "Refused") return undefined
  if (ours !== undefined && theirs !== undefined && ours.view === theirs.view) {
    if (Buffer.compare(ours.frame, theirs.frame) === 0) return undefined
  }
  return {
    ours: ours?.view ?? `refused: ${refusal}`,
    theirs: theirs?.view ?? `${answer._tag.toLowerCase()}: ${answer._tag === "Done" ? "" : answer.why}`
  }
}

const read = (body: Buffer) => {
  const end = 4 + body.readUInt32LE(0)
  return { view: body.toString("utf8", 4, end), frame: body.subarray(end) }
}

const parsed = (path: string, frame: Uint8Array, answer: Answer) => {
  if (answer._tag === "Done") return read(answer.body)
  throw unlike(path, frame, "message", "accepted", `${answer._tag}: ${answer.why}`)
}

const same = (path: string, frame: Uint8Array, what: string, ours: string, theirs: string): void => {
  if (ours !== theirs) throw unlike(path, frame, what, ours, theirs)
}

const sameBytes = (path: string, first: Uint8Array, second: Uint8Array): void => {
  if (Buffer.compare(first, second) === 0) return
  throw unlike(path, first, "bytes", Buffer.from(first).toString("hex"), Buffer.from(second).toString("hex"))
}

const unlike = (path: string, frame: Uint8Array, what: string, ours: string, theirs: string): Error => {
  const short = (text: string): string => (text.length > 2000 ? `${text.slice(0, 2000)}...` : text)
  const hex = Buffer.from(frame.subarray(0, 512)).toString("hex")
  return new Error(
    `${path}: the ${what} differs from the crates'\n  ours:   ${short(ours)}\n  theirs: ${short(theirs)}\n  frame (${frame.length} bytes): ${hex}`
  )
}
