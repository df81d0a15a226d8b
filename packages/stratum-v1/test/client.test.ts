/** The client's end of a connection to a pool: what it says in which order, and what holds for which job. */
import { describe, expect, it } from "vitest"
import { Client, LineError, ParamsError, RefusedError, SilenceError, targetOfDifficulty } from "../src/index.ts"
import { parse, read } from "./lines.ts"

const SUBSCRIBED = '{"id":2,"result":[[["mining.notify","695482c0"]],"4de05269",4],"error":null}'
const CONFIGURED = '{"id":1,"result":{"version-rolling":true,"version-rolling.mask":"1fffe000"},"error":null}'
const notify = (jobId: string, clean: boolean, prevHash = "ab"): string =>
  `{"id":null,"method":"mining.notify","params":["${jobId}","${prevHash.repeat(32)}","01","02",[],"20000004","1705c739","64495522",${clean}]}`
const difficulty = (value: number): string => `{"id":null,"method":"mining.set_difficulty","params":[${value}]}`
const share = { extranonce2: Uint8Array.of(1, 2, 3, 4), ntime: 0x64495522, nonce: 0xdeadbeef, version: 0x20b44004 }

class Pool {
  readonly client: Client.Connection
  readonly events: Array<Client.ClientEvent> = []

  constructor(options: Partial<Client.Options> = {}) {
    this.client = new Client.Connection(0, { userAgent: "sluice/0.1.0", ...options })
    this.client.start(0)
  }

  /** Sends lines to the client and gives the events. */
  send(now: number, ...lines: ReadonlyArray<string>): ReadonlyArray<Client.ClientEvent> {
    const events = this.client.receive(read(...lines), now)
    this.events.push(...events)
    return events
  }

  heard() {
    return parse(this.client.takeLines())
  }

  of<Tag extends Client.ClientEvent["_tag"]>(tag: Tag) {
    type Event = Extract<Client.ClientEvent, { _tag: Tag }>
    return this.events.filter((event): event is Event => event._tag === tag)
  }

  /** Configured, subscribed, with a worker and the job "1". */
  static working(options: Partial<Client.Options> = {}): Pool {
    const pool = new Pool(options)
    pool.client.authorize("w", "x", 0)
    pool.send(0, CONFIGURED, SUBSCRIBED, '{"id":3,"result":true,"error":null}', difficulty(512), notify("1", true))
    pool.heard()
    return pool
  }
}

