/**
 * Random sessions: a client and a template provider send any messages in any order. The machine must not throw, and its counts
 * must agree. Stray messages come from the Schemas' own generators.
 */
import { describe, expect, it } from "@effect/vitest"
import { Mining, TemplateDistribution } from "@sluice/protocol"
import { Schema } from "effect"
import type { ChannelServer } from "../src/index.ts"
import { u256ToBytes } from "../src/index.ts"
import { HASH_RATE, open, type Said, TestMiner, TestServer } from "./server-fixture.ts"
import { ANY_TARGET, futureTemplate, newPrevHash, template } from "@sluice/testing/templates"

const small = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum }))

/** The kinds of steps, each as likely as it is frequent here. */
const kinds = [
  ...(["open", "open", "share", "share", "share", "share", "share", "bad share", "bad share", "replay"] as const),
  ...(["stray", "update", "close", "template", "future", "prev hash", "pass time"] as const)
]

/** One step: an index into `kinds`, and a number that picks channels, jobs and the like. */
const Step = Schema.Struct({ kind: small(kinds.length - 1), n: small(1000) })

/** One connection, the state of its client, and the counts of the test. */
class Session {
  accepted = 0
  readonly refused = new Set<string>()
  readonly #server = TestServer.working({
    policy: { maxChannels: 6, maxSharesPerPrevHash: 5 },
    layout: { indexSize: 1 }
  })
  readonly #connection: ChannelServer
  readonly #strays: ReadonlyArray<Mining.ToServer>
  readonly #miners = new Map<number, TestMiner>()
  readonly #submitted: Array<Mining.ToServer> = []
  readonly #channelIds = new Set([1])
  /** Jobs that were sent, by the id of the channel or group and the job id. */
  readonly #sent = new Set<string>()
  #submits = 0
  #refusals = 0
  #acknowledged = 0
  #errors = 0
  #held = 0
  #templateId = 1

  constructor(setupFlags: number, strays: ReadonlyArray<Mining.ToServer>) {
    this.#connection = this.#server.connect(setupFlags)
    this.#strays = strays
  }

  step(kind: (typeof kinds)[number], n: number): void {
    const miner = [...this.#miners.values()][n % Math.max(1, this.#miners.size)]
    const hasWork = miner?.jobs.has(miner.jobId) === true
    const isEasy = hasWork && miner.target > 1n << 246n
    switch (kind) {
      case "open":
        return this.#send(open({ kind: n % 2 === 0 ? "standard" : "extended", minExtranonceSize: n % 20 }))
      case "share":
        return isEasy ? this.#send(miner.mine()) : undefined
      case "bad share": {
        if (!hasWork) return
        // Most shares break one rule or none. Some break several.
        const breaks = (rule: number): boolean => n % 6 === rule || (n % 6 === 5 && (n >> rule) % 2 === 0)
        const extranonce = new Uint8Array(miner.kind === "extended" && breaks(0) ? 3 : miner.extranonceSize)
        const ntime = miner.ntime + (breaks(1) ? (n % 4) - 2 : 0)
        const share = miner.mine({ bad: breaks(2) || !isEasy, ntime, extranonce })
        return this.#send({
          ...share,
          version: share.version ^ (breaks(3) ? n : 0),
          jobId: share.jobId + (breaks(4) ? (n % 5) - 2 : 0)
        })
      }
      case "replay": {
        const again = this.#submitted[n % Math.max(1, this.#submitted.length)]
        return again === undefined ? undefined : this.#send(again)
      }
      case "stray": {
        const stray = this.#strays[n % Math.max(1, this.#strays.length)]
        return stray === undefined ? undefined : this.#send(stray)
      }
      case "update": {
        const nominalHashRate = n % 7 === 0 ? Number.NaN : HASH_RATE * (1 + (n % 5))
        const maximumTarget = n % 3 === 0 ? ANY_TARGET : u256ToBytes((1n << 256n) - (1n << BigInt(n % 256)))
        return this.#send({ _tag: "UpdateChannel", channelId: n % 10, nominalHashRate, maximumTarget })
      }
      case "close":
        return this.#send({ _tag: "CloseChannel", channelId: n % 20, reasonCode: "fuzz" })
      case "template":
        return this.#template(template(++this.#templateId))
      case "future":
        return this.#template(futureTemplate(++this.#templateId))
      case "prev hash":
        this.#template(futureTemplate(++this.#templateId))
        return this.#template(newPrevHash(this.#templateId, { prevHash: u256ToBytes(BigInt(1 + (n % 3))) }))
      case "pass time":
        this.#server.now += n * 100
        return this.#hear(this.#server.tick(this.#connection))
    }
  }

  end(): void {
    this.#hear(this.#server.close(this.#connection))
    expect(this.#server.space.held).toBe(0)
    expect(this.#server.counted(this.#connection)).toEqual([])
  }

  #send(message: Mining.ToServer): void {
    if (message._tag === "SubmitSharesStandard" || message._tag === "SubmitSharesExtended") {
      this.#submits++
      this.#submitted.push(message)
    }
    this.#hear(this.#server.send(this.#connection, message))
    expect([this.accepted, this.#refusals]).toEqual([this.#acknowledged, this.#errors])
    expect(this.accepted + this.#refusals).toBe(this.#submits)
    expect(this.#server.space.held).toBe(this.#held)
  }

  #template(message: TemplateDistribution.NewTemplate | TemplateDistribution.SetNewPrevHash): void {
    this.#hear(this.#server.template(message)[0]!)
  }

  #hear({ events, messages }: Said): void {
    for (const event of events) {
      if (event._tag === "ShareAccepted") this.accepted++
      if (event._tag === "ShareRefused") {
        this.#refusals++
        this.refused.add(event.errorCode)
      }
      if (event._tag === "ChannelOpened") this.#held++
      if (event._tag === "ChannelClosed") {
        this.#held--
        this.#miners.delete(event.channel.channelId)
      }
    }
    for (const message of messages) {
      // Checks that the message can be encoded.
      Mining.protocol.toClient.encode(message)
      this.#check(message)
      if ("groupChannelId" in message && "channelId" in message) this.#miners.set(message.channelId, new TestMiner())
      if (!("channelId" in message)) continue
      for (const [channelId, miner] of this.#miners) {
        if (message.channelId === channelId || message.channelId === 1) miner.receive(message)
      }
    }
  }

  #check(message: Mining.ToClient): void {
    switch (message._tag) {
      case "SubmitShares.Success":
        this.#acknowledged += message.newSubmitsAcceptedCount
        break
      case "SubmitShares.Error":
        this.#errors++
        break
      case "OpenStandardMiningChannel.Success":
      case "OpenExtendedMiningChannel.Success":
        expect(this.#channelIds.has(message.channelId)).toBe(false)
        this.#channelIds.add(message.channelId)
        break
      case "NewMiningJob":
      case "NewExtendedMiningJob": {
        const key = `${message.channelId} ${message.jobId}`
        expect(this.#sent.has(key)).toBe(false)
        this.#sent.add(key)
        break
      }
      case "SetNewPrevHash":
        // 5.3.17: SetNewPrevHash names a job that was sent to each of its addressees.
        for (const [channelId, { jobs }] of this.#miners) {
          if (message.channelId === channelId || message.channelId === 1) expect(jobs.has(message.jobId)).toBe(true)
        }
    }
  }
}

describe("a random session", () => {
  const refused = new Set<string>()
  let accepted = 0

  it.prop(
    "counts each share once and sends only valid messages",
    [
      Schema.Array(Step).check(Schema.isBetweenLength(40, 120)),
      Schema.Array(Schema.toType(Mining.protocol.toServer.schema)).check(Schema.isMaxLength(10)),
      Schema.Literals([0, Mining.REQUIRES_STANDARD_JOBS, Mining.REQUIRES_WORK_SELECTION])
    ],
    ([steps, strays, setupFlags]) => {
      const session = new Session(setupFlags, strays)
      for (const { kind, n } of steps) session.step(kinds[kind]!, n)
      session.end()
      accepted += session.accepted
      for (const code of session.refused) refused.add(code)
    },
    { arbitrary: { runs: 150 } }
  )

  it("has caused every error code of a share", () => {
    expect(accepted).toBeGreaterThan(100)
    expect([...refused].toSorted()).toEqual([
      "bad-extranonce-size",
      "difficulty-too-low",
      "duplicate-share",
      "invalid-channel-id",
      "invalid-job-id",
      "invalid-non-rollable-version-bit",
      "invalid-share",
      "stale-share",
      "too-many-shares"
    ])
  })

  it.prop(
    "survives a template provider that sends anything",
    [
      Schema.Array(Schema.toType(TemplateDistribution.protocol.toClient.schema)).check(Schema.isMaxLength(20)),
      small(4)
    ],
    ([messages, id]) => {
      const server = new TestServer()
      server.open(server.connect())
      const { templates } = server
      for (const message of messages) {
        if (message._tag !== "NewTemplate" && message._tag !== "SetNewPrevHash") continue
        const said =
          message._tag === "NewTemplate"
            ? templates.onTemplate({ ...message, templateId: BigInt(id) }, server.now)
            : templates.onSetNewPrevHash({ ...message, templateId: BigInt(id) }, server.now)
        if (said._tag !== "Ignored") Mining.protocol.toClient.encode(said.message)
      }
    }
  )
})
