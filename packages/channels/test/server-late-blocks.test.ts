/** A share that the server refuses may still be a block. The server reports it. */
import { describe, expect, it } from "@effect/vitest"
import { doubleSha256, hashToDisplay } from "@sluice/bitcoin"
import type { Mining } from "@sluice/protocol"
import { type BlockFound, type ChannelServer, solutionOf, u256ToBytes } from "../src/index.ts"
import { START_SECONDS, type Said, TestMiner, TestServer, type TestServerOptions } from "./server-fixture.ts"
import { ANY_TARGET, bytes, futureTemplate, newPrevHash, NO_TARGET, template } from "@sluice/testing/templates"

const kinds = ["standard", "extended"] as const
type Share = Mining.SubmitSharesStandard | Mining.SubmitSharesExtended

/** Sends a new previous hash on which all hashes are blocks or none is. */
const nextBlock = (server: TestServer, templateId: number, target = NO_TARGET): void => {
  server.template(futureTemplate(templateId))
  server.template(newPrevHash(templateId, { target }))
}

/** Makes a server with a first previous hash on which every hash is a block. */
const setup = (kind: (typeof kinds)[number], options?: TestServerOptions) => {
  const server = new TestServer(options)
  nextBlock(server, 1, ANY_TARGET)
  const connection = server.connect()
  return { server, connection, miner: server.open(connection, { kind }) }
}

const blocksOf = ({ events }: Said): ReadonlyArray<BlockFound> => events.filter((event) => event._tag === "BlockFound")

/** Hash in display order of the header that the miner made. Call it while the miner still has the job. */
const hashOf = (miner: TestMiner, share: Share): string => {
  const extranonce = share._tag === "SubmitSharesExtended" ? share.extranonce : new Uint8Array(0)
  const root = miner.jobs.get(share.jobId)!.root(extranonce)
  return hashToDisplay(miner.hash(share.version, root, share.ntime, share.nonce))
}

/** Merkle root of a block with this coinbase. It must be the one that the miner hashed. */
const rootOf = (coinbaseTx: Uint8Array): Uint8Array =>
  [bytes(0x11), bytes(0x22)].reduce<Uint8Array>(
    (root, node) => doubleSha256(Buffer.concat([root, node])),
    doubleSha256(Buffer.concat([coinbaseTx.subarray(0, 4), coinbaseTx.subarray(6, -38), coinbaseTx.subarray(-4)]))
  )

interface Refusal {
  readonly errorCode: string
  readonly why: string
  /** What happens before the share arrives. */
  readonly before: (server: TestServer, connection: ChannelServer, miner: TestMiner) => void
  readonly fields?: Partial<Mining.SubmitSharesExtended>
  readonly options?: TestServerOptions
}

const REFUSALS: ReadonlyArray<Refusal> = [
  { errorCode: "stale-share", why: "for the last previous hash", before: (server) => nextBlock(server, 2) },
  {
    errorCode: "stale-share",
    why: "for the previous hash before the last",
    before: (server) => [2, 3].forEach((id) => nextBlock(server, id))
  },
  {
    errorCode: "stale-share",
    why: "for a previous hash that a reorganisation led back to",
    before: (server) => {
      nextBlock(server, 2)
      server.template(futureTemplate(3))
      server.template(newPrevHash(3, { prevHash: bytes(1) }))
    }
  },
  {
    errorCode: "invalid-share",
    why: "for a time before the previous hash's",
    before: () => {},
    fields: { ntime: START_SECONDS - 1 }
  },
  {
    errorCode: "invalid-share",
    why: "for a time too far ahead",
    before: () => {},
    fields: { ntime: START_SECONDS + 601 }
  },
  {
    errorCode: "invalid-non-rollable-version-bit",
    why: "for its version",
    before: () => {},
    fields: { version: 0x20000001 }
  },
  {
    errorCode: "version-rolling-not-allowed",
    why: "for a version that it rolled",
    before: () => {},
    fields: { version: 0x20000020 },
    options: { coinbase: { versionRollingAllowed: false } }
  },
  {
    errorCode: "invalid-channel-id",
    why: "because the client closed the channel",
    before: (server, connection, { channelId }) =>
      server.send(connection, { _tag: "CloseChannel", channelId, reasonCode: "" })
  },
  {
    errorCode: "invalid-channel-id",
    why: "because the server closed all channels of a group, even after another previous hash",
    before: (server, connection) => {
      for (let i = 0; i < 50; i++) server.open(connection)
      server.ask((out) => connection.closeChannel(1, "", server.now, out))
      nextBlock(server, 2)
    }
  },
  {
    errorCode: "too-many-shares",
    why: "because the memory for duplicates is full",
    before: (server, connection, miner) => server.send(connection, miner.mine(), miner.mine()),
    options: { policy: { maxSharesPerPrevHash: 1 } }
  }
]

