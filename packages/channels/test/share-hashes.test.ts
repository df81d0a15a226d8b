import { assert, describe, it } from "@effect/vitest"
import { serializeOutputs } from "@sluice/bitcoin"
import { ShareCheck } from "@sluice/core"
import { Mining } from "@sluice/protocol"
import { randomBytes, randomInt } from "node:crypto"
import { type HashedShare, ShareHashes } from "../src/shares/share-hashes.ts"
import { plainJob, open, TestServer } from "./server-fixture.ts"
import { ANY_TARGET, bytes, futureTemplate, newPrevHash, template } from "@sluice/testing/templates"

const prevHash = { hash: new Uint8Array(randomBytes(32)), nbits: 0x1d00ffff }

/** Hashes one share with core's functions. */
const expected = ({ extranonce, extranoncePrefix, job, merkleRoot, share }: HashedShare): Uint8Array => {
  const check = new ShareCheck()
  const { coinbasePrefix, coinbaseSuffix, merklePath, merklePathBytes } = job
  check.merkleRoot(coinbasePrefix, extranoncePrefix, extranonce, coinbaseSuffix, merklePathBytes, merklePath.length)
  const root = merkleRoot ?? check.root
  check.hash(share.version, prevHash.hash, root, share.ntime, prevHash.nbits, share.nonce)
  return check.digest
}

/** Makes a job with a path of `depth` nodes. It may be longer than the path of any template. */
const jobOf = (id: number, depth: number, scriptSize = 0) => {
  const coinbaseTxOutputs = serializeOutputs([{ value: 0n, script: bytes(7, scriptSize) }])
  const merklePath = Array.from({ length: depth }, () => new Uint8Array(randomBytes(32)))
  const job = plainJob(id, template(id, { coinbaseTxOutputs, merklePath: [] }))
  return { ...job, merklePath, merklePathBytes: new Uint8Array(Buffer.concat(merklePath)) }
}

const shareOf = (job: ReturnType<typeof jobOf>, kind: "standard" | "extended"): HashedShare => ({
  share: { nonce: randomInt(2 ** 32), ntime: randomInt(2 ** 32), version: randomInt(2 ** 32) },
  job,
  extranoncePrefix: new Uint8Array(randomBytes(kind === "standard" ? 16 : 8)),
  extranonce: new Uint8Array(randomBytes(kind === "standard" ? 0 : 8)),
  merkleRoot: kind === "standard" ? new Uint8Array(randomBytes(32)) : undefined
})

const found = (hashes: ShareHashes, { share }: HashedShare): Uint8Array | undefined => {
  const into = new Uint8Array(32)
  return hashes.take(share, into) ? into : undefined
}

describe("hashes of shares that come together", () => {
  it("match those of single hashing for any number of shares of both kinds and for jobs of any depth and size", () => {
    const hashes = new ShareHashes()
    for (const count of [1, 2, 3, 4, 5, 63, 64, 65, 150]) {
      const jobs = [jobOf(1, 0), jobOf(2, 1, 300), jobOf(3, 12, 20), jobOf(4, 255)]
      const shares = Array.from({ length: count }, (_, index) =>
        shareOf(jobs[randomInt(index < 4 ? 1 : 4)]!, index % 3 === 0 ? "standard" : "extended")
      )
      hashes.compute(shares, prevHash)
      shares.forEach((share, index) =>
        assert.deepStrictEqual(found(hashes, share), expected(share), `share ${index} of ${count}`)
      )
    }
  })

  it("are missing for a very large coinbase and for shares of an earlier call", () => {
    const hashes = new ShareHashes()
    const [small, large] = [jobOf(1, 2), jobOf(2, 2, 4000)]
    const shares = [shareOf(large, "extended"), shareOf(small, "extended"), shareOf(large, "standard")]
    hashes.compute(shares, prevHash)
    assert.deepStrictEqual(
      shares.map((share) => found(hashes, share)),
      [undefined, expected(shares[1]!), expected(shares[2]!)]
    )
    hashes.forget()
    assert.isUndefined(found(hashes, shares[1]!))
  })
})

describe("a batch of shares", () => {
  it("gets the same answers as the shares one by one", () => {
    // Two servers have the same state. One of them reads all shares at once.
    const run = (together: boolean) => {
      const server = TestServer.working()
      const connection = server.connect()
      const miners = (["extended", "standard", "extended"] as const).map((kind) => server.open(connection, { kind }))
      server.template(template(2)).forEach(({ messages }) => messages.forEach((job) => miners[2]!.receive(job)))
      const [extended, standard, other] = [miners[0]!, miners[1]!, miners[2]!]
      const again = extended.mine({ firstNonce: 0 })
      const shares: ReadonlyArray<Mining.ToServer> = [
        again,
        standard.mine({ firstNonce: 0 }),
        { ...again, sequenceNumber: 9 },
        extended.mine({ bad: true }),
        extended.mine({ firstNonce: 0, extranonce: bytes(1, 3) }),
        { ...standard.mine(), ntime: 1 },
        { ...standard.mine(), channelId: 77 },
        { ...extended.mine(), jobId: 4 },
        extended.mine({ firstNonce: 1_000_000, extranonce: bytes(9, extended.extranonceSize) }),
        open({ kind: "standard" }),
        { _tag: "CloseChannel", channelId: standard.channelId, reasonCode: "" },
        standard.mine({ firstNonce: 2_000_000 }),
        other.mine({ firstNonce: 0 })
      ]
      const said = together
        ? [server.send(connection, ...shares)]
        : shares.map((share) => server.send(connection, share))
      const events = said.flatMap(({ events }) => events)
      // Accepted shares of a read are told at its end, channel by channel.
      const accepted = events.filter((event) => event._tag === "ShareAccepted")
      return {
        accepted: accepted.toSorted((a, b) => Buffer.compare(a.hash, b.hash)),
        others: events.filter((event) => event._tag !== "ShareAccepted")
      }
    }
    const events = run(true)
    assert.deepStrictEqual(events, run(false))
    assert.lengthOf(events.accepted, 4)
  })

  it("is hashed again for each previous hash, even if the client sends the same message object", () => {
    const server = TestServer.working()
    const connection = server.connect()
    const miner = server.open(connection)
    const shares = Array.from({ length: 4 }, () => miner.mine())
    assert.isTrue(server.send(connection, ...shares).events.every(({ _tag }) => _tag === "ShareAccepted"))
    // Every hash is a block on this previous hash, so the server reports each.
    for (const message of [futureTemplate(2), newPrevHash(2, { target: ANY_TARGET })]) {
      for (const said of server.template(message)) said.messages.forEach((sent) => miner.receive(sent))
    }
    for (const share of shares) Object.assign(share, { jobId: miner.jobId, ntime: miner.ntime })
    // Sent one by one, the shares would find the hashes of the batch if they were still there.
    const events = shares.flatMap((share) => server.send(connection, share).events)
    const root = miner.jobs.get(miner.jobId)!.root(bytes(1, miner.extranonceSize))
    assert.deepStrictEqual(
      events.flatMap((event) => (event._tag === "ShareAccepted" ? [event.hash] : [])),
      shares.map(({ nonce, version }) => miner.hash(version, root, miner.ntime, nonce))
    )
  })
})
