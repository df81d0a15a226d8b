/** The server's end until work flows: whatever order a miner says things in, and what it is told in which order. */
import { describe, expect, it } from "vitest"
import { FloodError, LineError, SilenceError } from "../src/index.ts"
import { AUTHORIZE, job, kinds, Miner, SUBSCRIBE } from "./server-fixture.ts"

const CONFIGURE =
  '{"id":3,"method":"mining.configure","params":[["version-rolling"],{"version-rolling.mask":"ffffffff"}]}'
const SUGGEST = '{"id":4,"method":"mining.suggest_difficulty","params":[512]}'
const EXTRANONCE = '{"id":5,"method":"mining.extranonce.subscribe","params":[]}'

describe("a handshake", () => {
  it.each([
    ["a Bitaxe", [CONFIGURE, SUBSCRIBE, AUTHORIZE, SUGGEST, EXTRANONCE]],
    ["ckpool's clients, which authorize first", [AUTHORIZE, SUBSCRIBE, CONFIGURE]],
    ["a miner that asks for a difficulty first", [SUGGEST, AUTHORIZE, EXTRANONCE, SUBSCRIBE]]
  ])("in the order of %s is answered in that order, then comes the work", (_, lines) => {
    const miner = new Miner()
    miner.server.notify(job("1"))
    miner.send(...lines)
    miner.authorized()
    miner.subscribed()
    const ids = lines.map((line) => JSON.parse(line).id as number)
    const heard = miner.heard()
    expect(kinds(heard)).toEqual([...ids, "mining.set_difficulty", "mining.notify"])
    for (const line of heard.slice(0, ids.length)) expect(line.error).toBeNull()
  })

  it("has nothing but answers before the answer to subscribe, for that is what miners take the next line for", () => {
    const miner = new Miner()
    miner.send(SUBSCRIBE, CONFIGURE, SUGGEST)
    miner.server.setDifficulty(16)
    miner.server.notify(job("1"))
    miner.server.notify(job("2"))
    miner.server.showMessage("hello")
    miner.server.askVersion()
    miner.server.setVersionMask(0x1fffffe0)
    expect(miner.heard()).toEqual([])
    miner.subscribed()
    const heard = miner.heard()
    expect(kinds(heard)).toEqual([1, 3, 4, "mining.set_version_mask", "mining.set_difficulty", "mining.notify"])
    expect(heard.at(-2)!.params).toEqual([16])
    expect((heard.at(-1)!.params as Array<unknown>)[0]).toBe("2")
  })

  it("of Braiins' prober gets its difficulty and job at once, without authorize", () => {
    const miner = new Miner()
    miner.server.notify(job("1"))
    miner.send('{"id":1,"method":"mining.subscribe","params":[]}')
    miner.subscribed()
    expect(kinds(miner.heard())).toEqual([1, "mining.set_difficulty", "mining.notify"])
  })

  it("gives a session that a miner says it had to the layer above, and the answer as ckpool writes it", () => {
    const miner = new Miner()
    miner.send('{"id":"sub","method":"mining.subscribe","params":["cgminer/4.12.1","57a6f098"]}')
    expect(miner.of("Subscribe")[0]).toMatchObject({ userAgent: "cgminer/4.12.1", session: "57a6f098" })
    miner.subscribed(8)
    expect(miner.heard()).toEqual([
      { id: "sub", result: [[["mining.notify", "4128064f"]], "4128064f", 8], error: null }
    ])
  })

  it("answers a subscribe that is sent again as the first, before and after it was answered", () => {
    const miner = new Miner()
    miner.send(SUBSCRIBE, '{"id":7,"method":"mining.subscribe","params":[]}')
    miner.subscribed()
    miner.send('{"id":8,"method":"mining.subscribe","params":[]}')
    const heard = miner.heard()
    expect(kinds(heard)).toEqual([1, 7, 8])
    expect(miner.of("Subscribe")).toHaveLength(1)
    for (const { result } of heard) expect(result).toEqual(heard[0]!.result)
  })

  it("may be tried again after it was refused", () => {
    const miner = new Miner()
    miner.server.notify(job("1"))
    miner.send(SUBSCRIBE)
    miner.server.refuse(miner.of("Subscribe")[0]!.request, { code: 20, text: "no space" })
    expect(miner.heard()).toEqual([{ id: 1, result: null, error: [20, "no space", null] }])
    miner.send(SUBSCRIBE)
    miner.subscribed()
    expect(kinds(miner.heard())).toEqual([1, "mining.set_difficulty", "mining.notify"])
  })

  it("may name several workers, and one again", () => {
    const miner = Miner.working()
    miner.send(
      '{"id":5,"method":"mining.authorize","params":["v","d=16"]}',
      '{"id":6,"method":"mining.authorize","params":["v",""]}'
    )
    expect(miner.of("Authorize").map(({ password, worker }) => [worker, password])).toEqual([
      ["w", "x"],
      ["v", "d=16"]
    ])
    miner.server.refuse(miner.of("Authorize")[1]!.request, { code: 24, text: "who?" })
    expect(kinds(miner.heard())).toEqual([5, 6])
    miner.send(
      '{"id":7,"method":"mining.authorize","params":["v",""]}',
      '{"id":8,"method":"mining.authorize","params":["w",""]}'
    )
    miner.authorized()
    expect(miner.heard().map(({ id, result }) => [id, result])).toEqual([
      [7, true],
      [8, true]
    ])
    expect([...miner.server.workers]).toEqual(["w", "v"])
  })

  it("may name two workers at once, each with its own answer", () => {
    const miner = Miner.working()
    miner.send(...["v", "u"].map((name, i) => `{"id":${i + 5},"method":"mining.authorize","params":["${name}"]}`))
    const [, v, u] = miner.of("Authorize")
    miner.server.accept(u!.request)
    miner.server.refuse(v!.request, { code: 24, text: "who?" })
    expect(miner.heard().map(({ error, id, result }) => [id, result, error])).toEqual([
      [5, null, [24, "who?", null]],
      [6, true, null]
    ])
    expect([...miner.server.workers]).toEqual(["w", "u"])
  })

  it("does not hold up work while a second worker waits for its answer", () => {
    const miner = Miner.working()
    miner.send('{"id":5,"method":"mining.authorize","params":["v",""]}')
    miner.server.notify(job("2"))
    expect(kinds(miner.heard())).toEqual(["mining.notify"])
  })

  it("refuses a worker above the limit", () => {
    const miner = new Miner({ maxWorkers: 2 })
    miner.send(
      AUTHORIZE,
      ...["v", "u"].map((name, i) => `{"id":${i + 5},"method":"mining.authorize","params":["${name}"]}`)
    )
    miner.authorized()
    expect(miner.heard().map(({ error, id }) => [id, error !== null])).toEqual([
      [2, false],
      [5, false],
      [6, true]
    ])
  })

  it("never answers null, bfgminer's id of what wants no answer", () => {
    const miner = new Miner()
    miner.send(
      ...[SUBSCRIBE, AUTHORIZE, CONFIGURE, SUGGEST].map((line) => line.replace(/"id":\d/, '"id":null')),
      '{"id":null,"method":"x"}'
    )
    miner.subscribed()
    miner.authorized()
    expect(miner.heard()).toEqual([])
    miner.server.notify(job("1"))
    expect(kinds(miner.heard())).toEqual(["mining.set_difficulty", "mining.notify"])
  })
})

