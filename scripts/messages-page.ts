/** `npm run messages-page`: writes docs/messages.md, the list of all messages, from their declarations. */
import {
  Common,
  Frame,
  JobDeclaration,
  type Message,
  Mining,
  type Protocol,
  TemplateDistribution,
  type Tlv,
  ExtensionsNegotiation,
  unitOf,
  WorkerIdentity
} from "@sluice/protocol"
import { writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

/** The path of the page. */
export const path = fileURLToPath(new URL("../docs/messages.md", import.meta.url))

/** The content of the page, made from the declarations. */
export const page = (): string => {
  const common = [
    Common.SetupConnection,
    Common.SetupConnectionSuccess,
    Common.SetupConnectionError,
    Common.ChannelEndpointChanged,
    Common.Reconnect
  ]
  const protocols = [Mining.protocol, JobDeclaration.protocol, TemplateDistribution.protocol]
  const chapters: ReadonlyArray<Chapter> = [
    { title: "Common messages", note: "Part of every protocol, all but ChannelEndpointChanged.", messages: common },
    ...protocols.map((protocol) => ({
      title: protocol.name,
      note: `\`protocol\` of SetupConnection: ${protocol.id}.`,
      messages: messagesOf(protocol).filter((message) => !common.some(({ name }) => name === message.name))
    })),
    {
      title: "Extension 0x0001, Extensions Negotiation",
      note: "Its messages have extension_type 0x0001.",
      messages: ExtensionsNegotiation.messages
    }
  ]
  return [
    "# Messages",
    "",
    "Made from the declarations in `packages/protocol` by `npm run messages-page`; a test compares the two. Numbers are",
    "little-endian, sections those of the Stratum V2 specification. The channel bit is the top bit of a frame's `extension_type`.",
    "",
    ...chapters.flatMap(chapter),
    `## Extension 0x0002, ${WorkerIdentity.extension.name}`,
    "",
    "It has no messages of its own; what follows others' fields are TLVs (section 3.4.3).",
    "",
    ...WorkerIdentity.extension.tlvs.flatMap(tlvSection)
  ].join("\n")
}

interface Chapter {
  readonly title: string
  readonly note: string
  readonly messages: ReadonlyArray<Message>
}

const messagesOf = (protocol: Protocol<unknown, unknown>): ReadonlyArray<Message> => [
  ...new Set([...protocol.toServer.messages, ...protocol.toClient.messages])
]

const chapter = ({ title, note, messages }: Chapter): ReadonlyArray<string> => {
  const inOrder = messages.toSorted((a, b) => a.type - b.type)
  return [
    `## ${title}`,
    "",
    note,
    "",
    ...table(
      ["type", "channel bit", "message", "goes to", "section"],
      inOrder.map(({ type, channel, name, to, spec }) => [hex(type), channel ? "1" : "0", name, to, spec])
    ),
    "",
    ...inOrder.flatMap(section)
  ]
}

const section = ({ name, type, channel, to, spec, layout, maxPayload }: Message): ReadonlyArray<string> => [
  `### ${name}`,
  "",
  `${hex(type)}, ${channel ? "for a channel" : "for the connection"}, to ${to === "both" ? "either side" : `the ${to}`}; section ${spec}; ` +
    (maxPayload > Frame.maxPayload ? "as long as a frame can be." : `at most ${maxPayload} bytes.`),
  "",
  ...(layout.length === 0
    ? ["It has no fields."]
    : table(
        ["field", "type", "unit"],
        layout.map(({ name, type }) => [`\`${name}\``, type.name, unitOf(name) ?? ""])
      )),
  ""
]

const tlvSection = ({ name, type, on, spec, layout, maxSize }: Tlv): ReadonlyArray<string> => [
  `### TLV ${name}`,
  "",
  `${hex(type)}, behind ${on.map(({ name }) => name).join(", ")}; section ${spec}; a value of at most ${maxSize} bytes.`,
  "",
  ...table(
    ["field", "type", "unit"],
    layout.map(({ name, type }) => [`\`${name}\``, type.name, unitOf(name) ?? ""])
  ),
  ""
]

const hex = (type: number): string => `0x${type.toString(16).padStart(2, "0")}`

/** A Markdown table, its columns padded as the formatter has them. */
export const table = (
  head: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string>>
): ReadonlyArray<string> => {
  const widths = head.map((title, column) => Math.max(3, title.length, ...rows.map((row) => row[column]!.length)))
  const line = (cells: ReadonlyArray<string>) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)]
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(path, page())
