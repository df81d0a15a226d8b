/**
 * Makes `vectors/messages.json` and `vectors/invalid-messages.json`: values for every message from its declaration, and their
 * bytes by an encoder that walks the declaration field by field. It shares the declarations with the library, and none of
 * its code that reads or writes bytes.
 */
import {
  Common,
  ExtensionsNegotiation,
  JobDeclaration,
  type Message,
  Mining,
  Protocol,
  TemplateDistribution,
  type WireType
} from "@sluice/protocol"
import { compact, compactHex, type Json } from "@sluice/testing/compact-json"

export const PROTOCOLS: ReadonlyArray<readonly [name: string, messages: ReadonlyArray<Message>]> = [
  ["mining", messagesOf(Protocol.extend(Mining.protocol, Common.setupMessages))],
  ["job-declaration", messagesOf(Protocol.extend(JobDeclaration.protocol, Common.setupMessages))],
  ["template-distribution", messagesOf(Protocol.extend(TemplateDistribution.protocol, Common.setupMessages))],
  ["extensions-negotiation", ExtensionsNegotiation.messages]
]

function messagesOf(protocol: {
  readonly toServer: { readonly messages: ReadonlyArray<Message> }
  readonly toClient: { readonly messages: ReadonlyArray<Message> }
}): ReadonlyArray<Message> {
  return [...new Set([...protocol.toServer.messages, ...protocol.toClient.messages])].toSorted(
    (a, b) => a.type - b.type
  )
}

const MAX_PAYLOAD = 0xffffff
const u = (value: bigint | number, size: number): Buffer => {
  const bytes = Buffer.alloc(size)
  let rest = BigInt(value)
  for (let i = 0; i < size; i++, rest >>= 8n) bytes[i] = Number(rest & 0xffn)
  return bytes
}

/** The bytes of a JSON value, as section 3.1 says. */
const bytesOf = (type: WireType, value: Json): Buffer => {
  switch (type._tag) {
    case "Unsigned":
      return u(value as number, type.size)
    case "Unsigned64":
      return u(BigInt(value as string), 8)
    case "Float32": {
      const bytes = Buffer.alloc(4)
      bytes.writeFloatLE(value as number)
      return bytes
    }
    case "Boolean":
      return Buffer.of(value === true ? 1 : 0)
    case "Fixed":
      return Buffer.from(value as string, "hex")
    case "Bytes":
    case "Text": {
      const bytes = Buffer.from(value as string, type._tag === "Text" ? "utf8" : "hex")
      return Buffer.concat([u(bytes.length, type.prefix), bytes])
    }
    case "Option":
      return value === null ? Buffer.of(0) : Buffer.concat([Buffer.of(1), bytesOf(type.item, value)])
    case "Sequence": {
      const items = value as ReadonlyArray<Json>
      return Buffer.concat([u(items.length, type.prefix), ...items.map((item) => bytesOf(type.item, item))])
    }
  }
}

const payloadOf = (message: Message, fields: Fields): Buffer =>
  Buffer.concat(message.layout.map(({ name, type }) => bytesOf(type, fields[name]!)))

const frameOf = (message: Message, payload: Buffer): Buffer =>
  Buffer.concat([
    u(message.extension | (message.channel ? 0x8000 : 0), 2),
    u(message.type, 1),
    u(payload.length, 3),
    payload
  ])

type Fields = Readonly<Record<string, Json>>

const smallest = (type: WireType): Json => {
  switch (type._tag) {
    case "Unsigned":
    case "Float32":
      return 0
    case "Unsigned64":
      return "0"
    case "Boolean":
      return false
    case "Fixed":
      return "00".repeat(type.size)
    case "Bytes":
    case "Text":
      return ""
    case "Option":
      return null
    case "Sequence":
      return []
  }
}