describe("what a miner asks", () => {
  it.each([
    ["ffffffff", "1fffe000"],
    ["0x00ffe000", "00ffe000"],
    ["00000000", undefined]
  ])("to roll within %s is granted within BIP320: %s", (asked, granted) => {
    const miner = new Miner()
    miner.send(CONFIGURE.replace("ffffffff", asked))
    const expected =
      granted === undefined
        ? { "version-rolling": false }
        : { "version-rolling": true, "version-rolling.mask": granted }
    expect(miner.heard()).toEqual([{ id: 3, result: expected, error: null }])
    expect(miner.of("Configured")[0]!.versionMask).toBe(Number.parseInt(granted ?? "0", 16))
  })

  it("to roll without a mask is granted all bits, and none where none may be rolled", () => {
    const line = '{"id":3,"method":"mining.configure","params":[["version-rolling"],{}]}'
    const all = new Miner({ versionMask: 0xffffffff })
    all.send(line)
    expect(all.heard()[0]!.result).toEqual({ "version-rolling": true, "version-rolling.mask": "1fffffe0" })
    const none = new Miner({ versionMask: 0 })
    none.send(line)
    expect(none.heard()[0]!.result).toEqual({ "version-rolling": false })
  })

  it("of other extensions is answered for each", () => {
    const miner = new Miner()
    miner.send(
      '{"id":3,"method":"mining.configure","params":[["minimum-difficulty","subscribe-extranonce","unheard-of"],{"minimum-difficulty.value":2048,"info.hw-version":"S21"}]}'
    )
    expect(miner.heard()[0]!.result).toEqual({ "minimum-difficulty": true, "subscribe-extranonce": true })
    expect(miner.of("Configured")[0]).toMatchObject({ minimumDifficulty: 2048, hardwareVersion: "S21", versionMask: 0 })
    expect(miner.server.understandsExtranonce).toBe(true)
  })

  it.each([
    ["minimum-difficulty.value", 0, true],
    ["minimum-difficulty.value", -1, false],
    ["minimum-difficulty.value", "much", false],
    ["info.hw-version", {}, true],
    ["version-rolling.min-bit-count", "few", true]
  ])("with %s %j costs no other extension", (key, value, grantsMinimum) => {
    const miner = new Miner()
    const options = { "version-rolling.mask": "1fffe000", "minimum-difficulty.value": 1, [key]: value }
    const params = [["minimum-difficulty", "version-rolling"], options]
    miner.send(JSON.stringify({ id: 3, method: "mining.configure", params }))
    expect(miner.heard()).toEqual([
      {
        id: 3,
        result: {
          "version-rolling": true,
          "version-rolling.mask": "1fffe000",
          "minimum-difficulty": grantsMinimum
        },
        error: null
      }
    ])
    const isMinimum = key !== "minimum-difficulty.value"
    expect(miner.of("Configured")[0]!.minimumDifficulty).toBe(isMinimum ? 1 : undefined)
  })

  it("to roll versions with a mask that cannot be read is refused, and only that", () => {
    const miner = new Miner()
    miner.send(
      '{"id":3,"method":"mining.configure","params":[["version-rolling","subscribe-extranonce"],{"version-rolling.mask":"all"}]}'
    )
    expect(miner.heard()[0]!.result).toEqual({ "version-rolling": false, "subscribe-extranonce": true })
  })

  it("is told to the layer above as a difficulty or a target", () => {
    const miner = new Miner()
    miner.send(SUGGEST, `{"id":5,"method":"mining.suggest_target","params":["${"00".repeat(31)}01"]}`)
    expect(miner.of("Suggested").map(({ difficulty, target }) => [difficulty, target?.[0]])).toEqual([
      [512, undefined],
      [undefined, 1]
    ])
    expect(miner.heard().map(({ result }) => result)).toEqual([true, true])
  })

  it("is answered where it is a ping, Antminer's multi_version or something for which there is no answer", () => {
    const miner = Miner.working()
    miner.send(
      '{"id":5,"method":"mining.ping","params":[]}',
      '{"id":6,"method":"mining.multi_version","params":[4]}',
      '{"id":7,"method":"mining.get_transactions","params":["1"]}'
    )
    expect(miner.heard().map(({ error, id, result }) => [id, result, error === null])).toEqual([
      [5, "pong", true],
      [6, true, true],
      [7, null, false]
    ])
  })

  it("is answered with an error where the method is unknown, is none, or has the wrong parameters", () => {
    const miner = new Miner()
    miner.send(
      '{"id":5,"method":"eth_submitHashrate","params":["0x1"]}',
      '{"id":6,"method":{},"params":[]}',
      '{"id":7}',
      '{"id":8,"method":"mining.authorize","params":[[]]}',
      '{"id":9,"method":"mining.configure","params":"version-rolling"}'
    )
    const heard = miner.heard()
    expect(kinds(heard)).toEqual([5, 6, 7, 8, 9])
    for (const { error, result } of heard) {
      expect(result).toBeNull()
      expect((error as Array<unknown>)[0]).toBe(20)
    }
    expect(miner.of("Refused").map(({ method }) => method)).toEqual([
      "eth_submitHashrate",
      "request",
      "request",
      "mining.authorize",
      "mining.configure"
    ])
  })

  it("is answered with the id null where its own cannot be sent back", () => {
    const miner = new Miner()
    miner.send(
      `{"id":${"[".repeat(4000)}${"]".repeat(4000)},"method":"mining.subscribe"}`,
      `{"id":"${"x".repeat(65)}","method":"mining.submit"}`,
      '{"id":true}'
    )
    expect(miner.heard().map(({ error, id }) => [id, (error as Array<unknown>)[0]])).toEqual([
      [null, 20],
      [null, 20],
      [null, 20]
    ])
    expect(miner.of("Subscribe")).toEqual([])
  })
})

