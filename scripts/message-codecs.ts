/**
 * `npm run message-codecs`: writes the portable codecs of all messages (packages/core/src/messages), the table through
 * which the full device module gives them to C (embedded/assembly/messages.ts) and the names that C has for them
 * (embedded/c/sluice-messages.h), from the declarations in packages/protocol.
 */
import {
  extensionTypeOf,
  ExtensionsNegotiation,
  JobDeclaration,
  type Message,
  Mining,
  minWireSize,
  Common,
  TemplateDistribution,
  type WireType
} from "@sluice/protocol"
import { writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

interface Chapter {
  readonly file: string
  readonly title: string
  readonly messages: ReadonlyArray<Message>
}

interface GeneratedFile {
  readonly path: string
  readonly text: string
}

const common = [
  Common.SetupConnection,
  Common.SetupConnectionSuccess,
  Common.SetupConnectionError,
  Common.ChannelEndpointChanged,
  Common.Reconnect
]

const ofProtocol = (protocol: typeof Mining | typeof JobDeclaration | typeof TemplateDistribution) => {
  const { toClient, toServer } = protocol.protocol
  const all = new Set<Message>([...toServer.messages, ...toClient.messages])
  for (const message of common) all.delete(message)
  return [...all].toSorted((a, b) => a.type - b.type)
}

/** One file for each of these. */
export const codecChapters: ReadonlyArray<Chapter> = [
  { file: "common", title: "the common messages (3.6)", messages: common },
  { file: "mining", title: "the Mining Protocol (5.3)", messages: ofProtocol(Mining) },
  { file: "job-declaration", title: "the Job Declaration Protocol (6.4)", messages: ofProtocol(JobDeclaration) },
  {
    file: "template-distribution",
    title: "the Template Distribution Protocol (7)",
    messages: ofProtocol(TemplateDistribution)
  },
  {
    file: "extensions-negotiation",
    title: "extension 0x0001, Extensions Negotiation",
    messages: ExtensionsNegotiation.messages
  }
]

/** All messages in the order of the table. */
const codecMessages: ReadonlyArray<Message> = codecChapters.flatMap(({ messages }) => messages)

/** The content of every file, made from the declarations. */
export const messageCodecFiles = (): ReadonlyArray<GeneratedFile> => [
  ...codecChapters.map((chapter) => ({
    path: at(`packages/core/src/messages/${chapter.file}.ts`),
    text: codecs(chapter)
  })),
  { path: at("embedded/assembly/messages.ts"), text: table() },
  { path: at("embedded/c/sluice-messages.h"), text: header() }
]

const at = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url))

const MADE = "Made by `npm run message-codecs` from the declarations in packages/protocol; a test compares the two."

const codecs = ({ messages, title }: Chapter): string => {
  const body = messages.map(codec).join("\n")
  const used = (names: ReadonlyArray<string>) => names.filter((name) => new RegExp(`\\b${name}\\(?\\b`).test(body))
  const imports = [
    [used(["copyBytes", "readU16", "readU24", "readU32", "writeU16", "writeU24", "writeU32"]), "../bytes.ts"],
    [
      used(["DECODE_LIMIT", "DECODE_SHORT", "ENCODE_LIMIT", "ENCODE_ROOM", "itemsEnd", "readLength", "writeLength"]),
      "./wire.ts"
    ]
  ] as const
  return [
    "/**",
    ` * Codecs of ${title}; wire.ts says what a codec is.`,
    " *",
    ` * ${MADE}`,
    " */",
    ...imports.flatMap(([names, from]) => importLines(names, from)),
    "",
    body
  ].join("\n")
}

/** Breaks an import as oxfmt does. */
const importLines = (names: ReadonlyArray<string>, from: string): ReadonlyArray<string> => {
  if (names.length === 0) return []
  const line = `import { ${names.join(", ")} } from "${from}"`
  return line.length <= 120
    ? [line]
    : ["import {", ...names.map((name, i) => `  ${name}${i < names.length - 1 ? "," : ""}`), `} from "${from}"`]
}