/** `room` is how many bytes the value may take: what a frame holds is less than what some types allow. */
const largest = (type: WireType, room: number): Json => {
  switch (type._tag) {
    case "Unsigned":
      return 2 ** (8 * type.size) - 1
    case "Unsigned64":
      return String(2n ** 64n - 1n)
    case "Float32":
      return 3.4028234663852886e38
    case "Boolean":
      return true
    case "Fixed":
      return "ff".repeat(type.size)
    case "Bytes":
      return "ff".repeat(Math.min(type.max, room - type.prefix))
    case "Text":
      return "~".repeat(type.max)
    case "Option":
      return largest(type.item, room - 1)
    case "Sequence": {
      const item = largest(type.item, room - type.prefix)
      const count = Math.min(type.max, Math.floor((room - type.prefix) / bytesOf(type.item, item).length))
      return Array<Json>(count).fill(item)
    }
  }
}

/** A realistic value for the field, by its name or else by its type. */
const typical = (name: string, type: WireType): Json => {
  const known = TYPICAL[name]
  if (known !== undefined) return known
  switch (type._tag) {
    case "Unsigned":
      return type.size === 4 ? 7 : 2
    case "Unsigned64":
      return "1785000001"
    case "Float32":
      return 100000000376832
    case "Boolean":
      return true
    case "Fixed":
      return Array.from({ length: type.size }, (_, index) => index.toString(16).padStart(2, "0")).join("")
    case "Bytes":
      return "0011223344556677"
    case "Text":
      return "text"
    case "Option":
      return typical(name, type.item)
    case "Sequence":
      return [typical("", type.item), smallest(type.item)]
  }
}

const COINBASE_OUTPUTS =
  "0000000000000000266a24aa21a9ede2f61c3f71d1defd3fa999dfa36953755c690689799962b48bebd836974e8cf9"
const TYPICAL: Fields = {
  minVersion: 2,
  maxVersion: 2,
  usedVersion: 2,
  endpointHost: "pool.example",
  endpointPort: 3333,
  vendor: "Example",
  hardwareVersion: "Model 1",
  firmware: "1.2.3-é",
  deviceId: "",
  newHost: "other.example",
  newPort: 3334,
  userIdentity: "user.worker",
  userIdentifier: "user",
  errorCode: "stale-share",
  reasonCode: "shutdown",
  ntime: 1785000000,
  minNtime: 1785000000,
  headerTimestamp: 1785000000,
  nbits: 0x17023a04,
  nonce: 0xdeadbeef,
  headerNonce: 0xdeadbeef,
  version: 0x20000000,
  coinbaseTxVersion: 2,
  coinbasePrefix: "03012100",
  coinbaseTxInputSequence: 0xfffffffe,
  coinbaseTxInputNSequence: 0xfffffffe,
  coinbaseTxValueRemaining: "312500000",
  coinbaseTxOutputsCount: 1,
  coinbaseTxOutputs: COINBASE_OUTPUTS,
  coinbaseTxLocktime: 0x00210300,
  coinbaseTxPrefix:
    "02000000010000000000000000000000000000000000000000000000000000000000000000ffffffff2a5200065376322f2f2f20",
  coinbaseTxSuffix: `ffffffff01${COINBASE_OUTPUTS}00000000`,
  extranonceSize: 8,
  minExtranonceSize: 4,
  newSubmitsAcceptedCount: 10,
  requestedExtensions: [2, 0x4abc],
  supportedExtensions: [2],
  unsupportedExtensions: [0x4abc],
  unknownTxPositionList: [0, 1, 500]
}

const fieldsOf = (message: Message, value: (name: string, type: WireType) => Json): Fields =>
  Object.fromEntries(message.layout.map(({ name, type }) => [name, value(name, type)]))

/** Fields fill up in order, and each leaves room for the least that those behind it take. */
const largestFields = (message: Message): Fields => {
  let room = MAX_PAYLOAD
  const least = (from: number): number =>
    message.layout.slice(from).reduce((sum, { type }) => sum + bytesOf(type, smallest(type)).length, 0)
  return Object.fromEntries(
    message.layout.map(({ name, type }, index) => {
      const value = largest(type, room - least(index + 1))
      room -= bytesOf(type, value).length
      return [name, value]
    })
  )
}

