/** Runs both machines against each other: each must accept every message of the other. */
import { describe, expect, it } from "@effect/vitest"
import { Header, ShareCheck, Version } from "@sluice/core"
import { Mining } from "@sluice/protocol"
import { Schema } from "effect"
import { type ClientEvent, latestNtime, type MinedShare, type ChannelWork } from "../src/index.ts"
import { TestClient } from "./test-client.ts"
import { HASH_RATE, type Said, TestServer } from "./server-fixture.ts"
import { ANY_TARGET, bytes, futureTemplate, newPrevHash, template } from "@sluice/testing/templates"

const Step = Schema.Literals([
  "openStandard",
  "openExtended",
  "newTemplate",
  "futureTemplate",
  "newBlock",
  "share",
  "share",
  "update",
  "closeChannel",
  "closeAll",
  "tick",
  "second",
  "minute"
])

/** A client and a server with a connection that loses nothing. */
class Link {
  readonly server = TestServer.working()
  readonly client: TestClient
  readonly connection: ReturnType<TestServer["connect"]>
  readonly events: Array<ClientEvent> = []
  accepted = 0
  refused: Array<string> = []
  #templateId = 1
  #nonce = 0

  constructor(setupFlags: number) {
    this.connection = this.server.connect(setupFlags)
    this.client = new TestClient({
      requiresStandardJobs: (setupFlags & Mining.REQUIRES_STANDARD_JOBS) !== 0
    })
  }

  step(step: typeof Step.Type, requiresStandardJobs: boolean): void {
    const request = { userIdentity: "user", nominalHashRate: HASH_RATE, maxTarget: ANY_TARGET }
    switch (step) {
      case "openStandard":
        return this.#send(this.client.openStandardChannel(request))
      case "openExtended":
        if (requiresStandardJobs) return
        return this.#send(this.client.openExtendedChannel({ ...request, minExtranonceSize: 4 }))
      case "newTemplate":
        return this.#deliver(this.server.template(template(++this.#templateId))[0])
      case "futureTemplate":
        return this.#deliver(this.server.template(futureTemplate(++this.#templateId))[0])
      case "newBlock": {
        const templateId = ++this.#templateId
        const headerTimestamp = Math.floor(this.server.now / 1000)
        this.#deliver(this.server.template(futureTemplate(templateId))[0])
        return this.#deliver(this.server.template(newPrevHash(templateId, { headerTimestamp }))[0])
      }
      case "share":
        for (const { channelId, work } of this.client.channels.values()) {
          if (work === undefined) throw new Error(`channel ${channelId} is open and has no work`)
          const message = this.client.submit(channelId, this.#mine(work), this.server.now)
          if (message === undefined) throw new Error(`the active job of channel ${channelId} counts as stale`)
          this.#send(message)
        }
        return
      case "update":
        for (const channelId of this.client.channels.keys()) {
          this.#send(this.client.updateChannel(channelId, HASH_RATE * (1 + (this.#nonce % 3)), ANY_TARGET))
        }
        return
      case "closeChannel":
        for (const channelId of this.client.channels.keys()) {
          this.#send(this.client.closeChannel(channelId, "test"))
          return
        }
        return
      case "closeAll":
        for (const channelId of this.client.channels.keys()) this.#send(this.client.closeChannel(channelId, "test"))
        return
      case "tick":
        return this.#deliver(this.server.tick(this.connection))
      case "second":
        this.server.now += 1000
        return
      case "minute":
        this.server.now += 60_000
    }
  }

  #send(message: Mining.ToServer): void {
    this.#deliver(this.server.send(this.connection, message))
  }

  #deliver(said: Said | undefined): void {
    const messages = said?.messages ?? []
    for (const event of this.client.receive(messages, this.server.now)) {
      this.events.push(event)
      if (event._tag === "SharesAccepted") this.accepted += event.shares.length
      if (event._tag === "ShareRefused") this.refused.push(event.errorCode)
    }
  }

  /** Finds a share that was not submitted yet, with any allowed version and nTime. */
  #mine(work: ChannelWork): MinedShare {
    const extranonce = work._tag === "ExtendedWork" ? bytes(this.#nonce & 0xff, work.extranonceSize) : bytes(0, 0)
    const check = new ShareCheck()
    if (work._tag === "ExtendedWork") {
      const { coinbasePrefix, coinbaseSuffix, extranoncePrefix, merklePath } = work
      check.merkleRoot(coinbasePrefix, extranoncePrefix, extranonce, coinbaseSuffix, merklePath, merklePath.length / 32)
    }
    const root = work._tag === "ExtendedWork" ? check.root : work.merkleRoot
    const version = (work.version ^ (Math.imul(this.#nonce, 0x9e3779b1) & Version.VERSION_MASK)) >>> 0
    const ntime = latestNtime(work, this.server.now)
    const header = new Uint8Array(80)
    Header.writeHeader(header, 0, version, work.prevHash, 0, root, 0, ntime, work.nbits, 0)
    const hasher = new Header.HeaderHasher()
    hasher.load(header, 0)
    const first = this.#nonce
    const nonce = first + hasher.search(first, 1_000_000, work.target, 0)
    if (nonce < first) throw new Error("no share in a million hashes")
    this.#nonce = nonce + 1
    return { jobId: work.jobId, nonce, ntime, version, extranonce }
  }
}

describe("a client and a server", () => {
  it.prop(
    "agree after any actions in any order",
    { requiresStandardJobs: Schema.Boolean, steps: Schema.Array(Step).check(Schema.isBetweenLength(40, 80)) },
    ({ requiresStandardJobs, steps }) => {
      const link = new Link(requiresStandardJobs ? Mining.REQUIRES_STANDARD_JOBS : 0)
      link.step("openStandard", requiresStandardJobs)
      link.step("openExtended", requiresStandardJobs)
      let submitted = 0
      for (const step of steps) {
        if (step === "share") submitted += link.client.channels.size
        link.step(step, requiresStandardJobs)
      }
      const surprises = link.events.filter(({ _tag }) => _tag === "ProtocolViolation" || _tag === "OpenRefused")
      expect(surprises).toEqual([])
      expect(link.refused).toEqual([])
      // The link is synchronous, so the server answers every share before its channel can be closed.
      expect(link.accepted).toBe(submitted)
    }
  )
})
