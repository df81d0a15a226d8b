import { describe, expect, it } from "@effect/vitest"
import { Mining, TemplateDistribution } from "@sluice/protocol"
import { Result } from "effect"
import { checkCoinbaseRoom, type CoinbaseRules, TemplateJobs, withJobId } from "../src/index.ts"
import { coinbaseTags, serializeOutputs } from "@sluice/bitcoin"
import { coinbaseRules, hex, plainJob, sha256d, START, START_SECONDS, TestServer } from "./server-fixture.ts"
import { bytes, COMMITMENT_OUTPUT, futureTemplate, newPrevHash, template } from "@sluice/testing/templates"
import vectors from "./vectors/job-construction.json" with { type: "json" }

describe("a job from a template", () => {
  const rules = (pool: string, miner: string): CoinbaseRules => ({
    tags: coinbaseTags(pool, miner),
    extranonceSize: vectors.extranonceSize,
    payout: (reward) => [{ value: reward, script: hex(vectors.rewardScript) }],
    versionRollingAllowed: true
  })
  const source = template(1, {
    coinbasePrefix: hex(vectors.coinbasePrefix),
    coinbaseTxInputSequence: 0xffffffff,
    coinbaseTxLocktime: 0,
    coinbaseTxOutputs: hex(vectors.templateOutputs),
    merklePath: []
  })

  it.each(vectors.jobs)(
    "has the coinbase of the test vector for tags '$pool' and '$miner'",
    ({ miner, pool, prefix, suffix }) => {
      const job = plainJob(1, source, rules(pool, miner))
      expect(Buffer.from(job.coinbasePrefix).toString("hex")).toBe(prefix)
      expect(Buffer.from(job.coinbaseSuffix).toString("hex")).toBe(suffix)
    }
  )

  it.each([
    ["029f00", 159],
    ["020121", 8449],
    ["03a0860d", 886_432],
    ["51", 1],
    ["5100", 1],
    ["60", 16],
    ["0111", 17],
    ["04ffffff7f", 0x7fffffff]
  ])("reads the height of prefix %s", (prefix, height) => {
    const source = template(1, { coinbasePrefix: hex(prefix), coinbaseTxLocktime: 0 })
    expect(plainJob(1, source, coinbaseRules).height).toBe(height)
  })

  it("has a witness only if an output commits to witnesses", () => {
    expect(plainJob(1, template(1)).origin).toMatchObject({ hasWitness: true })
    const legacy = template(1, { coinbaseTxOutputs: new Uint8Array(0), coinbaseTxOutputsCount: 0 })
    expect(plainJob(1, legacy).origin).toMatchObject({ hasWitness: false })
  })

  it("shares the memory of its merkle path with the jobs of other payouts", () => {
    const jobs = [1, 2].map((id) => plainJob(id, source, { ...rules("a", ""), payout: () => [] }))
    expect(jobs[0]!.merklePathBytes).toBe(jobs[1]!.merklePathBytes)
    expect(plainJob(1, template(1), rules("a", "")).merklePathBytes).not.toBe(jobs[0]!.merklePathBytes)
  })

  it("keeps no views on the buffers of its message", () => {
    const buffer = bytes(0x11, 64)
    const job = plainJob(1, template(1, { merklePath: [buffer.subarray(0, 32), buffer.subarray(32)] }), coinbaseRules)
    buffer.fill(0)
    expect(job.merklePath).toEqual([bytes(0x11), bytes(0x11)])
    expect(job.merklePathBytes).toEqual(bytes(0x11, 64))
  })
})

describe("a job with its id in the coinbase", () => {
  const plain = plainJob(0x01020304, template(1), coinbaseRules)
  const scriptSize = (job: typeof plain) => job.coinbasePrefix[41]!

  it("has the id as the last push of the script and is unchanged otherwise", () => {
    const job = Result.getOrThrow(withJobId(plain))
    expect(scriptSize(job)).toBe(scriptSize(plain) + 5)
    expect([...job.coinbasePrefix].toSpliced(41, 1)).toEqual([...plain.coinbasePrefix].toSpliced(41, 1))
    expect(job.coinbaseSuffix).toEqual(Uint8Array.of(4, 1, 2, 3, 4, ...plain.coinbaseSuffix))
    expect({ ...job, coinbasePrefix: plain.coinbasePrefix, coinbaseSuffix: plain.coinbaseSuffix }).toEqual(plain)
  })

  it("is refused if the script would have more than 100 bytes", () => {
    const source = template(1, { coinbasePrefix: Uint8Array.of(0x51, 0, 0, 0), coinbaseTxLocktime: 0 })
    const made = (extranonceSize: number) =>
      withJobId(plainJob(1, source, { ...coinbaseRules, tags: bytes(0x20, 64), extranonceSize }))
    expect(scriptSize(Result.getOrThrow(made(25)))).toBe(100)
    expect(Result.getFailure(made(26))).toMatchObject({ value: { _tag: "CoinbaseError" } })
  })

  it("fits beside the longest template prefix, or checkCoinbaseRoom refuses the rules", () => {
    const check = (tag: number) => checkCoinbaseRoom({ tags: bytes(0x20, tag), extranonceSize: 20 })
    expect(Result.isSuccess(check(65))).toBe(true)
    expect(Result.getFailure(check(66))).toMatchObject({
      value: { message: expect.stringContaining("make 101: shorten") }
    })
  })
})

