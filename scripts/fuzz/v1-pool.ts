/**
 * What `npm run fuzz` throws at the translator over a V1 pool: whatever a pool may send, behind which a client of V2 opens
 * channels and submits shares. The client gets legal messages only, and one answer for each share.
 */
import { ChannelClient, type ClientOutbox, Outbox, ProtocolViolation } from "@sluice/channels"
import { Mining } from "@sluice/protocol"
import { joinLines, type Line, LineReader, MAX_POOL_LINE } from "@sluice/stratum-v1"
import { PoolMachine, type PoolOutbox } from "@sluice/translator"
import { coinbaseHalves } from "@sluice/testing/coinbase-halves"
import { ok } from "node:assert/strict"
import type { FuzzTarget } from "./target.ts"

const MAX_LINE = 8192
const maxTarget = new Uint8Array(32).fill(0xff)
const request = { userIdentity: "fuzz", nominalHashRate: 1e6, maxTarget }

/** The first byte has the flags of the client, and says how the rest is cut. */
const run = (input: Uint8Array): void => {
  const first = input[0] ?? 0
  const requiresStandardJobs = (first & 1) !== 0
  let id = 0
  const machine = new PoolMachine(0, {
    setupFlags: requiresStandardJobs ? Mining.REQUIRES_STANDARD_JOBS : 0,
    host: "pool.example.com",
    credentials: (userIdentity) => ({ worker: userIdentity, password: "x" }),
    followAnywhere: (first & 2) !== 0,
    nextId: () => ++id,
    jobWithinMs: 30_000,
    client: { userAgent: "fuzz", maxPendingShares: 8 }
  })
  const out: PoolOutbox = new Outbox()
  const toServer: ClientOutbox = new Outbox()
  const reader = new LineReader(MAX_LINE)
  let client: ChannelClient | undefined
  let now = 0
  let unanswered = 0

  const move = (): void => {
    const messages = out.takeMessages()
    for (const message of messages) ok(Mining.protocol.toClient.encode(message).length > 0, "a message has no bytes")
    client?.receive(messages, now, toServer)
    for (const event of toServer.takeEvents()) {
      if (event instanceof ProtocolViolation) throw event
      ok(event._tag !== "Ignored", "a message says nothing to the client")
      if (event._tag === "SharesAccepted") {
        unanswered -= event.shares.length
        ok(event.shares.length === event.acceptedCount, "more shares are accepted than were submitted")
      }
      if (event._tag === "ShareRefused") unanswered--
      if (event._tag !== "WorkChanged" || client === undefined) continue
      const { jobId, minNtime: ntime, version } = event.work
      const extranonce = new Uint8Array(event.work._tag === "ExtendedWork" ? event.work.extranonceSize : 0)
      const share = { jobId, nonce: 1, ntime, version, extranonce }
      client.submit(event.channelId, share, now, toServer)
    }
    const requests = toServer.takeMessages()
    if (machine.failure === undefined) {
      unanswered += requests.filter(({ _tag }) => _tag.startsWith("SubmitShares")).length
      machine.send(requests, now, out)
    }
    // The lines to the pool are lines.
    const lines: Array<Line> = []
    const sent = new LineReader(MAX_POOL_LINE)
    sent.push(joinLines(machine.takeLines()), lines)
    ok(sent.failure === undefined && sent.pendingBytes === 0, "it says what no pool can read")
  }

  machine.start(now)
  const step = (first >> 2) * 64 + 1
  for (let at = 1; at < input.length && machine.failure === undefined; at += step) {
    const lines: Array<Line> = []
    reader.push(input.slice(at, at + step), lines)
    machine.receive(lines, now, out)
    if (client === undefined && machine.isSubscribed) {
      const fixedVersion = (machine.takeFlags() & Mining.REQUIRES_FIXED_VERSION) !== 0
      client = new ChannelClient({ requiresStandardJobs, fixedVersion })
      client.openStandardChannel(request, toServer)
      if (!requiresStandardJobs) client.openExtendedChannel({ ...request, minExtranonceSize: 2 }, toServer)
    }
    now += 1000
    machine.tick(now, out)
    for (let turn = 0; turn < 3; turn++) move()
  }
  if (reader.failure !== undefined) machine.fail(reader.failure, now, out)
  machine.end(now, out)
  move()
  ok(unanswered === 0, "a share has no answer, or two")
}

const halves = coinbaseHalves(12)
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
const notify = (jobId: string, prevHash: string, clean: boolean): string =>
  JSON.stringify({
    id: null,
    method: "mining.notify",
    params: [
      jobId,
      prevHash.repeat(32),
      hex(halves.coinbaseTxPrefix),
      hex(halves.coinbaseTxSuffix),
      ["03".repeat(32)],
      "20000000",
      "1d00ffff",
      "6553f100",
      clean
    ]
  })

/** A pool that accepts its clients, whose requests have the ids 1 to 5: configure, subscribe, extranonce, authorize, suggest. */
const conversation = [
  '{"id":1,"result":{"version-rolling":true,"version-rolling.mask":"1fffe000"},"error":null}',
  '{"id":2,"result":[[["mining.notify","1"]],"4de05269",8],"error":null}',
  '{"id":null,"method":"mining.set_difficulty","params":[16]}',
  notify("1", "ab", true),
  '{"id":4,"result":true,"error":null}',
  '{"id":5,"result":true,"error":null}',
  '{"id":6,"result":true,"error":null}',
  '{"id":7,"result":null,"error":[23,"high-hash",null]}',
  notify("2", "ab", false),
  '{"id":null,"method":"mining.set_extranonce","params":["deadbeef",8]}',
  '{"id":null,"method":"mining.set_difficulty","params":[0.5]}',
  notify("3", "cd", true),
  '{"id":9,"result":true,"error":null}',
  '{"id":8,"result":true,"error":null}',
  '{"id":null,"method":"client.reconnect","params":["b.example.com",3333,1]}',
  '{"id":null,"method":"mining.set_version_mask","params":["1fffe000"]}',
  notify("4", "cd", true)
].join("\n")

const seeds = (): ReadonlyArray<Uint8Array> =>
  [0xfc, 0xfd, 0x06, 0x01].map((first) => Uint8Array.from([first, ...Buffer.from(`${conversation}\n`)]))

export const v1PoolTarget: FuzzTarget = { name: "v1-pool", run, seeds }
