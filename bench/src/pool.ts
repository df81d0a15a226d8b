/**
 * The pool's CPU time for an accepted share, over TCP with Noise, against its cryptography: the sum of opening the share's
 * frame, its SHA-256 work and its part of the acknowledgements, measured in the same process of the same run.
 *
 * The pool is a child process, so that the clients' work is not counted. The operating system measures its CPU time, which
 * includes the kernel's work for the sockets. Shares come as from proxies, several in each read of a socket, and as from
 * devices, one in each read.
 */
import { Mining } from "@sluice/protocol"
import { type Connection, MiningDialer, Noise, parseServerAddress, Setup, Tcp } from "@sluice/transport"
import { Context, Effect, Layer, Logger, Result, Stream } from "effect"
import { fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { askBare } from "./bare-sockets.ts"
import type { AsyncCase, Row } from "./case.ts"
import type { Answer, Question } from "./pool-server.ts"
import { shareOf } from "./pool-work.ts"

/** The counts of the clients. */
interface Counts {
  opened: number
  acknowledgements: number
}

interface Load {
  readonly name: string
  readonly channel: "standard" | "extended"
  readonly connections: number
  /** Shares that a client sends in one write. The next ones follow after their acknowledgement. */
  readonly sharesAtOnce: number
}

const loads: ReadonlyArray<Load> = [
  { name: "extended share, 12 merkle nodes, from proxies", channel: "extended", connections: 8, sharesAtOnce: 40 },
  { name: "standard share, from proxies", channel: "standard", connections: 8, sharesAtOnce: 40 },
  { name: "extended share, 12 merkle nodes, one a read", channel: "extended", connections: 32, sharesAtOnce: 1 },
  { name: "standard share, one a read", channel: "standard", connections: 32, sharesAtOnce: 1 }
]

/** Code is slow at first: shares before the measurement, and the limits of the time for them. */
const WARM_UP_SHARES = 20_000
const MIN_WARM_UP_MS = 1500
const MAX_WARM_UP_MS = 8000
const MEASURED_MS = 2000

export const asyncCases: ReadonlyArray<AsyncCase> = loads.map((load) => ({
  name: `pool: ${load.name}`,
  rows: () => run(load)
}))

const run = async (load: Load): Promise<ReadonlyArray<Row>> => {
  // A device sends one share for each read. Then the sockets cost most, so they are a second baseline.
  const child = fork(fileURLToPath(new URL("./pool-server.ts", import.meta.url)), [], { stdio: "inherit" })
  const died = once(child, "exit").then(([code]) => {
    throw new Error(`the pool's process ended with status ${code}`)
  })
  died.catch(() => undefined)
  try {
    const ask = async <Tag extends Answer["_tag"]>(
      tag: Tag,
      question?: Question
    ): Promise<Extract<Answer, { _tag: Tag }>> => {
      if (question !== undefined) child.send(question)
      const [answer] = (await Promise.race([once(child, "message"), died])) as [Answer]
      if (answer._tag !== tag) throw new Error(`the pool answered ${answer._tag}, not ${tag}`)
      return answer as Extract<Answer, { _tag: Tag }>
    }
    /** Runs this, and gives what the child used and did in the meantime. */
    const during = async (ms: number) => {
      const before = await ask("Usage", { _tag: "Usage" })
      await sleep(ms)
      const after = await ask("Usage", { _tag: "Usage" })
      if (after.refused > 0) throw new Error(`the pool refused ${after.refused} shares of the benchmark`)
      return {
        cpuNs: (after.cpu - before.cpu) * 1000,
        accepted: after.accepted - before.accepted,
        bare: after.bare - before.bare
      }
    }
    const warmUp = async (done: (usage: Extract<Answer, { _tag: "Usage" }>) => number) => {
      await sleep(MIN_WARM_UP_MS)
      const until = performance.now() + MAX_WARM_UP_MS
      while (performance.now() < until && done(await ask("Usage", { _tag: "Usage" })) < WARM_UP_SHARES) await sleep(100)
    }
    const { url } = await ask("Ready")
    const stop = new AbortController()
    const counts = { opened: 0, acknowledgements: 0 }
    const clients = Effect.runPromise(clientsOf(url, load, counts), { signal: stop.signal }).catch(() => undefined)
    // Handshakes are not measured.
    while (counts.opened < load.connections) await sleep(50)
    await warmUp(({ accepted }) => accepted)
    const acknowledgementsBefore = counts.acknowledgements
    const { accepted, cpuNs } = await during(MEASURED_MS)
    const acknowledgements = (counts.acknowledgements - acknowledgementsBefore) / accepted
    stop.abort()
    await clients
    const { cryptography } = await ask("Cryptography", { _tag: "Cryptography", channel: load.channel })

    const value = cpuNs / accepted
    const crypto = cryptography.open + cryptography.hash + cryptography.seal * acknowledgements
    const row = { name: `pool: ${load.name}`, unit: "ns/share", value }
    const rows = [{ ...row, baseline: "its cryptography", baselineValue: crypto, ratio: value / crypto }]
    if (load.sharesAtOnce === 1) {
      const { port } = await ask("Bare", { _tag: "Bare" })
      const stopAsking = askBare(port, load.connections)
      await warmUp(({ bare }) => bare)
      const bare = await during(MEASURED_MS)
      stopAsking()
      const baselineValue = crypto + bare.cpuNs / bare.bare
      rows.push({ ...row, baseline: "and bare sockets", baselineValue, ratio: value / baselineValue })
    }
    return rows
  } finally {
    child.disconnect()
  }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Connects and submits shares until it is interrupted. */
const clientsOf = (url: string, load: Load, counts: Counts) =>
  Effect.gen(function* () {
    const server = Result.getOrThrow(parseServerAddress(url))
    const dialer = Setup.client(MiningDialer).pipe(Layer.provide(Noise.initiator()), Layer.provide(Tcp.dialer))
    const { dial } = Context.get(yield* Layer.build(dialer), MiningDialer)
    // Each is a user of its own: the pool remembers how fast a user mines, and would give the later ones a harder target.
    yield* Effect.forEach(
      Array.from({ length: load.connections }, (_, index) => `bench${index}`),
      (userIdentity) =>
        Effect.scoped(Effect.flatMap(dial(server), (connection) => submit(connection, load, counts, userIdentity))),
      { concurrency: "unbounded", discard: true }
    )
  }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))

const submit = (
  { receive, send }: Connection<Mining.ToClient, Mining.ToServer>,
  { channel, sharesAtOnce }: Load,
  counts: Counts,
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
    return isFirst || (jobId !== 0 && unacknowledged === 0) ? next : Effect.void
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