describe("the handshake of a client", () => {
  it("is configure and subscribe in one write, then authorize, then the subscription to extranonces", () => {
    const pool = new Pool()
    pool.client.authorize("w", "x", 0)
    pool.client.suggestDifficulty(512, 0)
    expect(pool.heard()).toEqual([
      {
        id: 1,
        method: "mining.configure",
        params: [["version-rolling"], { "version-rolling.mask": "1fffffe0", "version-rolling.min-bit-count": 2 }]
      },
      { id: 2, method: "mining.subscribe", params: ["sluice/0.1.0"] }
    ])
    expect(pool.send(0, SUBSCRIBED)[0]).toMatchObject({
      _tag: "Subscribed",
      subscription: { session: "695482c0", extranonce2Size: 4 }
    })
    expect(pool.heard().map(({ id, method, params }) => [id, method, params])).toEqual([
      [3, "mining.authorize", ["w", "x"]],
      [4, "mining.suggest_difficulty", [512]],
      [5, "mining.extranonce.subscribe", []]
    ])
    pool.send(0, '{"id":"3","result":true,"error":null}', '{"id":5,"result":null,"error":[20,"Not supported.",null]}')
    expect(pool.of("Authorized")).toEqual([{ _tag: "Authorized", worker: "w", refusal: undefined }])
    pool.client.authorize("v", "", 0)
    pool.send(0, '{"id":6,"result":false,"error":null}')
    expect(pool.of("Authorized")[1]).toMatchObject({ worker: "v", refusal: { code: 20 } })
  })

  it("leaves configure out for a pool that it would confuse, and offers an earlier session", () => {
    const pool = new Pool({ versionMask: 0, session: "695482c0" })
    expect(pool.heard()).toEqual([{ id: 1, method: "mining.subscribe", params: ["sluice/0.1.0", "695482c0"] }])
  })

  it("goes on without version rolling where the pool refuses configure with 21 or stays silent, as Braiins Pool and old pools do", () => {
    const pool = new Pool()
    pool.send(0, '{"id":1,"result":null,"error":[21,"configure must come first",null]}', SUBSCRIBED, notify("1", true))
    expect(pool.of("JobReceived")[0]!.job.versionMask).toBe(0)
    const silent = new Pool()
    silent.send(0, SUBSCRIBED, notify("1", true))
    expect(silent.of("JobReceived")[0]!.job.versionMask).toBe(0)
  })

  it.each([
    ["without a mask", '{"version-rolling":true}', 0x1fffffe0],
    ["with bits that were not asked for", '{"version-rolling":true,"version-rolling.mask":"ffffffff"}', 0x1fffffe0],
    ["as refused", '{"version-rolling":false,"version-rolling.mask":"1fffe000"}', 0]
  ])("takes an answer to configure %s", (_, result, mask) => {
    const pool = new Pool()
    pool.send(0, `{"id":1,"result":${result},"error":null}`, SUBSCRIBED, notify("1", true))
    expect(pool.of("JobReceived")[0]!.job.versionMask).toBe(mask)
  })

  it("takes a version mask before the answer to subscribe, as Braiins Pool sends it", () => {
    const pool = new Pool()
    pool.send(
      0,
      '{"id":null,"method":"mining.set_version_mask","params":["0x1fffe000"]}',
      CONFIGURED,
      SUBSCRIBED,
      notify("1", true)
    )
    expect(pool.of("VersionMaskChanged")).toEqual([{ _tag: "VersionMaskChanged", mask: 0x1fffe000 }])
    expect(pool.of("JobReceived")[0]!.job.versionMask).toBe(0x1fffe000)
  })

  it("takes a job that came before the answer to subscribe, the latest one", () => {
    const pool = new Pool()
    pool.send(0, difficulty(8), notify("1", true), notify("2", false))
    expect(pool.of("JobReceived")).toEqual([])
    pool.send(0, SUBSCRIBED)
    expect(pool.events.map(({ _tag }) => _tag)).toEqual(["Subscribed", "JobReceived"])
    expect(pool.of("JobReceived")[0]!.job).toMatchObject({
      notify: { jobId: "2" },
      clean: true,
      target: targetOfDifficulty(8)
    })
  })

  it("tries a refused subscribe again without parameters, as cgminer does, and then gives up", () => {
    const pool = new Pool({ versionMask: 0 })
    pool.heard()
    pool.send(0, '{"id":1,"result":null,"error":[20,"too many parameters",null]}')
    expect(pool.heard()).toEqual([{ id: 2, method: "mining.subscribe", params: [] }])
    pool.send(0, '{"id":2,"result":null,"error":[20,"go away",null]}')
    expect(pool.of("Failed")[0]!.error).toBeInstanceOf(RefusedError)
    expect(pool.of("Failed")[0]!.error.message).toContain("go away")
    expect(pool.send(0, SUBSCRIBED)).toEqual([])
  })

  it("ends with an answer to subscribe that is none, and with none in time", () => {
    const pool = new Pool()
    pool.send(0, '{"result":[[["mining.notify","abc"]],"4de05269"],"id":2,"error":null}')
    expect(pool.of("Failed")[0]!.error).toBeInstanceOf(ParamsError)
    const silent = new Pool({ answerWithinMs: 1000 })
    expect(silent.client.tick(999)).toEqual([])
    expect(silent.client.tick(1000)).toMatchObject([
      { _tag: "Failed", error: { _tag: "SilenceError", awaited: "mining.subscribe" } }
    ])
  })
})

