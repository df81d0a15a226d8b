/** A client understates its hash rate again and again. The server remembers the rate that its shares have shown. */
import { describe, expect, it } from "@effect/vitest"
import type { Mining } from "@sluice/protocol"
import {
  type ChannelServer,
  hashRateToTarget,
  ProvenHashRate,
  ShownRate,
  type ShownWork,
  u256FromBytes
} from "../src/index.ts"
import { START, TestMiner, TestServer, type TestServerOptions } from "./server-fixture.ts"
import { ANY_TARGET, bytes, template } from "@sluice/testing/templates"

/** The real hash rate of the device, in hashes a second of the test's time: 4,000 hashes a share at six a minute. */
const REAL = 400
const STEP_MS = 300

/** A device on one connection at a time. It can state any hash rate. */
class Device {
  readonly server: TestServer
  connection: ChannelServer
  miner = new TestMiner()
  hashRate = REAL
  accepted = 0
  /** The target of the job that it mines. A new target is for the next job (5.3.21). */
  target = 0n
  #nonce = 0
  #templates = 1

  constructor(options: TestServerOptions = {}) {
    // Only the rate is tested here, so the other limit must not apply.
    this.server = TestServer.working({ ...options, policy: { maxSharesPerSecond: 1e6, ...options.policy } })
    this.connection = this.server.connect()
  }

  open(nominalHashRate: number, userIdentity = "user.worker"): void {
    this.miner = this.server.open(this.connection, { nominalHashRate, userIdentity })
    this.target = this.miner.target
  }

  send(message: Mining.ToServer): void {
    this.#hear(this.server.send(this.connection, message).messages)
  }

  update(nominalHashRate: number): void {
    const { channelId } = this.miner
    this.send({ _tag: "UpdateChannel", channelId, nominalHashRate, maximumTarget: ANY_TARGET })
  }

  close(): void {
    this.send({ _tag: "CloseChannel", channelId: this.miner.channelId, reasonCode: "" })
  }

  /** Mines for this time. Submits and calls `then` every 300 ms, and ticks every five seconds. */
  mine(seconds: number, then: () => void = () => {}): void {
    const until = this.server.now + seconds * 1000
    while (this.server.now < until) {
      this.server.now += STEP_MS
      const shares = this.#shares((this.hashRate * STEP_MS) / 1000)
      if (shares.length > 0) this.#hear(this.server.send(this.connection, ...shares).messages)
      const steps = (this.server.now - START) / STEP_MS
      if (steps % 17 === 0) this.#hear(this.server.tick(this.connection).messages)
      if (steps % 50 === 0)
        this.#hear(this.server.template(template(++this.#templates)).flatMap((said) => said.messages))
      then()
    }
  }

  /** The hash rate that the channel's target is chosen for, in hashes a second. */
  get wanted(): number {
    return Number(2n ** 256n / (this.target + 1n)) / 10
  }

  #shares(hashes: number): ReadonlyArray<Mining.ToServer> {
    const { miner } = this
    const { channelId, extranonceSize, jobId } = miner
    const { root, version } = miner.jobs.get(jobId)!
    const extranonce = bytes(1, extranonceSize)
    const merkleRoot = root(extranonce)
    const shares: Array<Mining.ToServer> = []
    for (let i = 0; i < hashes; i++) {
      const nonce = this.#nonce++
      if (u256FromBytes(miner.hash(version, merkleRoot, miner.ntime, nonce)) > this.target) continue
      const common = { channelId, sequenceNumber: nonce, jobId, nonce, ntime: miner.ntime, version }
      shares.push({ _tag: "SubmitSharesExtended", ...common, extranonce })
    }
    return shares
  }

  #hear(messages: ReadonlyArray<Mining.ToClient>): void {
    for (const message of messages) {
      this.miner.receive(message)
      if (message._tag === "NewExtendedMiningJob" && message.minNtime !== undefined) this.target = this.miner.target
      if (message._tag === "SubmitShares.Success") this.accepted += message.newSubmitsAcceptedCount
    }
  }
}

