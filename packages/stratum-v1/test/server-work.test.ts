/** The server's end while work flows: which difficulty and extranonce hold for which job, and what a submit refers to. */
import { describe, expect, it } from "vitest"
import { targetOfDifficulty } from "../src/index.ts"
import { AUTHORIZE, EXTRANONCE1, job, kinds, Miner, submit, SUBSCRIBE } from "./server-fixture.ts"

const OTHER_EXTRANONCE1 = Uint8Array.of(9, 9, 9, 9)
const SUBSCRIBE_EXTRANONCE = '{"id":9,"method":"mining.extranonce.subscribe","params":[]}'

describe("a difficulty", () => {
  it("waits for the next job, and of several only the last is sent", () => {
    const miner = Miner.working()
    for (const difficulty of [8, 16, 32.9]) miner.server.setDifficulty(difficulty)
    expect(miner.heard()).toEqual([])
    miner.server.notify(job("2", false))
    const heard = miner.heard()
    expect(kinds(heard)).toEqual(["mining.set_difficulty", "mining.notify"])
    expect(heard[0]).toEqual({ id: null, method: "mining.set_difficulty", params: [32] })
    miner.server.notify(job("3", false))
    expect(kinds(miner.heard())).toEqual(["mining.notify"])
  })

  it("below 1 is sent as it is", () => {
    const miner = Miner.working()
    miner.server.setDifficulty(0.0001)
    miner.server.notify(job("2"))
    expect(miner.heard()[0]!.params).toEqual([0.0001])
  })

  it("does not make a job clean, and each job keeps its own", () => {
    const miner = Miner.working()
    miner.server.setDifficulty(16)
    miner.server.notify(job("2", false))
    expect((miner.heard()[1]!.params as Array<unknown>)[8]).toBe(false)
    miner.send(submit(5), submit(6, { jobId: "2" }))
    const held = miner.of("Submit").map(({ held }) => [held.job.work, held.difficulty, held.easiestDifficulty])
    expect(held).toEqual([
      ["work 1", 1, 1],
      ["work 2", 16, 1]
    ])
  })
})

describe("another extranonce1", () => {
  it("goes to a miner that understands it, with the next job, which is clean on the wire", () => {
    const miner = Miner.working()
    miner.send(SUBSCRIBE_EXTRANONCE)
    expect(miner.server.setExtranonce(OTHER_EXTRANONCE1, 6)).toBe(true)
    expect(kinds(miner.heard())).toEqual([9])
    const next = job("2", false)
    miner.server.notify(next)
    const heard = miner.heard()
    expect(heard[0]).toEqual({ id: null, method: "mining.set_extranonce", params: ["09090909", 6] })
    expect((heard[1]!.params as Array<unknown>)[8]).toBe(true)
    expect(next.notify.clean).toBe(false)
    // Shares of the job before keep what held for it.
    miner.send(submit(5), submit(6, { jobId: "2", extranonce2: "170000000000" }), submit(7, { jobId: "2" }))
    expect(miner.of("Submit").map(({ held }) => held.extranonce1)).toEqual([EXTRANONCE1, OTHER_EXTRANONCE1])
    expect(miner.heard().map(({ error, id }) => [id, (error as Array<unknown>)[0]])).toEqual([[7, 20]])
  })

  it("ends the connection of a miner that does not, with client.reconnect", () => {
    const miner = Miner.working()
    expect(miner.server.setExtranonce(OTHER_EXTRANONCE1, 4)).toBe(false)
    miner.server.notify(job("2"))
    expect(miner.heard()).toEqual([{ id: null, method: "client.reconnect", params: [] }])
    expect(miner.send(submit(5))).toEqual([])
  })

  it("is told although it comes while the answer to subscribe waits for others", () => {
    const miner = new Miner()
    miner.send(AUTHORIZE, SUBSCRIBE, SUBSCRIBE_EXTRANONCE)
    miner.subscribed()
    miner.server.setExtranonce(OTHER_EXTRANONCE1, 4)
    miner.server.notify(job("1"))
    miner.authorized()
    const heard = miner.heard()
    expect(kinds(heard)).toEqual([2, 1, 9, "mining.set_extranonce", "mining.set_difficulty", "mining.notify"])
    expect((heard[1]!.result as Array<unknown>)[1]).toBe("4128064f")
  })

  it("is not in the answer to another subscribe before its job", () => {
    const miner = Miner.working()
    miner.send(SUBSCRIBE_EXTRANONCE)
    miner.server.setExtranonce(OTHER_EXTRANONCE1, 4)
    miner.send(SUBSCRIBE)
    expect((miner.heard().at(-1)!.result as Array<unknown>)[1]).toBe("4128064f")
    miner.server.notify(job("2"))
    miner.heard()
    miner.send(SUBSCRIBE)
    expect(miner.heard()[0]!.result).toEqual([[["mining.notify", "4128064f"]], "09090909", 4])
  })

  it("before the miner has subscribed is no news", () => {
    const miner = new Miner()
    expect(miner.server.setExtranonce(OTHER_EXTRANONCE1, 4)).toBe(true)
    miner.send(SUBSCRIBE)
    miner.subscribed()
    expect(kinds(miner.heard())).toEqual([1])
  })
})