describe("distribution of jobs", () => {
  it("sends a group one message, the same for every connection", () => {
    const server = TestServer.working()
    const [first, second, empty] = [server.connect(), server.connect(), server.connect()]
    for (let i = 0; i < 1000; i++) server.open(first, { kind: i % 2 === 0 ? "standard" : "extended" })
    server.open(second)
    const said = server.template(template(2))
    expect(said.map(({ messages }) => messages.length)).toEqual([1, 1, 0])
    expect(said[0]!.messages[0]).toMatchObject({ _tag: "NewExtendedMiningJob", channelId: 1, minNtime: START_SECONDS })
    expect(said[0]!.messages[0]).toBe(said[1]!.messages[0])
    expect(empty.channelCount).toBe(0)
    const [future, prevHash] = [server.template(futureTemplate(3)), server.template(newPrevHash(3))]
    expect(future[0]!.messages).toMatchObject([{ channelId: 1, minNtime: undefined, jobId: 1002 }])
    expect(prevHash[0]!.messages).toMatchObject([{ _tag: "SetNewPrevHash", channelId: 1, jobId: 1002 }])
    expect(prevHash[0]!.messages[0]).toBe(prevHash[1]!.messages[0])
  })

  it("sends each channel its own merkle root if the client requires standard jobs", () => {
    const server = TestServer.working()
    const connection = server.connect(Mining.REQUIRES_STANDARD_JOBS)
    const miners = [0, 1, 2].map(() => server.open(connection, { kind: "standard" }))
    const job = Result.getOrThrow(withJobId(plainJob(1001, template(2))))
    const root = (prefix: Uint8Array): Uint8Array =>
      job.merklePath.reduce<Uint8Array>(
        (root, node) => sha256d(root, node),
        sha256d(job.coinbasePrefix, prefix, job.coinbaseSuffix)
      )
    expect(server.template(template(2))[0]!.messages).toEqual(
      miners.map(({ channelId, prefix }) => ({
        _tag: "NewMiningJob",
        channelId,
        jobId: 1001,
        minNtime: START_SECONDS,
        version: 0x20000000,
        merkleRoot: root(prefix)
      }))
    )
    const futures = server.template(futureTemplate(3))[0]!.messages
    expect(futures).toMatchObject(
      miners.map(({ channelId }) => ({ _tag: "NewMiningJob", channelId, minNtime: undefined }))
    )
    const prevHashes = server.template(newPrevHash(3))[0]!.messages
    expect(prevHashes).toMatchObject(
      miners.map(({ channelId }) => ({ _tag: "SetNewPrevHash", channelId, jobId: 1002 }))
    )
  })

  it("adds the time since the previous hash to min_ntime of a later job", () => {
    const server = TestServer.working()
    server.open(server.connect())
    server.now += 30_000
    expect(server.template(template(2))[0]!.messages).toMatchObject([{ minNtime: START_SECONDS + 30 }])
  })
})