const codec = (message: Message): string => {
  const constant = constantName(message)
  return [
    `export const ${constant}: i32 = ${hex(message.type)}`,
    ...(extensionTypeOf(message) === 0
      ? []
      : [
          "/** extension_type of the frame, with the channel bit. */",
          `export const ${constant}_EXTENSION: i32 = ${hex(extensionTypeOf(message))}`
        ]),
    "",
    `/** ${message.name} (${message.spec}). */`,
    `export class ${className(message)} {`,
    ...message.layout.flatMap(({ name, type }) => words(name, type)).map((word) => `  ${word}: i32 = 0`),
    "",
    "  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */",
    "  decode(b: Uint8Array, from: i32, end: i32): i32 {",
    ...indent(4, decode(message)),
    "  }",
    "",
    "  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */",
    `  encode(${usesSource(message) ? "" : "_"}source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {`,
    ...indent(4, encode(message)),
    "  }",
    "}",
    ""
  ].join("\n")
}

/** The words of a field in a codec. */
export const words = (name: string, type: WireType): ReadonlyArray<string> => {
  switch (type._tag) {
    case "Unsigned":
    case "Boolean":
      return [name]
    case "Unsigned64":
      return [`${name}Low`, `${name}High`]
    case "Float32":
      return [`${name}Bits`]
    case "Fixed":
      return [`${name}At`]
    case "Bytes":
    case "Text":
      return [`${name}At`, `${name}Length`]
    case "Option":
      return [`has${name[0]!.toUpperCase()}${name.slice(1)}`, ...words(name, type.item)]
    case "Sequence":
      return [`${name}At`, `${name}Count`, ...("size" in type.item ? [] : [`${name}Size`])]
  }
}

/** The bytes that every message has, up to the end of the first length. */
const runSize = (types: ReadonlyArray<WireType>): number => {
  let size = 0
  for (const type of types) {
    size += minWireSize(type)
    if (!("size" in type)) break
  }
  return size
}

const plus = (offset: number): string => (offset === 0 ? "at" : `at + ${offset}`)

/** Writes the code for the fields: runs of fields of fixed size, with one check of the room for each run, and fields with a length. */
const walk = (
  message: Message,
  short: string,
  sized: (name: string, type: WireType, offset: number) => ReadonlyArray<string>,
  variable: (name: string, type: WireType, offset: number) => ReadonlyArray<string>
): ReadonlyArray<string> => {
  const lines: Array<string> = ["let at: i32 = from"]
  const types = message.layout.map(({ type }) => type)
  let offset = 0
  message.layout.forEach(({ name, type }, index) => {
    if (offset === 0) lines.push(`if (((end - at) | 0) < ${runSize(types.slice(index))}) return ${short}`)
    if ("size" in type) {
      lines.push(...sized(name, type, offset))
      offset += type.size
    } else {
      lines.push(...variable(name, type, offset))
      offset = 0
    }
  })
  lines.push(offset === 0 ? "return at" : `return (at + ${offset}) | 0`)
  if (types.every((type) => "size" in type)) lines[0] = "const at: i32 = from"
  return lines
}

const decode = (message: Message): ReadonlyArray<string> =>
  walk(message, "DECODE_SHORT", decodeSized, (name, type, offset) => {
    if (!("prefix" in type)) return []
    const count = `${name}Count`
    const lines = [
      type.prefix === 1
        ? `const ${count}: i32 = b[${plus(offset)}]`
        : `const ${count}: i32 = readLength(b, ${plus(offset)}, ${type.prefix})`,
      `at = (at + ${offset + type.prefix}) | 0`,
      ...(type.max < 2 ** (8 * type.prefix) - 1 ? [`if (${count} > ${type.max}) return DECODE_LIMIT`] : [])
    ]
    if (type._tag === "Option") {
      const [has, ...rest] = words(name, type)
      if (!("size" in type.item)) throw new Error(`${name}: an OPTION of ${type.item.name} has no codec`)
      return [
        ...lines,
        `this.${has} = ${count}`,
        ...rest.map((word) => `this.${word} = 0`),
        `if (${count} === 1) {`,
        ...indent(2, [
          `if (((end - at) | 0) < ${type.item.size}) return DECODE_SHORT`,
          ...decodeSized(name, type.item, 0),
          `at = (at + ${type.item.size}) | 0`
        ]),
        "}"
      ]
    }
    lines.push(`this.${name}At = at`)
    if (type._tag !== "Sequence") {
      return [
        ...lines,
        `this.${name}Length = ${count}`,
        `if (((end - at) | 0) < ${count}) return DECODE_SHORT`,
        `at = (at + ${count}) | 0`
      ]
    }
    lines.push(`this.${count} = ${count}`)
    if ("size" in type.item) {
      return [
        ...lines,
        `const ${name}Size: i32 = (${count} * ${type.item.size}) | 0`,
        `if (((end - at) | 0) < ${name}Size) return DECODE_SHORT`,
        `at = (at + ${name}Size) | 0`
      ]
    }
    return [
      ...lines,
      `at = itemsEnd(b, at, end, ${count}, ${"prefix" in type.item ? type.item.prefix : 0})`,
      "if (at < 0) return DECODE_SHORT",
      `this.${name}Size = (at - this.${name}At) | 0`
    ]
  })

