/**
 * Clients that submit shares to a server of miners as fast as it acknowledges them, and what a share costs the server. The server is a
 * child process, so that the clients' work is not counted. The operating system measures its CPU time, which includes the kernel's work
 * for the sockets. Shares come as from proxies, several in each read of a socket, and as from devices, one in each read.
 */
import { Mining } from "@sluice/protocol"
import { type Connection, MiningDialer, Noise, parseServerAddress, Setup, Tcp } from "@sluice/transport"
import { Context, Effect, Latch, Layer, Logger, Result, Stream } from "effect"
import { askBare } from "./bare-sockets.ts"
import { type Child, startChild } from "./child.ts"
import { shareOf } from "./pool-work.ts"
import type { Answer, Question } from "./share-server.ts"

/** The counts of the clients. */
interface Counts {
  opened: number
  acknowledgements: number
}

export interface Load {
  readonly name: string
  readonly channel: "standard" | "extended"
  readonly connections: number
  /** Shares that a client sends in one write. The next ones follow after their acknowledgement. */
  readonly sharesAtOnce: number
}

export const loads: ReadonlyArray<Load> = [
  { name: "extended share, 12 merkle nodes, from proxies", channel: "extended", connections: 8, sharesAtOnce: 40 },
  { name: "standard share, from proxies", channel: "standard", connections: 8, sharesAtOnce: 40 },
  { name: "extended share, 12 merkle nodes, one a read", channel: "extended", connections: 32, sharesAtOnce: 1 },
  { name: "standard share, one a read", channel: "standard", connections: 32, sharesAtOnce: 1 }
]

/** Code is slow at first: shares before the measurement, and the limits of the time for them. */
const WARM_UP_SHARES = 20_000
const MIN_WARM_UP_MS = 1500
const MAX_WARM_UP_MS = 8000
/** The clients' pause ends before the next measurement. */
const SETTLE_MS = 100

type Usage = Extract<Answer, { readonly _tag: "Usage" }>

/** What the server used and did for some time. */
export interface Work {
  /** CPU time for an accepted share. */
  readonly nsPerShare: number
  readonly acknowledgementsPerShare: number
  /** The part of the shares that was passed on to an upstream. */
  readonly passedOn: number
}

export interface ShareServer {
  /** Lets the clients submit shares for so long, after a warm-up the first time. */
  readonly underLoad: (ms: number) => Promise<Work>
  /** Nanoseconds of CPU time that the sockets alone take, for one share. */
  readonly bareSockets: (ms: number) => Promise<number>
  readonly ask: Child<Question, Answer>["ask"]
  readonly stop: () => Promise<void>
}

