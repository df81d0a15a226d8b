/** Pools that are silent, go elsewhere, or send what makes no sense. */
import { describe, expect, it } from "@effect/vitest"
import { Outbox } from "@sluice/channels"
import { SilenceError } from "@sluice/stratum-v1"
import { notify } from "./notify-line.ts"
import { readLines, Rig } from "./rig.ts"

describe("a pool that is silent", () => {
  it("after it authorized a worker, without a job, ends the connection", () => {
    const rig = new Rig({ machine: { jobWithinMs: 5000 } })
    rig.pool.job = undefined
    expect(() => rig.open(4)).toThrow("no answer")
    rig.wait(4999)
    expect(rig.machine.failure).toBeUndefined()
    rig.wait(1)
    expect(rig.machine.failure).toBeInstanceOf(SilenceError)
    expect(rig.machine.failure!.message).toBe("the peer sent nothing for 5 s; expected mining.notify")
  })

  it("for longer than it may be ends the connection, and its shares are refused", () => {
    const rig = new Rig({ machine: { client: { userAgent: "t", silenceMs: 60_000 } } })
    const id = rig.open(4)
    rig.end.holdsShares = true
    rig.mine(id)
    rig.pump()
    rig.wait(60_000)
    expect(rig.machine.failure).toBeInstanceOf(SilenceError)
    expect(rig.refused()).toEqual(["no-answer-from-pool"])
  })
})

describe("client.reconnect", () => {
  const reconnect = (...params: ReadonlyArray<unknown>) =>
    JSON.stringify({ id: null, method: "client.reconnect", params })

  it.each([
    [["eu.example.com", 3334], "eu.example.com", 3334],
    [[], "", 0],
    [["", "4444"], "", 4444]
  ])("to %j is a Reconnect", (params, newHost, newPort) => {
    const rig = new Rig()
    rig.receive(reconnect(...params))
    expect(rig.of("Reconnect")).toEqual([{ _tag: "Reconnect", newHost, newPort }])
  })

  it("to another site is ignored unless that is allowed", () => {
    const rig = new Rig()
    rig.receive(reconnect("pool.evil.example", 3333))
    expect(rig.messages).toEqual([])
    expect(rig.poolEvents).toEqual([{ _tag: "RedirectIgnored", host: "pool.evil.example" }])
    const open = new Rig({ machine: { followAnywhere: true } })
    open.receive(reconnect("pool.evil.example", 3333))
    expect(open.of("Reconnect")).toHaveLength(1)
    open.receive(reconnect("a".repeat(254), 3333))
    expect(open.of("Reconnect")).toHaveLength(1)
  })

  it.each(["x\0.example.com", "a b.example.com", "\n.example.com", ".example.com"])(
    "to %j, which is no host, is ignored",
    (host) => {
      const rig = new Rig({ machine: { followAnywhere: true } })
      rig.receive(reconnect(host, 3333))
      expect(rig.messages).toEqual([])
      expect(rig.poolEvents).toMatchObject([{ _tag: "RedirectIgnored" }])
    }
  )

  it("waits as long as the pool says", () => {
    const rig = new Rig()
    rig.receive(reconnect("eu.example.com", 3334, 10))
    rig.wait(9999)
    expect(rig.messages).toEqual([])
    rig.wait(1)
    rig.wait(10_000)
    expect(rig.of("Reconnect")).toHaveLength(1)
  })
})

describe("a hostile pool", () => {
  it.each([
    ["a job that is none", '{"id":null,"method":"mining.notify","params":[]}'],
    ["a merkle path of 256 hashes", notify({ branches: 256 })],
    ["a coinbase that is cut off", notify({ coinbase: ["01", "02"] })],
    [
      "a coinbase with bytes behind it",
      notify({ coinbase: [notifyPrefix(12), "ffffffff0100f2052a0100000001510000000000"] })
    ],
    ["a coinbase whose extranonce has another size", notify({ size: 11 })],
    [
      "a coinbase with a witness",
      notify({ coinbase: [`020000000001${notifyPrefix(12).slice(8)}`, "ffffffff0100f2052a010000000151012000000000"] })
    ],
    ["an extranonce of 33 bytes", '{"id":null,"method":"mining.set_extranonce","params":["' + "00".repeat(33) + '",4]}']
  ])("that sends %s loses the connection", (_, line) => {
    const rig = new Rig()
    rig.open(4)
    rig.receive(line)
    expect(rig.machine.failure).toMatchObject({ _tag: "ParamsError" })
    // Nothing of it reached the client.
    expect(rig.clientEvents.filter(({ _tag }) => _tag === "WorkChanged")).toHaveLength(1)
  })

  it.each(["0", "-1", '"NaN"', '"Infinity"', "1e999", "null"])(
    "that sends the difficulty %s is not followed",
    (value) => {
      const rig = new Rig()
      const id = rig.open(4)
      rig.receive(`{"id":null,"method":"mining.set_difficulty","params":[${value}]}`)
      expect(rig.poolEvents).toMatchObject([{ _tag: "Malformed" }])
      rig.pool.newJob()
      rig.pump()
      rig.mine(id)
      rig.pump()
      expect(rig.accepted()).toBe(1)
    }
  )

  it.each([1e-300, 1e300])("that sends the difficulty %s is credited with a sum that fits", (difficulty) => {
    const rig = new Rig()
    const id = rig.open(4)
    rig.receive(`{"id":null,"method":"mining.set_difficulty","params":[${difficulty}]}`, notify({}))
    const { jobId, minNtime: ntime, version } = rig.work(id)
    for (let n = 0; n < 3; n++) {
      rig.submit(id, { jobId, ntime, version, nonce: n, extranonce: new Uint8Array(6) })
      rig.machine.send(rig.toServer.takeMessages(), rig.now, rig.out)
      const [line] = rig.takeLines()
      rig.receive(`{"id":${String(line!.id)},"result":true,"error":null}`)
    }
    expect(rig.accepted()).toBe(3)
    for (const { newSharesSum } of rig.of("SubmitShares.Success")) expect(newSharesSum).toBeLessThan(2n ** 64n)
  })

  it("that gives an extranonce which V2 cannot have gets no client", () => {
    for (const [size1, size2] of [
      [4, 29],
      [32, 1]
    ] as const) {
      expect(new Rig({ pool: { extranonce1Size: size1, extranonce2Size: size2 } }).machine.failure).toMatchObject({
        method: "mining.subscribe",
        field: "extranonce2Size"
      })
    }
  })

  it.each(["200", "-1", '"x"', "null"])("that gives an extranonce2 of %s bytes gets no client", (size) => {
    const { machine } = new Rig({ start: false })
    machine.start(0)
    machine.receive(readLines(`{"id":2,"result":[[],"00",${size}],"error":null}\n`), 0, new Outbox())
    expect(machine.failure).toMatchObject({ _tag: "ParamsError", method: "mining.subscribe" })
    expect(machine.isSubscribed).toBe(false)
  })

  it("that answers what nobody asked, or twice, changes nothing", () => {
    const rig = new Rig()
    const id = rig.open(4)
    rig.mine(id)
    rig.pump()
    const before = rig.messages.length
    for (let n = 0; n < 30; n++) rig.receive(`{"id":${n},"result":true,"error":null}`, `{"id":${n},"error":[21,"x"]}`)
    expect(rig.messages).toHaveLength(before)
    expect(rig.machine.failure).toBeUndefined()
  })
})

function notifyPrefix(size: number): string {
  return (JSON.parse(notify({ size })) as { params: ReadonlyArray<string> }).params[2]!
}