describe("a job", () => {
  it("has the difficulty that came last before it, and keeps it", () => {
    const pool = Pool.working()
    pool.send(0, difficulty(1024))
    expect(pool.of("JobReceived")).toHaveLength(1)
    pool.send(0, notify("2", false), difficulty(1), notify("3", false))
    expect(pool.of("JobReceived").map(({ job }) => job.target)).toEqual([512, 1024, 1].map(targetOfDifficulty))
  })

  it("has difficulty 1 where the pool has said none, and a target where it says that", () => {
    const pool = new Pool()
    pool.send(0, SUBSCRIBED, notify("1", true))
    pool.send(
      0,
      `{"id":null,"method":"mining.set_target","params":["${"00".repeat(8)}${"ff".repeat(24)}"]}`,
      notify("2", true)
    )
    const [first, second] = pool.of("JobReceived").map(({ job }) => job.target)
    expect(first).toEqual(targetOfDifficulty(1))
    expect(second!.filter((byte) => byte === 0xff)).toHaveLength(24)
    expect(second![31]).toBe(0)
  })

  it("has the extranonce and version mask from the notify on, and the one before keeps its own", () => {
    const pool = Pool.working()
    pool.send(
      0,
      '{"id":1,"method":"mining.set_extranonce","params":["deadbeef",8]}',
      '{"id":null,"method":"mining.set_version_mask","params":["00ffe000"]}'
    )
    pool.send(0, notify("2", false))
    const seen = pool
      .of("JobReceived")
      .map(({ job }) => [Buffer.from(job.extranonce1).toString("hex"), job.extranonce2Size, job.versionMask])
    expect(seen).toEqual([
      ["4de05269", 4, 0x1fffe000],
      ["deadbeef", 8, 0x00ffe000]
    ])
  })

  it("is clean where the pool says so, where its previous hash is another, and as the first", () => {
    const pool = new Pool()
    pool.send(0, SUBSCRIBED, notify("1", false), notify("2", false), notify("3", true), notify("4", false, "cd"))
    expect(pool.of("JobReceived").map(({ job }) => job.clean)).toEqual([true, false, true, true])
  })

  it("that is none is told and ignored", () => {
    const pool = Pool.working()
    pool.send(0, '{"id":null,"method":"mining.notify","params":[]}', difficulty(0))
    expect(pool.of("Malformed").map(({ error }) => [error.method, error.field])).toEqual([
      ["mining.notify", "jobId"],
      ["mining.set_difficulty", "difficulty"]
    ])
    pool.send(0, notify("2", false))
    expect(pool.of("JobReceived").at(-1)!.job.target).toEqual(targetOfDifficulty(512))
  })
})

describe("a share", () => {
  it("is submitted with the bits that its job lets it roll, and answered under its number", () => {
    const pool = Pool.working()
    const { job } = pool.of("JobReceived")[0]!
    const first = pool.client.submit(job, "w", share, 100)!
    const second = pool.client.submit({ ...job, versionMask: 0 }, "w", share, 100)!
    expect(pool.heard().map(({ params }) => params)).toEqual([
      ["w", "1", "01020304", "64495522", "deadbeef", "00b44000"],
      ["w", "1", "01020304", "64495522", "deadbeef"]
    ])
    pool.send(
      350,
      `{"id":${second},"result":null,"error":[23,"high-hash",null]}`,
      `{"id":${first},"result":true,"error":null}`
    )
    expect(pool.of("ShareAnswered")).toEqual([
      { _tag: "ShareAnswered", share: second, refusal: { code: 23, text: "high-hash" }, tookMs: 250 },
      { _tag: "ShareAnswered", share: first, refusal: undefined, tookMs: 250 }
    ])
    expect(pool.send(400, `{"id":${first},"result":true,"error":null}`)).toEqual([])
  })

  it("without an answer in time is refused, and its late answer changes nothing", () => {
    const pool = Pool.working({ answerWithinMs: 1000 })
    const { job } = pool.of("JobReceived")[0]!
    const [first, second] = [500, 900].map((now) => pool.client.submit(job, "w", share, now)!)
    pool.send(1000, difficulty(2))
    expect(pool.client.tick(1499).filter(({ _tag }) => _tag === "ShareAnswered")).toEqual([])
    expect(pool.client.tick(1500)).toMatchObject([
      { share: first, refusal: { code: 20, text: "no answer within 1 s" } }
    ])
    expect(pool.client.pendingShares).toBe(1)
    expect(pool.send(1600, `{"id":${first},"result":true,"error":null}`)).toEqual([])
    expect(pool.send(1600, `{"id":${second},"result":true,"error":null}`)).toHaveLength(1)
  })

  it("is not submitted while too many wait for a silent pool", () => {
    const pool = Pool.working({ maxPendingShares: 3, answerWithinMs: 1000 })
    const { job } = pool.of("JobReceived")[0]!
    const numbers = Array.from({ length: 6 }, () => pool.client.submit(job, "w", share, 10))
    expect(numbers.filter((number) => number !== undefined)).toHaveLength(3)
    // A worker is named all the same.
    pool.heard()
    pool.client.authorize("v", "", 10)
    expect(pool.heard()).toMatchObject([{ method: "mining.authorize" }])
    pool.send(1000)
    pool.client.tick(1010)
    expect(pool.client.submit(job, "w", share, 1010)).toBeDefined()
  })

  it("without an answer is refused when the connection ends, before that is told", () => {
    const pool = Pool.working()
    const { job } = pool.of("JobReceived")[0]!
    pool.client.submit(job, "w", share, 100)
    const error = new LineError({ reason: "too-long", expected: "a line of at most 10 bytes", actual: "a longer one" })
    expect(pool.client.fail(error, 200).map(({ _tag }) => _tag)).toEqual(["ShareAnswered", "Failed"])
    expect(pool.client.submit(job, "w", share, 300)).toBeUndefined()
    expect(pool.client.fail(error, 400)).toEqual([])
    expect(pool.client.end(400)).toEqual([])
  })

  it("without an answer is refused when the socket was closed", () => {
    const pool = Pool.working()
    const { job } = pool.of("JobReceived")[0]!
    const number = pool.client.submit(job, "w", share, 100)
    expect(pool.client.end(200)).toMatchObject([{ share: number, refusal: { code: 20 }, tookMs: 100 }])
  })
})