const decodeSized = (name: string, type: WireType, offset: number): ReadonlyArray<string> => {
  switch (type._tag) {
    case "Unsigned":
      return type.size === 1
        ? [`const ${name}: i32 = b[${plus(offset)}]`, `this.${name} = ${name}`]
        : [`this.${name} = readU${8 * type.size}(b, ${plus(offset)})`]
    case "Boolean":
      return [`const ${name}: i32 = b[${plus(offset)}]`, `this.${name} = ${name} & 1`]
    case "Float32":
      return [`this.${name}Bits = readU32(b, ${plus(offset)})`]
    case "Unsigned64":
      return [`this.${name}Low = readU32(b, ${plus(offset)})`, `this.${name}High = readU32(b, ${plus(offset + 4)})`]
    default:
      return [`this.${name}At = ${offset === 0 ? "at" : `(at + ${offset}) | 0`}`]
  }
}

const encode = (message: Message): ReadonlyArray<string> =>
  walk(message, "ENCODE_ROOM", encodeSized, (name, type, offset) => {
    if (!("prefix" in type)) return []
    const [first, ...rest] = words(name, type)
    const count =
      type._tag === "Option" ? `this.${first}` : type._tag === "Sequence" ? `this.${name}Count` : `this.${name}Length`
    const lines = [
      `if (${count} < 0 || ${count} > ${type.max}) return ENCODE_LIMIT`,
      type.prefix === 1
        ? `b[${plus(offset)}] = ${count} as u8`
        : `writeLength(b, ${plus(offset)}, ${type.prefix}, ${count})`,
      `at = (at + ${offset + type.prefix}) | 0`
    ]
    if (type._tag === "Option") {
      if (!("size" in type.item) || rest.length === 0)
        throw new Error(`${name}: an OPTION of ${type.item.name} has no codec`)
      return [
        ...lines,
        `if (${count} === 1) {`,
        ...indent(2, [
          `if (((end - at) | 0) < ${type.item.size}) return ENCODE_ROOM`,
          ...encodeSized(name, type.item, 0),
          `at = (at + ${type.item.size}) | 0`
        ]),
        "}"
      ]
    }
    const size = type._tag !== "Sequence" ? count : "size" in type.item ? `${name}Size` : `this.${name}Size`
    return [
      ...lines,
      ...(size === `${name}Size` && type._tag === "Sequence" && "size" in type.item
        ? [`const ${name}Size: i32 = (${count} * ${type.item.size}) | 0`]
        : []),
      `if (((end - at) | 0) < ${size}) return ENCODE_ROOM`,
      `copyBytes(source, this.${name}At, b, at, ${size})`,
      `at = (at + ${size}) | 0`
    ]
  })

const encodeSized = (name: string, type: WireType, offset: number): ReadonlyArray<string> => {
  switch (type._tag) {
    case "Unsigned":
      return type.size === 1
        ? [`b[${plus(offset)}] = this.${name} as u8`]
        : [`writeU${8 * type.size}(b, ${plus(offset)}, this.${name})`]
    case "Boolean":
      return [`b[${plus(offset)}] = (this.${name} & 1) as u8`]
    case "Float32":
      return [`writeU32(b, ${plus(offset)}, this.${name}Bits)`]
    case "Unsigned64":
      return [`writeU32(b, ${plus(offset)}, this.${name}Low)`, `writeU32(b, ${plus(offset + 4)}, this.${name}High)`]
    case "Fixed":
      return [`copyBytes(source, this.${name}At, b, ${plus(offset)}, ${type.size})`]
    default:
      throw new Error(`${name}: ${type.name} has no fixed size`)
  }
}

const usesSource = (message: Message): boolean =>
  message.layout.some(({ type }) => ["Fixed", "Bytes", "Text", "Sequence"].includes(type._tag))

const indent = (by: number, lines: ReadonlyArray<string>): ReadonlyArray<string> =>
  lines.map((line) => " ".repeat(by) + line)
