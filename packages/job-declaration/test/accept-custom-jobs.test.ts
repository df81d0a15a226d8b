import { describe, expect, it } from "@effect/vitest"
import type { CustomJobs } from "@sluice/channels"
import { Result } from "effect"
import { AcceptCustomJobs, type CustomJobLimits, FairLimit, Tokens, TokenKey, UsedSerials } from "../src/index.ts"
import {
  codeOf,
  coinbaseOnly,
  declared,
  freshToken,
  message,
  payout,
  request,
  SECONDS,
  tokens
} from "./custom-job-fixture.ts"

const pool = (limits: Partial<CustomJobLimits> = {}) => new AcceptCustomJobs({ tokens, payout: () => payout, limits })
const set = (connection: CustomJobs, miningJobToken = coinbaseOnly(), now = SECONDS * 1000): string =>
  codeOf(connection.accept(request(message({ miningJobToken }), { now })))

describe("a pool's acceptor of custom jobs", () => {
  it("takes each token once, on any connection", () => {
    const jobs = pool()
    const token = coinbaseOnly()
    const connection = jobs.of("192.0.2.1")
    expect(set(connection, token)).toBe("accepted")
    expect(set(connection, token)).toBe("invalid-mining-job-token")
    expect(set(jobs.of("192.0.2.2"), token)).toBe("invalid-mining-job-token")
    expect(jobs.usedTokens).toBe(1)
  })

  it("takes only one of the declared and the allocated token of one allocation", () => {
    const connection = pool().of("192.0.2.1")
    const token = freshToken("coinbase-only")
    expect(set(connection, tokens.declare(token, message()))).toBe("accepted")
    expect(set(connection, tokens.allocate(token))).toBe("invalid-mining-job-token")
  })

  it("leaves a token that it refuses as it was, for the client to try again", () => {
    const connection = pool().of("192.0.2.1")
    const token = coinbaseOnly()
    expect(codeOf(connection.accept(request(message({ miningJobToken: token, nbits: 1 }))))).toBe("invalid-nbits")
    expect(set(connection, token)).toBe("accepted")
  })

  it("refuses tokens that are forged, expired, or made with another key", () => {
    const connection = pool().of("192.0.2.1")
    const token = coinbaseOnly()
    const others = new Tokens(TokenKey(new Uint8Array(32).fill(8)))
    for (const wrong of [
      new Uint8Array(0),
      token.with(20, token[20]! ^ 1),
      others.allocate(freshToken("coinbase-only"))
    ]) {
      expect(set(connection, wrong)).toBe("invalid-mining-job-token")
    }
    expect(set(connection, token, (SECONDS + 600) * 1000)).toBe("invalid-mining-job-token")
    expect(set(connection, token, (SECONDS + 599) * 1000)).toBe("accepted")
  })

  it("takes a token for channels of its account only, whatever the worker is", () => {
    const connection = pool().of("192.0.2.1")
    const channel = (userIdentity: string) => ({
      connectionId: 1,
      channelId: 2,
      kind: "extended" as const,
      userIdentity
    })
    const users = (...names: ReadonlyArray<string>) =>
      codeOf(connection.accept(request(message(), { channels: names.map(channel) })))
    expect(users("bob")).toBe("invalid-mining-job-token")
    expect(users("alice", "alice.rig2", "bob.alice")).toBe("invalid-mining-job-token")
    expect(users("alice", "alice.rig2")).toBe("accepted")
  })

  it("refuses what was only allocated in full-template mode, and takes what was declared", () => {
    const connection = pool().of("192.0.2.1")
    expect(set(connection, tokens.allocate(freshToken("full-template")))).toBe("job-not-yet-validated")
    expect(set(connection, declared(message()))).toBe("accepted")
  })

  it("forgets a used token when it has expired, and not before", () => {
    const jobs = pool()
    const connection = jobs.of("192.0.2.1")
    const token = coinbaseOnly()
    set(connection, token)
    for (const seconds of [1, 599, 600]) {
      expect(set(connection, token, (SECONDS + seconds) * 1000)).toBe("invalid-mining-job-token")
    }
    const later = tokens.allocate({ ...freshToken("coinbase-only"), expiresAt: SECONDS + 9000 })
    expect(set(connection, later, (SECONDS + 659) * 1000)).toBe("accepted")
    expect(jobs.usedTokens).toBe(1)
  })

  it("refuses the connection that has too many used tokens, and serves others", () => {
    const jobs = pool({ maxUsedTokensPerConnection: 3 })
    const [busy, quiet] = [jobs.of("192.0.2.1"), jobs.of("192.0.2.1")]
    expect([1, 2, 3, 4].map(() => set(busy))).toEqual(["accepted", "accepted", "accepted", "too-many-custom-jobs"])
    expect(set(quiet)).toBe("accepted")
    const later = tokens.allocate({ ...freshToken("coinbase-only"), expiresAt: SECONDS + 9000 })
    expect(set(busy, later, (SECONDS + 660) * 1000)).toBe("accepted")
  })

  it("refuses the address that has too many used tokens on many connections, and serves others", () => {
    const jobs = pool({ maxUsedTokensPerAddress: 3 })
    const from = (host: string) => set(jobs.of(host))
    expect(["2001:db8::1", "2001:db8::2", "2001:db8::3"].map(from)).toEqual(["accepted", "accepted", "accepted"])
    expect(from("2001:db8::4")).toBe("too-many-custom-jobs")
    expect(from("2001:db9::1")).toBe("accepted")
    expect([1, 2, 3, 4, 5].map(() => from("127.0.0.1"))).not.toContain("too-many-custom-jobs")
  })

  it("refuses addresses that hold more than an equal part when all together hold too much, and serves others", () => {
    const jobs = pool({ maxUsedTokens: 10 })
    const hog = jobs.of("192.0.2.1")
    expect(Array.from({ length: 11 }, () => set(hog)).filter((code) => code === "accepted")).toHaveLength(10)
    const honest = Array.from({ length: 5 }, (_, index) => jobs.of(`198.51.100.${index}`))
    expect(honest.map((connection) => set(connection))).not.toContain("too-many-custom-jobs")
    expect(set(hog)).toBe("too-many-custom-jobs")
    expect(jobs.usedTokens).toBeLessThanOrEqual(20)
  })

  it("refuses the connection and the address whose jobs have too many bytes, until they keep fewer", () => {
    const jobs = pool({ maxBytesPerConnection: 10_000, maxBytesPerAddress: 15_000 })
    const [first, second] = [jobs.of("192.0.2.1"), jobs.of("192.0.2.1")]
    first.keep(9_950)
    expect(set(first)).toBe("too-many-custom-jobs")
    expect(set(second)).toBe("accepted")
    second.keep(5_000)
    expect(set(second)).toBe("too-many-custom-jobs")
    expect(set(jobs.of("192.0.2.2"))).toBe("accepted")
    first.keep(-9_950)
    expect(set(first)).toBe("accepted")
    expect(jobs.bytes).toBe(5_000)
  })

  it("pays what the pool demands at that moment", () => {
    let scripts = payout.scripts
    const jobs = new AcceptCustomJobs({ tokens, payout: () => ({ ...payout, scripts }) })
    const connection = jobs.of("192.0.2.1")
    expect(set(connection)).toBe("accepted")
    scripts = [new Uint8Array([0x51])]
    expect(set(connection)).toBe("invalid-coinbase-tx-outputs")
  })
})