describe("a share", () => {
  it("of a known job and worker comes with the job, and is answered once, under its own id", () => {
    const miner = Miner.working()
    // cpuminer's submits all have the id 4.
    miner.send(submit(4), submit(4, { extranonce2: "18000000" }), submit("s"))
    const [first, second, third] = miner.of("Submit")
    expect(first).toMatchObject({
      worker: "w",
      ntime: 0x685468d7,
      nonce: 0x7552034c,
      version: 0x2000_0000,
      held: { job: { work: "work 1" } }
    })
    expect(miner.heard()).toEqual([])
    miner.server.accept(third!.request)
    miner.server.refuse(second!.request, { code: 22, text: "Duplicate share" })
    miner.server.accept(first!.request)
    miner.server.accept(second!.request)
    miner.server.refuse(first!.request, { code: 20, text: "" })
    expect(miner.heard()).toEqual([
      { id: "s", result: true, error: null },
      { id: 4, result: null, error: [22, "Duplicate share", null] },
      { id: 4, result: true, error: null }
    ])
  })

  it("is refused with 21 for an unknown job, and for a stale one behind a clean job", () => {
    const miner = Miner.working()
    miner.server.notify(job("2", true))
    miner.heard()
    miner.send(submit(5), submit(6, { jobId: "nope" }))
    expect(miner.heard().map(({ error, id }) => [id, (error as Array<unknown>)[0]])).toEqual([
      [5, 21],
      [6, 21]
    ])
    expect(miner.of("Submit")).toEqual([])
  })

  it("is known for the last jobs that are not clean, as many as are kept", () => {
    const miner = Miner.working({ maxJobs: 3 })
    for (const id of ["2", "3", "4"]) miner.server.notify(job(id, false))
    miner.heard()
    miner.send(...["1", "2", "3", "4"].map((jobId, index) => submit(index, { jobId })))
    expect(kinds(miner.heard())).toEqual([0])
    expect(miner.of("Submit").map(({ held }) => held.job.work)).toEqual(["work 2", "work 3", "work 4"])
  })

  it("is refused with 24 for a worker that was not authorized, and with 25 before the subscribe", () => {
    const miner = Miner.working()
    miner.send(submit(5, { worker: "stranger" }))
    const early = new Miner()
    early.send(submit(6), AUTHORIZE)
    expect(miner.heard()[0]!.error).toEqual([24, 'worker "stranger" is not authorized', null])
    expect(early.heard()[0]!.error).toEqual([25, "not subscribed", null])
  })

  it("is refused with 20 where its extranonce2 has another size or its parameters are wrong", () => {
    const miner = Miner.working()
    miner.send(
      submit(5, { extranonce2: "17" }),
      '{"id":6,"method":"mining.submit","params":["w"]}',
      '{"id":7,"method":"mining.submit"}'
    )
    const heard = miner.heard()
    expect(heard.map(({ error, id }) => [id, (error as Array<unknown>)[0]])).toEqual([
      [5, 20],
      [6, 20],
      [7, 20]
    ])
    expect(heard[0]!.error).toEqual([20, "expected 4 bytes of extranonce2; got 1", null])
    expect(miner.of("Refused").map(({ method }) => method)).toEqual(["mining.submit", "mining.submit", "mining.submit"])
  })

  it("is not answered where its id is null, but counts", () => {
    const miner = Miner.working()
    miner.send(submit(null), submit(null, { jobId: "nope" }))
    miner.server.accept(miner.of("Submit")[0]!.request)
    expect(miner.heard()).toEqual([])
  })

  it("is refused while too many wait for their answers", () => {
    const miner = Miner.working({ maxUnansweredShares: 2 })
    miner.send(submit(5), submit(6), submit(7))
    expect(miner.heard().map(({ id }) => id)).toEqual([7])
    miner.server.accept(miner.of("Submit")[0]!.request)
    miner.send(submit(8))
    expect(miner.of("Submit")).toHaveLength(3)
  })
})