/** Starts `node MODULE ARGS` and its clients, which wait. */
export const startShareServer = async (
  load: Load,
  module: string,
  args: ReadonlyArray<string> = []
): Promise<ShareServer> => {
  const { ask, ready, stop } = await startChild<Question, Answer>(module, args)
  const usage = () => ask("Usage", { _tag: "Usage" })
  const warmUp = async (done: (usage: Usage) => number) => {
    await sleep(MIN_WARM_UP_MS)
    const until = performance.now() + MAX_WARM_UP_MS
    while (performance.now() < until && done(await usage()) < WARM_UP_SHARES) await sleep(100)
  }
  const counts = { opened: 0, acknowledgements: 0 }
  const gate = Latch.makeUnsafe(false)
  const interruption = new AbortController()
  const clients = Effect.runPromise(clientsOf(ready.url, load, counts, gate), { signal: interruption.signal })
  clients.catch(() => undefined)
  let isWarm = false
  return {
    ask,
    underLoad: async (ms) => {
      // Handshakes are not measured.
      while (counts.opened < load.connections) await Promise.race([sleep(50), clients])
      gate.openUnsafe()
      await (isWarm ? sleep(SETTLE_MS) : warmUp(({ accepted }) => accepted))
      isWarm = true
      const acknowledgements = counts.acknowledgements
      const before = await usage()
      await Promise.race([sleep(ms), clients])
      const after = await usage()
      gate.closeUnsafe()
      if (after.refused > 0) throw new Error(`the server refused ${after.refused} shares of the benchmark`)
      if (after.inVain > 0) throw new Error(`the upstream refused or did not get ${after.inVain} shares`)
      const accepted = after.accepted - before.accepted
      return {
        nsPerShare: ((after.cpu - before.cpu) * 1000) / accepted,
        acknowledgementsPerShare: (counts.acknowledgements - acknowledgements) / accepted,
        passedOn: (after.passedOn - before.passedOn) / accepted
      }
    },
    bareSockets: async (ms) => {
      const { port } = await ask("Bare", { _tag: "Bare" })
      const stopAsking = askBare(port, load.connections)
      await warmUp(({ bare }) => bare)
      const before = await usage()
      await sleep(ms)
      const after = await usage()
      stopAsking()
      return ((after.cpu - before.cpu) * 1000) / (after.bare - before.bare)
    },
    stop: async () => {
      interruption.abort()
      await clients.catch(() => undefined)
      stop()
    }
  }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Connects and submits shares until it is interrupted. */
const clientsOf = (url: string, load: Load, counts: Counts, gate: Latch.Latch) =>
  Effect.gen(function* () {
    const server = Result.getOrThrow(parseServerAddress(url))
    const dialer = Setup.client(MiningDialer).pipe(Layer.provide(Noise.initiator()), Layer.provide(Tcp.dialer))
    const { dial } = Context.get(yield* Layer.build(dialer), MiningDialer)
    // Each is a user of its own: the pool remembers how fast a user mines, and would give the later ones a harder target.
    yield* Effect.forEach(
      Array.from({ length: load.connections }, (_, index) => `bench${index}`),
      (userIdentity) =>
        Effect.scoped(
          Effect.flatMap(dial(server), (connection) => submit(connection, load, counts, gate, userIdentity))
        ),
      { concurrency: "unbounded", discard: true }
    )
  }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))

const submit = (
  { receive, send }: Connection<Mining.ToClient, Mining.ToServer>,
  { channel, sharesAtOnce }: Load,
  counts: Counts,
  gate: Latch.Latch,
  userIdentity: string
) => {
  let channelId = 0
  let jobId = 0
  let ntime = 0
  let sequenceNumber = 0
  let unacknowledged = 0

  const next = Effect.suspend(() => {
    unacknowledged = sharesAtOnce
    return send(
      Array.from({ length: sharesAtOnce }, () => ({
        ...shareOf(channel, ++sequenceNumber),
        channelId,
        jobId,
        ntime
      }))
    )
  })

  const onBatch = (batch: ReadonlyArray<Mining.ToClient>) => {
    let isFirst = false
    for (const message of batch) {
      switch (message._tag) {
        case "OpenStandardMiningChannel.Success":
        case "OpenExtendedMiningChannel.Success":
          channelId = message.channelId
          counts.opened++
          break
        case "SetNewPrevHash":
          jobId = message.jobId
          ntime = message.minNtime
          isFirst = true
          break
        case "SubmitShares.Success":
          counts.acknowledgements++
          unacknowledged -= message.newSubmitsAcceptedCount
          break
        case "SubmitShares.Error":
          return Effect.die(new Error(`a share was refused: ${message.errorCode}`))
      }
    }
    return isFirst || (jobId !== 0 && unacknowledged === 0) ? Effect.andThen(gate.await, next) : Effect.void
  }

  const open = { requestId: 1, userIdentity, nominalHashRate: 0, maxTarget: new Uint8Array(32).fill(0xff) }
  return Effect.andThen(
    send([
      channel === "standard"
        ? { _tag: "OpenStandardMiningChannel", ...open }
        : { _tag: "OpenExtendedMiningChannel", ...open, minExtranonceSize: 8 }
    ]),
    Stream.runForEachArray(receive, onBatch)
  )
}