describe("UsedSerials", () => {
  it("has only serials that can still come, after a day of tokens", () => {
    const used = new UsedSerials({ max: 1e6, maxPerAddress: 1e6, maxPerConnection: 1e6 })
    const owner = { address: "a", serials: 0 }
    for (let second = 0; second < 86_400; second += 10) {
      const { serial } = freshToken("coinbase-only")
      expect(used.hasRoom(owner, second)).toBe(true)
      expect(used.use(serial, second + 600, owner)).toBe(true)
      expect(used.use(serial, second + 600, owner)).toBe(false)
    }
    expect(used.size).toBeLessThanOrEqual(67)
    expect(owner.serials).toBe(used.size)
  })
})

describe("FairLimit", () => {
  it("holds at most 2 + ln(n) times its limit if n addresses take all they get, one after the other", () => {
    const limit = new FairLimit({ max: 1000, maxPerAddress: 1000 })
    for (let address = 1; address <= 500; address++) {
      while (limit.hasRoom(`address ${address}`, 1)) limit.add(`address ${address}`, 1)
      expect(limit.total).toBeLessThanOrEqual(1000 * (2 + Math.log(address)))
    }
    expect(limit.hasRoom("address 501", 1)).toBe(true)
  })

  it("stays within that, whoever takes and gives back what, and is empty when all is given back", () => {
    const limit = new FairLimit({ max: 100, maxPerAddress: 60 })
    let random = 1
    const next = (below: number): number => (random = (random * 48_271) % 0x7fffffff) % below
    const taken: Array<readonly [string, number]> = []
    for (let step = 0; step < 5000; step++) {
      const address = `address ${next(1 + (step % 50))}`
      const amount = 1 + next(9)
      if (limit.hasRoom(address, amount)) {
        limit.add(address, amount)
        taken.push([address, amount])
      } else if (taken.length > 0 && next(3) === 0) {
        const [other, held] = taken.splice(next(taken.length), 1)[0]!
        limit.add(other, -held)
      }
      expect(limit.total).toBeLessThanOrEqual(100 * (2 + Math.log(50)))
    }
    for (const [address, amount] of taken) limit.add(address, -amount)
    expect(limit.total).toBe(0)
    expect(limit.hasRoom("address 1", 60)).toBe(true)
    expect(limit.hasRoom("address 1", 61)).toBe(false)
  })
})

describe("a refusal", () => {
  it("says what was expected, to the pool's operator", () => {
    const refused = Result.flip(
      pool()
        .of("192.0.2.1")
        .accept(request(message({ miningJobToken: new Uint8Array(9) })))
    )
    expect(Result.getOrThrow(refused).reason).toContain("pool and declarator need the same key")
  })
})