describe("a client whose shares have shown its hash rate", () => {
  it("gets no easier target by UpdateChannel every 300 ms", () => {
    const device = new Device()
    device.open(1)
    let says = 0
    device.mine(60, () => device.update((says = 1 - says)))
    device.accepted = 0
    device.mine(120, () => device.update((says = 1 - says)))
    expect(device.accepted).toBeLessThan(40)
  })

  it("gets no easier target by UpdateChannel before the difficulty has followed", () => {
    const device = new Device()
    device.open(1)
    let says = 0
    device.mine(30, () => device.update((says = 1 - says)))
    expect(device.accepted).toBeLessThan(250)
  })

  it("gets no easier target by stating first more and then less", () => {
    const device = new Device()
    device.open(REAL)
    device.mine(120)
    device.update(5 * REAL)
    device.update(0)
    device.target = device.miner.target
    expect(device.wanted).toBeGreaterThan(REAL / 4)
    expect(device.wanted).toBeLessThan(REAL * 2)
  })

  it("gets no easier target by closing its channel and opening it again", () => {
    const device = new Device()
    device.open(1)
    device.mine(5)
    device.accepted = 0
    device.mine(120, () => {
      device.close()
      device.open(1)
    })
    expect(device.accepted).toBeLessThan(60)
  })

  it("gets a target at most sixteen times easier under another name on the same connection", () => {
    const device = new Device()
    device.open(1)
    device.mine(5)
    device.accepted = 0
    let names = 0
    device.mine(60, () => {
      device.close()
      device.open(1, `user${names++}`)
    })
    expect(device.accepted).toBeLessThan(200)
  })

  it("gets no easier target in a second channel beside the first", () => {
    const device = new Device()
    device.open(1)
    device.mine(5)
    device.open(1, "other")
    expect(device.wanted).toBeGreaterThan(REAL / 40)
  })

  it("gets an easier target when it has really become ten times weaker, and states it", () => {
    const device = new Device()
    device.open(REAL)
    device.mine(300)
    device.hashRate = REAL / 10
    device.update(REAL / 10)
    device.mine(420)
    expect(Math.abs(Math.log(device.wanted / device.hashRate))).toBeLessThan(0.5)
  })

  it("gets an easier target when it comes back ten times weaker", () => {
    const device = new Device()
    device.open(REAL)
    device.mine(300)
    device.close()
    device.hashRate = REAL / 10
    device.open(REAL / 10)
    device.mine(420)
    expect(Math.abs(Math.log(device.wanted / device.hashRate))).toBeLessThan(0.5)
  })

  it("is believed at once if it states more", () => {
    const device = new Device()
    device.open(REAL)
    device.mine(120)
    device.update(50 * REAL)
    expect(device.miner.target).toBe(hashRateToTarget(50 * REAL, 6))
  })

  it("is believed again after minutes without shares", () => {
    const device = new Device()
    device.open(REAL)
    device.mine(120)
    device.close()
    device.server.now += 3600_000
    device.open(1)
    expect(device.wanted).toBeLessThan(2)
  })
})

describe("a client whose shares have shown nothing", () => {
  it("is believed", () => {
    const device = new Device()
    device.open(5 * REAL)
    expect(device.miner.target).toBe(hashRateToTarget(5 * REAL, 6))
    device.update(REAL / 4)
    expect(device.miner.target).toBe(hashRateToTarget(REAL / 4, 6))
    device.close()
    device.open(REAL / 9)
    expect(device.miner.target).toBe(hashRateToTarget(REAL / 9, 6))
  })
})

describe("the rates shown", () => {
  const work = (userIdentity: string, hashRate: number, closedAt: number): ShownWork => {
    return { userIdentity, hashRate, closedAt, proven: new ProvenHashRate(0), isTaken: false }
  }

  it("give a new channel a sixteenth of the highest rate of the last ten minutes", () => {
    const shown = new ShownRate()
    expect(shown.leastFor("a", 0)).toBe(0)
    shown.saw("a", 1600, 0)
    shown.saw("b", 800, 100_000)
    expect(shown.leastFor("b", 599_999)).toBe(100)
    expect(shown.leastFor("b", 600_000)).toBe(0)
    shown.left(work("b", 800, 600_000))
    expect(shown.leastFor("a", 600_000)).toBe(50)
  })

  it("give the work of the channel closed last once, to a channel of the same user", () => {
    const [here, there] = [new ShownRate(), new ShownRate()]
    const [first, last] = [work("a", 1, 0), work("b", 1, 0)]
    for (const shown of [here, there]) for (const one of [first, last]) shown.left(one)
    expect(here.take("a", 0)).toBeUndefined()
    expect(here.take("b", 599_999)).toBe(last)
    expect(here.take("b", 0)).toBeUndefined()
    expect(there.take("b", 0)).toBeUndefined()
    here.left(work("b", 1, 0))
    expect(here.take("b", 600_000)).toBeUndefined()
  })
})
