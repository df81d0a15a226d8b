/** A declarator that a test drives: it allocates tokens, knows some transactions, and accepts or refuses jobs. */
import { compactSize, serializeOutputs, type Output } from "@sluice/bitcoin"
import type { JobDeclaration } from "@sluice/protocol"
import {
  type Connection,
  type ConnectionDialer,
  type ConnectionError,
  DialError,
  Closed,
  TransportError
} from "@sluice/transport"
import { Effect, Queue, Stream } from "effect"

/** A P2WPKH script, by its fill. */
export const script = (fill: number): Uint8Array => Uint8Array.of(0, 20, ...new Uint8Array(20).fill(fill))

export class ScriptedDeclarator {
  outputs: ReadonlyArray<Output> = [{ value: 0n, script: script(1) }]
  /** Bytes in the place of `outputs`. */
  rawOutputs: Uint8Array | undefined
  isAllocating = true
  /** The positions that it asks for. */
  missing: (message: JobDeclaration.DeclareMiningJob) => ReadonlyArray<number> = () => []
  /** The error code for a job; "" leaves it without an answer. */
  refusal: (message: JobDeclaration.DeclareMiningJob) => string | undefined = () => undefined
  /** What it was sent, in order. */
  readonly tokens: Array<JobDeclaration.AllocateMiningJobToken> = []
  readonly declared: Array<JobDeclaration.DeclareMiningJob> = []
  readonly provided: Array<JobDeclaration.ProvideMissingTransactionsSuccess> = []
  readonly solutions: Array<JobDeclaration.PushSolution> = []
  #serial = 0
  readonly #links = new Set<Queue.Queue<ReadonlyArray<JobDeclaration.ToClient>, ConnectionError>>()
  isListening = true

  answer(message: JobDeclaration.ToServer): ReadonlyArray<JobDeclaration.ToClient> {
    switch (message._tag) {
      case "AllocateMiningJobToken":
        this.tokens.push(message)
        return this.isAllocating ? [this.allocate(message)] : []
      case "DeclareMiningJob": {
        this.declared.push(message)
        const unknownTxPositionList = this.missing(message)
        return unknownTxPositionList.length > 0
          ? [{ _tag: "ProvideMissingTransactions", requestId: message.requestId, unknownTxPositionList }]
          : this.decide(message)
      }
      case "ProvideMissingTransactions.Success":
        this.provided.push(message)
        return this.decide(this.declared.find(({ requestId }) => requestId === message.requestId)!)
      case "PushSolution":
        this.solutions.push(message)
        return []
    }
  }

  allocate({ requestId }: JobDeclaration.AllocateMiningJobToken): JobDeclaration.ToClient {
    return {
      _tag: "AllocateMiningJobToken.Success",
      requestId,
      miningJobToken: Uint8Array.of(1, ++this.#serial, this.#serial >>> 8),
      coinbaseTxOutputs:
        this.rawOutputs ??
        new Uint8Array(Buffer.concat([compactSize(this.outputs.length), serializeOutputs(this.outputs)]))
    }
  }

  decide(message: JobDeclaration.DeclareMiningJob): ReadonlyArray<JobDeclaration.ToClient> {
    const { miningJobToken, requestId } = message
    const errorCode = this.refusal(message)
    if (errorCode === "") return []
    return errorCode === undefined
      ? [{ _tag: "DeclareMiningJob.Success", requestId, newMiningJobToken: Uint8Array.of(2, ...miningJobToken) }]
      : [{ _tag: "DeclareMiningJob.Error", requestId, errorCode, errorDetails: new Uint8Array(0) }]
  }

  say(...messages: ReadonlyArray<JobDeclaration.ToClient>): Effect.Effect<void> {
    return Effect.forEach(this.#links, (inbox) => Queue.offer(inbox, messages), { discard: true })
  }

  get connections(): number {
    return this.#links.size
  }

  readonly kill: Effect.Effect<void> = Effect.suspend(() => {
    this.isListening = false
    return Effect.forEach([...this.#links], (inbox) => Queue.fail(inbox, closed), { discard: true })
  })

  readonly dialer: ConnectionDialer<JobDeclaration.ToClient, JobDeclaration.ToServer> = {
    dial: (server) =>
      Effect.gen({ self: this }, function* () {
        if (!this.isListening) return yield* new DialError({ endpoint: server, code: "ECONNREFUSED" })
        const inbox = yield* Queue.unbounded<ReadonlyArray<JobDeclaration.ToClient>, ConnectionError>()
        yield* Effect.acquireRelease(
          Effect.sync(() => this.#links.add(inbox)),
          () => Effect.sync(() => this.#links.delete(inbox))
        )
        const connection: Connection<JobDeclaration.ToClient, JobDeclaration.ToServer> = {
          receive: Stream.flattenArray(Stream.fromQueue(inbox) as never),
          send: (messages) =>
            Effect.suspend(() => {
              const answers = messages.flatMap((message) => this.answer(message))
              return answers.length === 0 ? Effect.void : Effect.asVoid(Queue.offer(inbox, answers))
            }),
          setup: {
            version: 2,
            flags: 0,
            extensions: [],
            device: { vendor: "", hardwareVersion: "", firmware: "", deviceId: "" }
          },
          remote: server
        }
        return connection
      })
  }
}

const closed = new TransportError({ remote: { host: "declarator", port: 1 }, reason: new Closed({ pendingBytes: 0 }) })