describe("the version of a share", () => {
  const shareWith = (bits: string | undefined, configure: string | undefined, version = 0x2000_0000) => {
    const miner = new Miner()
    if (configure !== undefined) {
      miner.send(
        `{"id":3,"method":"mining.configure","params":[["version-rolling"],{"version-rolling.mask":"${configure}"}]}`
      )
    }
    miner.send(SUBSCRIBE, AUTHORIZE)
    miner.subscribed()
    miner.authorized()
    miner.server.notify(job("1", true, version))
    miner.heard()
    miner.send(submit(5, bits === undefined ? {} : { bits }))
    return miner.of("Submit")[0]?.version ?? miner.heard()[0]!.error
  }

  it("is the job's with the miner's bits within the mask", () => {
    expect(shareWith("00b44000", "ffffffff")).toBe(0x20b44000)
    expect(shareWith("00002000", "00ffe000", 0x20ffe000)).toBe(0x20002000)
  })

  it("is the job's where a miner that may roll sends no bits", () => {
    expect(shareWith(undefined, "ffffffff")).toBe(0x2000_0000)
  })

  it("is taken from a miner that rolls within the mask without having asked, as an S21 behind a rental proxy", () => {
    expect(shareWith("00b44000", undefined)).toBe(0x20b44000)
  })

  it("is taken from a miner that sends the whole version for the bits", () => {
    expect(shareWith("20b44000", "ffffffff")).toBe(0x20b44000)
  })

  it("is refused with bits outside of the mask", () => {
    expect(shareWith("00000004", "ffffffff")).toEqual([20, "expected version bits within 1fffe000; got 4", null])
    expect(shareWith("00b44000", "00ffe000")).toBe(0x20b44000)
    expect(shareWith("10000000", "00ffe000")).toEqual([20, "expected version bits within ffe000; got 10000000", null])
  })

  it("has the mask that held when its job was announced", () => {
    const miner = Miner.working()
    miner.send(
      '{"id":3,"method":"mining.configure","params":[["version-rolling"],{"version-rolling.mask":"ffffffff"}]}'
    )
    miner.server.notify(job("2", false))
    miner.heard()
    miner.server.setVersionMask(0x00ffe000)
    miner.server.setVersionMask(0x00ffe000)
    expect(miner.heard()).toEqual([{ id: null, method: "mining.set_version_mask", params: ["00ffe000"] }])
    miner.server.notify(job("3", false))
    miner.send(submit(5, { jobId: "2", bits: "10000000" }), submit(6, { jobId: "3", bits: "10000000" }))
    expect(miner.of("Submit").map(({ held }) => held.job.work)).toEqual(["work 2"])
  })

  it("mask is told behind the answer to subscribe where it has changed since the answer to configure", () => {
    const miner = new Miner()
    miner.server.notify(job("1"))
    miner.send(
      '{"id":3,"method":"mining.configure","params":[["version-rolling"],{"version-rolling.mask":"ffffffff"}]}',
      SUBSCRIBE
    )
    miner.server.setVersionMask(0x00ffe000)
    expect(kinds(miner.heard())).toEqual([3])
    miner.subscribed()
    expect(kinds(miner.heard())).toEqual([1, "mining.set_version_mask", "mining.set_difficulty", "mining.notify"])
  })

  it("mask is not told to a miner that did not ask for one", () => {
    const miner = Miner.working()
    miner.server.setVersionMask(0x00ffe000)
    expect(miner.heard()).toEqual([])
  })
})

describe("a job", () => {
  it("is encoded once for all connections, and once more as a clean one", () => {
    const shared = job("1", false)
    const [a, b] = [Miner.working(), Miner.working()]
    a.server.notify(shared)
    b.server.notify(shared)
    expect(a.server.takeLines(0)[0]).toBe(b.server.takeLines(0)[0])
    expect(shared.line(true)).toBe(shared.line(true))
    expect(Buffer.compare(shared.line(true), shared.line(false))).not.toBe(0)
  })
})

describe("a silent connection", () => {
  it("gets a ping after 30 seconds without a line, which needs no answer", () => {
    const miner = Miner.working()
    miner.server.notify(job("2"))
    expect(kinds(miner.heard(1000))).toEqual(["mining.notify"])
    miner.server.tick(30_999)
    expect(miner.heard(30_999)).toEqual([])
    miner.server.tick(31_000)
    expect(miner.heard(31_000)).toEqual([{ id: null, method: "mining.ping", params: [] }])
    miner.server.tick(31_001)
    expect(miner.heard(31_001)).toEqual([])
  })

  it("gets none before the answer to its subscribe has left", () => {
    const miner = new Miner()
    miner.send(AUTHORIZE, SUBSCRIBE)
    miner.subscribed()
    expect(miner.server.tick(100_000)).toEqual([])
    expect(miner.heard(100_000)).toEqual([])
    miner.authorized()
    miner.server.tick(100_000)
    expect(kinds(miner.heard(100_000))).toEqual([2, 1, "mining.ping"])
  })

  it("takes every way that miners answer a ping in", () => {
    const miner = Miner.working()
    // cgminer's, ESP-Miner's, and an error of a miner that does not know it.
    const answers = [
      '{"id":0,"result":"pong","error":null}',
      '{"id":3,"method":"pong","params":[]}',
      '{"id":null,"result":null,"error":[-3,"Method not found",null]}'
    ]
    expect(miner.send(...answers)).toEqual([])
    expect(miner.heard()).toEqual([])
  })
})

