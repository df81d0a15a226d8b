/** Formats events of the sniffer as lines for people. */
import type { LineEvent, SnifferEvent } from "@sluice/sniffer"
import { describeFrame, escaped, Frame, toLine } from "@sluice/protocol"
import { formatEndpoint } from "@sluice/transport"

/** One line: the time of day (UTC), the connection, and what happened; a message as `sluice decode` prints it. */
export const eventLine = (event: SnifferEvent | LineEvent): string => {
  const head = `${timeOfDay(event.at)} #${event.connectionId}`
  switch (event._tag) {
    case "Opened":
      return `${head} opened by ${event.client === undefined ? "?" : formatEndpoint(event.client)} to ${formatEndpoint(event.server)}`
    case "Message":
      return `${head} ${messageLine(event.to, event.frame)}`
    case "Line":
      return `${head} ${v1Line(event.to, event.bytes)}`
    case "Closed":
      return `${head} closed by ${event.by === "here" ? "us" : `the ${event.by}`}: ${escaped(event.reason)}`
  }
}

/** A message behind its direction: `>` to the server, `<` to the client. */
export const messageLine = (to: "server" | "client", frame: Uint8Array): string =>
  `${to === "server" ? ">" : "<"} ${toLine(describeFrame(Frame.read(frame)!, { to }))}`

/** A line of Stratum V1 behind its direction. */
export const v1Line = (to: "server" | "client", bytes: Uint8Array): string =>
  `${to === "server" ? ">" : "<"} ${escaped(new TextDecoder().decode(bytes).trimEnd())}`

export const timeOfDay = (at: number): string => new Date(at).toISOString().slice(11, 23)