describe.each(kinds)("a refused share of the %s channel", (kind) => {
  it.each(REFUSALS)("with $errorCode $why is reported if it is a block", ({ before, errorCode, fields, options }) => {
    const { connection, miner, server } = setup(kind, options)
    const share = miner.mine({ ...fields, firstNonce: 5_000_000 })
    const hash = hashOf(miner, share)
    before(server, connection, miner)
    const said = server.send(connection, share)
    expect(said.messages).toMatchObject([{ _tag: "SubmitShares.Error", errorCode }])
    expect(said.events).toMatchObject([
      { _tag: "ShareRefused", errorCode },
      {
        _tag: "BlockFound",
        refusal: errorCode,
        channel: { channelId: miner.channelId, kind },
        hash,
        found: {
          job: { origin: { templateId: 1n } },
          version: share.version,
          nonce: share.nonce,
          ntime: share.ntime,
          isBlock: true
        }
      }
    ])
    const root = rootOf(solutionOf(blocksOf(said)[0]!.found).coinbaseTx)
    expect(hashToDisplay(miner.hash(share.version, root, share.ntime, share.nonce))).toBe(hash)
  })

  it("with invalid-job-id because its job is older than the channel is reported if it is a block", () => {
    const { connection, server } = setup(kind)
    const early = server.open(connection, { kind })
    server.template(template(2))
    const late = server.open(connection, { kind })
    // As if the server had sent the miner that job.
    const job = early.jobs.get(1000)!
    if (kind === "extended") late.jobs.set(1000, { ...job, root: job.root })
    const share = { ...early.mine({ jobId: 1000 }), channelId: late.channelId }
    const said = server.send(connection, share)
    expect(said.messages).toMatchObject([{ errorCode: "invalid-job-id" }])
    // Every hash meets this target, so the share is a block with any merkle root.
    expect(blocksOf(said)).toMatchObject([
      { refusal: "invalid-job-id", found: { job: { origin: { templateId: 1n } } } }
    ])
  })

  it("with stale-share is reported with the prefix that it was mined with, even if another channel has it now", () => {
    const server = new TestServer()
    const target = u256ToBytes(2n ** 244n)
    nextBlock(server, 1, target)
    const connection = server.connect()
    const miner = server.open(connection, { kind })
    miner.target = 2n ** 244n
    const share = miner.mine()
    const hash = hashOf(miner, share)
    server.ask((out) => connection.changeExtranoncePrefix(miner.channelId, out))
    server.template(template(2))
    nextBlock(server, 3)
    server.tick(connection)
    expect(server.space.held).toBe(1)
    const [block] = blocksOf(server.send(connection, share))
    expect(block).toMatchObject({ refusal: "stale-share", hash })
    expect(Buffer.from(solutionOf(block!.found).coinbaseTx).includes(Buffer.from(miner.prefix))).toBe(true)
  })

  it("is reported once among other shares of one read and when it comes alone", () => {
    const { connection, miner, server } = setup(kind)
    const shares = [1, 2, 3, 4].map(() => miner.mine())
    const hashes = shares.map((share) => hashOf(miner, share))
    nextBlock(server, 2)
    expect(blocksOf(server.send(connection, ...shares)).map(({ hash }) => hash)).toEqual(hashes)
    expect(server.counted(connection)).toMatchObject([{ blocks: 4, accepted: 0, refused: { "stale-share": 4 } }])
  })

  it("is no block if it misses the target of its own previous hash, even if it meets the present one", () => {
    const server = TestServer.working()
    const connection = server.connect()
    const share = server.open(connection, { kind }).mine()
    nextBlock(server, 2, ANY_TARGET)
    expect(server.send(connection, share).events).toMatchObject([{ _tag: "ShareRefused", errorCode: "stale-share" }])
  })

  it("is not reported after a third previous hash, and causes no error", () => {
    const { connection, miner, server } = setup(kind)
    const share = miner.mine()
    for (const id of [2, 3, 4]) nextBlock(server, id)
    expect(server.send(connection, share).events).toMatchObject([{ _tag: "ShareRefused", errorCode: "stale-share" }])
  })

  it("is reported only once if it comes again", () => {
    const { connection, miner, server } = setup(kind)
    const [accepted, late] = [miner.mine(), miner.mine()]
    expect(blocksOf(server.send(connection, accepted, accepted))).toMatchObject([{ refusal: undefined }])
    nextBlock(server, 2)
    expect(blocksOf(server.send(connection, accepted, late, late))).toMatchObject([{ refusal: "stale-share" }])
    nextBlock(server, 3)
    expect(blocksOf(server.send(connection, late, accepted))).toEqual([])
  })

  it("is not hashed beyond a limit until time has passed", () => {
    const { connection, miner, server } = setup(kind)
    const shares = Array.from({ length: 125 }, () => miner.mine())
    nextBlock(server, 2)
    // One share a second for the channel, and one for a channel that may have been closed, with a burst of a minute.
    expect(blocksOf(server.send(connection, ...shares.slice(0, 122)))).toHaveLength(120)
    server.now += 1000
    expect(blocksOf(server.send(connection, ...shares.slice(122)))).toHaveLength(2)
  })

  it("is not reported for a channel that was closed a minute ago", () => {
    const { connection, miner, server } = setup(kind)
    const share = miner.mine()
    server.send(connection, { _tag: "CloseChannel", channelId: miner.channelId, reasonCode: "" })
    server.now += 59_000
    server.tick(connection)
    expect(blocksOf(server.send(connection, share))).toHaveLength(1)
    server.now += 1_000
    server.tick(connection)
    expect(blocksOf(server.send(connection, { ...share, nonce: share.nonce + 1 }))).toEqual([])
  })
})

it("a share with an extranonce of the wrong size is never a block, because its coinbase would be invalid", () => {
  const { connection, miner, server } = setup("extended")
  const share = miner.mine({ extranonce: bytes(1, 7) })
  expect(server.send(connection, share).events).toMatchObject([
    { _tag: "ShareRefused", errorCode: "bad-extranonce-size" }
  ])
  const other = server.open(connection, { kind: "standard" })
  expect(server.send(connection, { ...share, channelId: other.channelId }).events).toHaveLength(1)
})

it("the server remembers sixteen closed channels of a client, or as many as were open at once", () => {
  const { connection, miner, server } = setup("extended")
  const closed = Array.from({ length: 20 }, () => {
    const other = server.open(connection)
    const share = other.mine()
    server.send(connection, { _tag: "CloseChannel", channelId: other.channelId, reasonCode: "" })
    return share
  })
  expect(blocksOf(server.send(connection, miner.mine(), ...closed))).toHaveLength(1 + 16)
  const open = Array.from({ length: 30 }, () => server.open(connection))
  const shares = open.map((other) => other.mine())
  server.ask((out) => connection.closeChannel(1, "", server.now, out))
  expect(blocksOf(server.send(connection, ...shares))).toHaveLength(30)
})