describe("what a pool asks", () => {
  it("is answered: the version, a ping, and an error for what is unknown or wrong", () => {
    const pool = Pool.working()
    pool.send(
      0,
      '{"id":10,"method":"client.get_version","params":[]}',
      '{"id":"p","method":"mining.ping","params":[]}',
      '{"id":11,"method":"mining.set_goal","params":["x"]}',
      '{"id":12,"method":"mining.set_difficulty","params":[]}'
    )
    const heard = pool.heard()
    expect(heard.slice(0, 2)).toEqual([
      { id: 10, result: "sluice/0.1.0", error: null },
      { id: "p", result: "pong", error: null }
    ])
    expect(heard.slice(2).map(({ error, id }) => [id, (error as Array<unknown>)[0]])).toEqual([
      [11, 20],
      [12, 20]
    ])
  })

  it("is never answered with the id null", () => {
    const pool = Pool.working()
    pool.send(
      0,
      ...["client.get_version", "mining.ping", "mining.set_goal", "mining.set_difficulty"].map(
        (method) => `{"id":null,"method":"${method}","params":[]}`
      )
    )
    expect(pool.heard()).toEqual([])
  })

  it("is shown where it is a message, or an error that answers nothing", () => {
    const pool = Pool.working()
    pool.send(
      0,
      '{"id":null,"method":"client.show_message","params":["Welcome to the pool!"]}',
      '{"id":null,"result":null,"error":[20,"Suggest difficulty validation error",", null"]}'
    )
    expect(pool.send(0, "{}", '{"id":null,"result":true,"error":null}', '{"id":77,"error":"late"}')).toEqual([])
    expect(pool.of("Message").map(({ text }) => text)).toEqual([
      "Welcome to the pool!",
      "Suggest difficulty validation error"
    ])
  })

  it("is told where it is to connect elsewhere, and work goes on until then", () => {
    const pool = Pool.working()
    pool.send(
      0,
      '{"id":null,"method":"client.reconnect","params":["b.example.com","3334",5]}',
      '{"id":null,"method":"client.reconnect","params":["",0]}',
      notify("2", false)
    )
    expect(pool.of("ReconnectAsked")).toEqual([
      { _tag: "ReconnectAsked", host: "b.example.com", port: 3334, waitSeconds: 5 },
      { _tag: "ReconnectAsked", host: undefined, port: undefined, waitSeconds: 0 }
    ])
    expect(pool.of("JobReceived")).toHaveLength(2)
  })
})

it("a pool that sends nothing for too long ends the connection", () => {
  const pool = Pool.working({ silenceMs: 5000 })
  pool.send(1000, difficulty(2))
  expect(pool.client.tick(5999)).toEqual([])
  const [failed] = pool.client.tick(6000)
  expect(failed).toMatchObject({ _tag: "Failed", error: expect.any(SilenceError) })
  expect(pool.client.tick(7000)).toEqual([])
})

it.each([
  ["eu.pool.example", undefined, true],
  ["eu.pool.example", "", true],
  ["eu.pool.example", "US.Pool.Example", true],
  ["eu.pool.example", "eu.pool.example.evil.test", false],
  ["eu.pool.example", "evil.test", false],
  ["pool.com", "evil.com", false],
  ["pool.com", "POOL.com", true],
  ["10.0.0.1", "10.0.0.2", false],
  ["10.0.0.1", "11.0.0.1", false],
  ["10.0.0.1", "10.0.0.1", true],
  ["::1", "::2", false],
  ["localhost", "evil.localhost", false]
])("a reconnect from %j to %j stays on the site: %s", (host, other, same) => {
  expect(Client.isSameSite(host, other)).toBe(same)
})