describe("jobs", () => {
  const make = (firstJobId = 5) => {
    const templates = new TemplateJobs({ coinbase: coinbaseRules, firstJobId })
    return { jobs: templates.jobs, templates }
  }

  it("differ in their coinbases, even jobs of the same template and variants", () => {
    const { jobs, templates } = make()
    templates.onTemplate(futureTemplate(1), START)
    templates.onSetNewPrevHash(newPrevHash(1), START)
    templates.onTemplate(template(2), START)
    for (let i = 0; i < 16; i++) jobs.repeat(i)
    expect(jobs.repeat(16)).toBeUndefined()
    templates.onTemplate(template(3), START)
    const made = Array.from({ length: 19 }, (_, index) => jobs.active(5 + index)!.job)
    const coinbases = new Set(made.map(({ coinbasePrefix, coinbaseSuffix }) => `${coinbasePrefix} ${coinbaseSuffix}`))
    expect(coinbases.size).toBe(19)
  })

  it("have ids that count up from the first and wrap around", () => {
    const { templates } = make(0xffffffff)
    expect(templates.onTemplate(futureTemplate(1), START)).toMatchObject({ job: { id: 0xffffffff } })
    expect(templates.onTemplate(futureTemplate(2), START)).toMatchObject({ job: { id: 0 } })
  })

  it.each([
    ["a previous hash for a template that was never sent", newPrevHash(9)],
    ["a template for a previous hash that was never sent", template(9)],
    ["a coinbase script beyond 100 bytes", futureTemplate(9, { coinbasePrefix: bytes(1, 90) })],
    [
      "a coinbase longer than a solution can carry",
      futureTemplate(9, { coinbaseTxOutputs: serializeOutputs([{ value: 0n, script: bytes(1, 0xffff - 60) }]) })
    ],
    ["a count of three outputs before only one", futureTemplate(9, { coinbaseTxOutputsCount: 3 })],
    [
      "a count in front of the outputs",
      futureTemplate(9, { coinbaseTxOutputs: Uint8Array.of(1, ...COMMITMENT_OUTPUT) })
    ]
  ])("ignore %s", (_, message) => {
    const { templates } = make()
    const result =
      message._tag === "NewTemplate" ? templates.onTemplate(message, START) : templates.onSetNewPrevHash(message, START)
    expect(result._tag).toBe("Ignored")
    expect(templates.onTemplate(futureTemplate(1), START)).toMatchObject({ _tag: "FutureJob", job: { id: 5 } })
    expect(templates.onSetNewPrevHash(newPrevHash(1), START)).toMatchObject({ _tag: "NewPrevHash" })
  })

  it("become stale with a new previous hash, which activates a future job", () => {
    const { jobs, templates } = make()
    templates.onTemplate(futureTemplate(1), START)
    expect(jobs.active(5)).toBeUndefined()
    templates.onSetNewPrevHash(newPrevHash(1), START)
    templates.onTemplate(template(2), START)
    templates.onTemplate(futureTemplate(3), START)
    expect([5, 6, 7].map((id) => jobs.active(id)?.activation)).toEqual([1, 2, undefined])
    templates.onSetNewPrevHash(newPrevHash(3), START)
    expect([5, 6, 7].map((id) => jobs.active(id)?.activation)).toEqual([undefined, undefined, 3])
    expect([...jobs.futureJobs()]).toEqual([])
  })

  it("stay valid if the template provider repeats the previous hash after a reconnection", () => {
    const { jobs, templates } = make()
    templates.onTemplate(futureTemplate(1), START)
    templates.onSetNewPrevHash(newPrevHash(1), START)
    templates.onTemplate(futureTemplate(8), START + 60_000)
    const later = newPrevHash(8, { prevHash: bytes(1), headerTimestamp: START_SECONDS + 60 })
    expect(templates.onSetNewPrevHash(later, START + 60_000)).toMatchObject({
      message: { minNtime: START_SECONDS + 60 }
    })
    expect([5, 6].map((id) => jobs.active(id)?.job.id)).toEqual([5, 6])
    expect(jobs.prevHash).toMatchObject({ ntime: START_SECONDS, receivedAt: START })
  })

  it("keep no views on the buffers of a previous hash", () => {
    const { jobs, templates } = make()
    templates.onTemplate(futureTemplate(1), START)
    const buffer = bytes(0x11, 64)
    const [prevHash, target] = [buffer.subarray(0, 32), buffer.subarray(32)]
    templates.onSetNewPrevHash(newPrevHash(1, { prevHash, target }), START)
    buffer.fill(0)
    expect(jobs.prevHash).toMatchObject({ hash: bytes(0x11), target: bytes(0x11) })
  })

  it("become stale if the previous hash is repeated with other nbits", () => {
    const { jobs, templates } = make()
    templates.onTemplate(futureTemplate(1), START)
    templates.onSetNewPrevHash(newPrevHash(1), START)
    templates.onTemplate(futureTemplate(2), START + 60_000)
    templates.onSetNewPrevHash(newPrevHash(2, { prevHash: bytes(1), nbits: 0x1d00fffe }), START + 60_000)
    expect([5, 6].map((id) => jobs.active(id)?.job.id)).toEqual([undefined, 6])
    expect(jobs.prevHash).toMatchObject({ nbits: 0x1d00fffe, receivedAt: START + 60_000 })
  })

  it("are kept for a previous hash that names the oldest of the most future jobs", () => {
    const { templates } = make()
    const { MAX_FUTURE_TEMPLATES } = TemplateDistribution
    for (let i = 1; i <= MAX_FUTURE_TEMPLATES + 1; i++) templates.onTemplate(futureTemplate(i), START)
    const forgotten = templates.onSetNewPrevHash(newPrevHash(1), START)
    expect(forgotten).toMatchObject({
      _tag: "Ignored",
      reason: expect.stringMatching(/no future job: .* 64 .* no work/)
    })
    expect(templates.onSetNewPrevHash(newPrevHash(2), START)).toMatchObject({
      _tag: "NewPrevHash",
      job: { origin: { templateId: 2n } }
    })
    expect(templates.onSetNewPrevHash(newPrevHash(9), START)).toMatchObject({
      reason: expect.stringContaining("miners stay on the previous block")
    })
  })

  it("are limited in number for one previous hash, and so are future jobs", () => {
    const { jobs, templates } = make(0)
    templates.onTemplate(futureTemplate(1), START)
    templates.onSetNewPrevHash(newPrevHash(1), START)
    for (let i = 2; i < 1000; i++) templates.onTemplate(template(i), START)
    expect(Array.from({ length: 1000 }, (_, id) => jobs.active(id)).filter((job) => job !== undefined)).toHaveLength(
      256
    )
    expect(jobs.active(998)).toBeDefined()
    for (let i = 2000; i < 2100; i++) templates.onTemplate(futureTemplate(i), START)
    expect([...jobs.futureJobs()]).toHaveLength(TemplateDistribution.MAX_FUTURE_TEMPLATES)
  })
})