const hex = (value: number): string => `0x${value.toString(16).padStart(2, "0")}`
const className = (message: Message): string => message.name.replaceAll(".", "")
/** "SubmitShares.Success" is SUBMIT_SHARES_SUCCESS. */
const constantName = (message: Message): string =>
  className(message)
    .replaceAll(/(?<=[a-z])(?=[A-Z])/g, "_")
    .toUpperCase()

/** The table of the full module with every codec, by a number for the message and one for each of its words. */
const table = (): string => {
  const space = (file: string): string => file.replaceAll(/-./g, (dash) => dash[1]!.toUpperCase())
  const imports = codecChapters.map(
    ({ file }) => `import * as ${space(file)} from "../../packages/core/src/messages/${file}"`
  )
  const owners = new Map(
    codecChapters.flatMap(({ file, messages }) => messages.map((message) => [message, space(file)]))
  )
  const variable = (message: Message): string => `${owners.get(message)}${className(message)}`
  const cases = (call: (message: Message) => string): ReadonlyArray<string> =>
    codecMessages.flatMap((message, index) => [`    case ${index}:`, `      return ${call(message)}`])
  return [
    "/**",
    " * Every message codec by its number, for who has no classes. A codec's fields are 32-bit words, one after the other in",
    " * the module's memory; build/sluice-messages.h names messages and words.",
    " *",
    ` * ${MADE}`,
    " */",
    ...imports,
    "",
    ...codecMessages.map(
      (message) => `const ${variable(message)} = new ${owners.get(message)}.${className(message)}()`
    ),
    "",
    "/** Where the words of a message are, 0 for none. */",
    "export function wordsOf(message: i32): usize {",
    "  switch (message) {",
    ...cases((message) => `changetype<usize>(${variable(message)})`),
    "    default:",
    "      return 0",
    "  }",
    "}",
    "",
    "/** How many words the message has. */",
    "export function wordCountOf(message: i32): i32 {",
    "  switch (message) {",
    ...cases((message) => String(message.layout.flatMap(({ name, type }) => words(name, type)).length)),
    "    default:",
    "      return 0",
    "  }",
    "}",
    "",
    "/** The codec's `decode`, or -5 for no message. */",
    "export function decodeOf(message: i32, b: Uint8Array, from: i32, end: i32): i32 {",
    "  switch (message) {",
    ...cases((message) => `${variable(message)}.decode(b, from, end)`),
    "    default:",
    "      return -5",
    "  }",
    "}",
    "",
    "/** The codec's `encode`, or -5 for no message. */",
    "export function encodeOf(message: i32, source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {",
    "  switch (message) {",
    ...cases((message) => `${variable(message)}.encode(source, b, from, end)`),
    "    default:",
    "      return -5",
    "  }",
    "}",
    ""
  ].join("\n")
}

/** C's names: a number for each message, and one for each of its words. Names that two protocols have begin with theirs. */
const header = (): string => {
  const names = codecChapters.flatMap(({ file, messages }) =>
    messages.map((message) => {
      const isShared = codecMessages.filter(({ name }) => name === message.name).length > 1
      const prefix = isShared ? `${file.replaceAll("-", "_").toUpperCase()}_` : ""
      return { message, name: `SLUICE_${prefix}${constantName(message)}` }
    })
  )
  const define = (name: string, value: string) => `#define ${name} ${value}`
  return [
    "/*",
    " * Messages of Stratum V2 for the full profile's codecs: the number of each message, its frame's msg_type and",
    " * extension_type, and the numbers of its words. A field of bytes is a place in the buffer (_AT) and a length (_LENGTH);",
    " * a U64 is two words, an F32 its bits, an OPTION has a word before it (HAS_) that is 0 or 1.",
    " *",
    ` * ${MADE}`,
    " */",
    "#ifndef SLUICE_MESSAGES_H",
    "#define SLUICE_MESSAGES_H",
    ...names.flatMap(({ message, name }, index) => [
      "",
      `/* ${message.name} (${message.spec}) */`,
      define(name, String(index)),
      define(`${name}_MSG_TYPE`, hex(message.type)),
      define(`${name}_EXTENSION_TYPE`, hex(extensionTypeOf(message))),
      ...message.layout
        .flatMap((field) => words(field.name, field.type))
        .map((word, i) =>
          define(`${name}__${word.replaceAll(/(?<=[a-z0-9])(?=[A-Z])/g, "_").toUpperCase()}`, String(i))
        )
    ]),
    "",
    "#endif",
    ""
  ].join("\n")
}

if (import.meta.main) for (const { path, text } of messageCodecFiles()) writeFileSync(path, text)
