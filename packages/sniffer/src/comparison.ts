/** Compares the messages of a server with recorded ones, by their kinds and not by their fields. */
import { Frame, listMessages } from "@sluice/protocol"

/** The message's name, or its numbers if no message is declared for them. */
export const kindOf = (frame: Frame): string => {
  const extension = Frame.extension(frame)
  const { messageType } = frame
  const found = listMessages({}).find(({ message }) => message.extension === extension && message.type === messageType)
  return found?.message.name ?? `extension 0x${extension.toString(16)} type 0x${messageType.toString(16)}`
}

export class Comparison {
  private readonly found: Array<string> = []
  /** How often a kind came in place of another. */
  private readonly instead = new Map<string, number>()
  private readonly recorded = new Map<string, number>()
  private readonly arrived = new Map<string, number>()
  /** Kinds that arrived before they were expected, with how often. */
  private readonly early = new Map<string, number>()
  /** Kinds that a reported difference already covers. */
  private readonly told = new Set<string>()

  /** `recorded` has the kinds of all messages that the recorded server sent. */
  constructor(recorded: Iterable<string>) {
    for (const kind of recorded) add(this.recorded, kind)
  }

  arrive(kind: string): void {
    // Bounded: a server could send any number of kinds.
    const counted = this.arrived.has(kind) || this.arrived.size < MAX_KINDS ? kind : "one of many other kinds"
    add(this.arrived, counted)
    add(this.early, counted)
  }

  /** The kind of the expected answer, if it has arrived: this kind, or its Success or Error counterpart, which is a difference. */
  expect(kind: string): string | undefined {
    if (take(this.early, kind)) return kind
    const other = otherOutcome(kind)
    if (other === undefined || !take(this.early, other)) return undefined
    add(this.instead, `recorded: ${kind}; came: ${other}`)
    this.told.add(kind).add(other)
    return other
  }

  differ(what: string): void {
    this.found.push(what)
  }

  /** The differences so far, a sentence each. */
  get differences(): ReadonlyArray<string> {
    return [...Array.from(this.instead, ([what, count]) => `${what}, ${times(count)}`), ...this.found]
  }

  /** Called at the end: gives the kinds that never came, and the kinds that are not in the recording. */
  finish(): void {
    for (const [kind, count] of this.recorded) {
      if (!this.arrived.has(kind) && !this.told.has(kind)) this.differ(`recorded: ${kind}, ${times(count)}; none came`)
    }
    for (const [kind, count] of this.arrived) {
      if (!this.recorded.has(kind) && !this.told.has(kind))
        this.differ(`not recorded: ${kind}; it came ${times(count)}`)
    }
  }
}

const MAX_KINDS = 1000

const times = (count: number): string => (count === 1 ? "once" : `${count} times`)

const otherOutcome = (kind: string): string | undefined => {
  if (kind.endsWith(".Success")) return kind.replace(/\.Success$/, ".Error")
  return kind.endsWith(".Error") ? kind.replace(/\.Error$/, ".Success") : undefined
}

const add = (counts: Map<string, number>, kind: string): void => void counts.set(kind, (counts.get(kind) ?? 0) + 1)

const take = (counts: Map<string, number>, kind: string): boolean => {
  const count = counts.get(kind) ?? 0
  if (count > 0) counts.set(kind, count - 1)
  return count > 0
}