describe("a connection ends", () => {
  it("when more requests wait than the limit", () => {
    const miner = new Miner({ maxWaiting: 3 })
    miner.send(...[1, 2, 3, 4, 5].map((id) => `{"id":${id},"method":"mining.subscribe","params":[]}`))
    expect(miner.events.at(-1)).toMatchObject({ _tag: "Closing" })
    expect(miner.of("Closing")[0]!.reason).toBeInstanceOf(FloodError)
    expect(miner.of("Closing")).toHaveLength(1)
    expect(miner.send(AUTHORIZE)).toEqual([])
  })

  it("when other requests wait behind an unanswered one without end", () => {
    const miner = new Miner()
    miner.send(SUBSCRIBE, ...Array.from({ length: 10_000 }, (_, id) => `{"id":${id},"method":"mining.ping"}`))
    expect(miner.of("Closing")[0]!.reason).toMatchObject({ _tag: "FloodError", limit: 64 })
  })

  it("after the line that tells what was wrong with a line", () => {
    const miner = Miner.working()
    const error = new LineError({ reason: "not-json", expected: "a JSON object and a line feed", actual: '"x"' })
    expect(miner.server.fail(error)).toEqual([{ _tag: "Closing", reason: error }])
    expect(miner.heard()).toEqual([{ id: null, result: null, error: [20, error.message, null] }])
    miner.server.notify(job("2"))
    expect(miner.heard()).toEqual([])
  })

  it.each(["{}", '{"id":null,"params":[]}', '{"id":[]}', '{"jsonrpc":"2.0"}'])(
    "with a line that is no message: %s",
    (line) => {
      const miner = Miner.working()
      expect(miner.send(line, '{"id":5,"method":"mining.ping"}')).toMatchObject([
        { _tag: "Closing", reason: { _tag: "LineError", reason: "no-message" } }
      ])
      expect(miner.heard().map(({ error, id }) => [id, (error as Array<unknown>)[0]])).toEqual([[null, 20]])
    }
  )

  it("when the miner does not subscribe in time, but not while its subscribe waits for an answer", () => {
    const silent = new Miner({ subscribeWithinMs: 1000 }, 500)
    expect(silent.server.tick(1499)).toEqual([])
    expect(silent.server.tick(1500)[0]).toMatchObject({ _tag: "Closing", reason: expect.any(SilenceError) })
    expect(silent.server.tick(9999)).toEqual([])
    const waiting = new Miner({ subscribeWithinMs: 1000 })
    waiting.send(SUBSCRIBE)
    expect(waiting.server.tick(5000)).toEqual([])
  })
})