describe("the version of a miner's software", () => {
  it("is asked for once at a time, and told to the layer above", () => {
    const miner = Miner.working()
    miner.server.askVersion()
    miner.server.askVersion()
    expect(miner.heard()).toEqual([{ id: 1, method: "client.get_version", params: [] }])
    miner.send(
      '{"id":7,"result":"other","error":null}',
      '{"id":"1","result":"cgminer/4.10.0","error":null}',
      '{"id":1,"result":"again","error":null}'
    )
    expect(miner.of("DeviceVersion")).toEqual([{ _tag: "DeviceVersion", version: "cgminer/4.10.0" }])
    miner.server.askVersion()
    expect(miner.heard()).toHaveLength(1)
  })
})

it("a message and a reconnect elsewhere are sent as they are", () => {
  const miner = Miner.working()
  miner.server.showMessage("maintenance at noon")
  miner.server.reconnect("b.pool.example", 3333, 10)
  expect(miner.heard()).toEqual([
    { id: null, method: "client.show_message", params: ["maintenance at noon"] },
    { id: null, method: "client.reconnect", params: ["b.pool.example", 3333, 10] }
  ])
})

describe("a target", () => {
  const target = targetOfDifficulty(5.5)

  it("is told as a difficulty, rounded down, and stays exact in the job that is held", () => {
    const miner = Miner.working()
    miner.server.setTarget(target)
    miner.server.notify(job("2"))
    expect(miner.heard()[0]!.params).toEqual([5])
    miner.send(submit(5, { jobId: "2" }))
    expect(miner.of("Submit")[0]!.held).toMatchObject({ target, difficulty: 5 })
    miner.server.setDifficulty(7)
    miner.server.notify(job("3"))
    miner.send(submit(6, { jobId: "3" }))
    expect(miner.of("Submit")[1]!.held).toMatchObject({ target: undefined, difficulty: 7 })
  })

  it("that comes after the job which waits for subscribe is for the jobs after it", () => {
    const miner = new Miner()
    miner.send(SUBSCRIBE, AUTHORIZE)
    miner.server.setDifficulty(2)
    miner.server.notify(job("1"))
    miner.server.setDifficulty(3)
    miner.subscribed()
    miner.authorized()
    miner.server.notify(job("2"))
    const told = miner.heard().flatMap(({ method, params }) => (method === "mining.set_difficulty" ? [params] : []))
    expect(told).toEqual([[2], [3]])
  })
})

describe("bytes of a connection's own in the coinbase", () => {
  it("stand at the end of its coinbase prefix, from the next job on, and nowhere else", () => {
    const [one, other] = [Miner.working(), Miner.working()]
    one.server.setCoinbaseInsert(Uint8Array.of(0xaa, 0xbb))
    for (const clean of [true, false]) {
      const next = job(`clean ${clean}`, clean)
      for (const miner of [one, other]) miner.server.notify(next)
      const [first, second] = [one, other].map((miner) => miner.heard().at(-1)!.params as Array<unknown>)
      expect(first).toEqual(second!.with(2, `${String(second![2])}aabb`))
      expect(first![8]).toBe(clean)
    }
    one.send(submit(5, { jobId: "clean false" }))
    expect(one.of("Submit")[0]!.held.coinbaseInsert).toEqual(Uint8Array.of(0xaa, 0xbb))
  })
})

describe("the shares of stale jobs", () => {
  it("come as events where that is wanted, for the jobs of the block before", () => {
    const miner = Miner.working({ keepsStaleJobs: true })
    const onBlock = (jobId: string, block: number) => job(jobId, true, undefined, block)
    miner.server.notify(job("2", false))
    miner.server.notify(onBlock("3", 8))
    miner.send(submit(5), submit(6, { jobId: "2" }), submit(7, { jobId: "3" }))
    expect(miner.of("Submit").map(({ held }) => held.job.work)).toEqual(["work 1", "work 2", "work 3"])
    miner.server.notify(onBlock("4", 9))
    miner.send(submit(8), submit(9, { jobId: "3" }))
    expect(miner.of("Submit").map(({ held }) => held.job.work)).toEqual(["work 1", "work 2", "work 3", "work 3"])
  })

  it("come as events after any number of clean jobs on the same block", () => {
    const miner = Miner.working({ keepsStaleJobs: true })
    for (const id of ["2", "3", "4"]) miner.server.notify(job(id, true))
    miner.send(submit(5), submit(6, { jobId: "2" }))
    expect(miner.of("Submit").map(({ held }) => held.job.work)).toEqual(["work 1", "work 2"])
  })
})