const header = (message: Message) => ({
  extensionType: message.extension | (message.channel ? 0x8000 : 0),
  messageType: message.type,
  to: message.to,
  section: message.spec
})

/** Smallest, typical and largest of one message. */
export const makeMessage = (message: Message) => {
  const sizes = {
    smallest: fieldsOf(message, (_, type) => smallest(type)),
    typical: fieldsOf(message, typical),
    largest: largestFields(message)
  }
  const vector = (fields: Fields) => {
    const frame = frameOf(message, payloadOf(message, fields))
    return { json: compact({ _tag: message.name, ...fields }), frame: compactHex(frame.toString("hex")) }
  }
  return {
    name: message.name,
    ...header(message),
    smallest: vector(sizes.smallest),
    typical: vector(sizes.typical),
    largest: vector(sizes.largest)
  }
}

export const makeMessages = () =>
  PROTOCOLS.map(([protocol, messages]) => ({ protocol, messages: messages.map(makeMessage) }))

/** The fault of a payload: the field, its offset, and the kind of error. */
interface Invalid {
  readonly title: string
  readonly error: "too-short" | "too-long"
  readonly field: string
  readonly offset: number
  readonly frame: Json
}

/** For each field: it is cut in the middle, and its length or count is above what its type allows, where it can be. */
const invalidOf = (message: Message): ReadonlyArray<Invalid> => {
  const cases: Array<Invalid> = []
  const fields = fieldsOf(message, typical)
  let before = Buffer.alloc(0)
  for (const { name, type } of message.layout) {
    const offset = before.length
    const value = bytesOf(type, fields[name]!)
    const invalid = (title: string, error: Invalid["error"], payload: Buffer): void => {
      const frame = compactHex(frameOf(message, payload).toString("hex"))
      cases.push({ title: `${name} ${title}`, error, field: name, offset, frame })
    }
    invalid("is missing", "too-short", before)
    if (value.length > 1) {
      invalid("lacks its last byte", "too-short", Buffer.concat([before, value.subarray(0, -1)]))
    }
    if ("max" in type && type.max < 256 ** type.prefix - 1) {
      const itemSize = type._tag === "Option" ? bytesOf(type.item, smallest(type.item)).length : 1
      const long = Buffer.concat([u(type.max + 1, type.prefix), Buffer.alloc((type.max + 1) * itemSize)])
      invalid(`has ${type.max + 1} for its length`, "too-long", Buffer.concat([before, long, Buffer.alloc(64)]))
    }
    before = Buffer.concat([before, value])
  }
  return cases
}

/** Bytes that are unusual and yet read as this message. */
const unusualOf = (message: Message) => {
  const fields = fieldsOf(message, typical)
  const payload = payloadOf(message, fields)
  const unusual = (title: string, bytes: Buffer) => ({
    title,
    frame: compactHex(frameOf(message, bytes).toString("hex")),
    json: compact({ _tag: message.name, ...fields })
  })
  const cases = [unusual("four bytes follow that are no TLV", Buffer.concat([payload, Buffer.of(1, 2, 3, 4)]))]
  let at = 0
  for (const { name, type } of message.layout) {
    if (type._tag === "Boolean") {
      const odd = Buffer.from(payload)
      odd[at] = 0xff
      cases.push(unusual(`${name} has all bits set, of which the lowest counts`, odd))
    }
    at += bytesOf(type, fields[name]!).length
  }
  return cases
}

export const makeInvalidMessages = () =>
  PROTOCOLS.map(([protocol, messages]) => ({
    protocol,
    messages: messages.map((message) => ({
      name: message.name,
      to: message.to,
      invalid: invalidOf(message),
      unusual: unusualOf(message)
    }))
  }))
