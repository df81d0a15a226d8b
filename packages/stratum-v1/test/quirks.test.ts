/** What real miners and pools send, each line as it is sent, and what is read in it. */
import { describe, expect, it } from "vitest"
import { ParamsError, ToClient, ToServer } from "../src/index.ts"
import { readRefusal, readRequestId } from "../src/message/answer.ts"
import { message, params, read } from "./lines.ts"

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

describe("mining.subscribe", () => {
  it.each([
    ["a Bitaxe", '{"id": 1, "method": "mining.subscribe", "params": ["bitaxe v2.2"]}', "bitaxe v2.2", undefined],
    [
      "Braiins OS",
      '{"id":1,"method":"mining.subscribe","params":["Braiins OS 22.08",null,"pool.example:3333",null]}',
      "Braiins OS 22.08",
      undefined
    ],
    [
      "NiceHash, with a time",
      '{"id":1,"method":"mining.subscribe","params":["NiceHash/1.0.0",1700000000]}',
      "NiceHash/1.0.0",
      "1700000000"
    ],
    [
      "a Whatsminer, with a session of odd length",
      '{"id":1,"method":"mining.subscribe","params":["whatsminer/v1","57a6f09"]}',
      "whatsminer/v1",
      "57a6f09"
    ],
    ["Braiins' prober", '{"id":1,"method":"mining.subscribe","params":[]}', undefined, undefined],
    ["a miner without params", '{"id":1,"method":"mining.subscribe"}', undefined, undefined],
    ["a miner with null params", '{"id":1,"method":"mining.subscribe","params":null}', undefined, undefined],
    ["a miner with junk", '{"id":1,"method":"mining.subscribe","params":[{"a":1},[[]],true]}', undefined, undefined]
  ])("of %s", (_, line, userAgent, session) => {
    expect(ToServer.Subscribe.read(params(line))).toMatchObject({ userAgent, session })
  })

  it.each([
    [
      "ESP-Miner's test",
      '{"result":[[["mining.notify","695482c0"]],"4de05269",8],"id":2,"error":null}',
      "695482c0",
      "4de05269",
      8
    ],
    ["no subscriptions", '{"result":[[],"deadbeef",8],"id":2,"error":null}', undefined, "deadbeef", 8],
    ["a flat subscription", '{"result":[["mining.notify","1"],"deadbeef",4],"id":2,"error":null}', "1", "deadbeef", 4],
    [
      "subscriptions in the outer list",
      '{"result":["mining.notify","1","deadbeef",4],"id":2,"error":null}',
      "1",
      "deadbeef",
      4
    ],
    [
      "two subscriptions",
      '{"id":1,"result":[[["mining.set_difficulty","b4b6693b"],["mining.notify","ae6812eb"]],"08000002",4],"error":null}',
      "ae6812eb",
      "08000002",
      4
    ],
    ["null for subscriptions", '{"id":1,"result":[null,"08000002",4],"error":null}', undefined, "08000002", 4],
    ["a size as text and no extranonce1", '{"id":1,"result":[[["mining.notify",7]],"","6"],"error":null}', "7", "", 6]
  ])("its answer with %s", (_, line, session, extranonce1, extranonce2Size) => {
    const result = message(ToServer.Subscribe.readResult(read(line)[0]!.result))
    expect({ ...result, extranonce1: hex(result.extranonce1) }).toEqual({ session, extranonce1, extranonce2Size })
  })

  it.each([
    '{"result":[[["mining.notify","abc"]],"4de05269"],"id":2,"error":null}',
    '{"result":[[],"4de05269",33],"id":2,"error":null}',
    '{"result":[[],"4de0526",4],"id":2,"error":null}',
    '{"result":true,"id":2,"error":null}'
  ])("refuses the answer %s", (line) => {
    expect(ToServer.Subscribe.readResult(read(line)[0]!.result)).toBeInstanceOf(ParamsError)
  })
})

describe("mining.configure", () => {
  it.each([
    [
      "ESP-Miner",
      '{"id":1,"method":"mining.configure","params":[["version-rolling"],{"version-rolling.mask":"ffffffff"}]}',
      0xffffffff,
      undefined
    ],
    [
      "BIP310",
      '{"id":5,"method":"mining.configure","params":[["minimum-difficulty","version-rolling"],{"minimum-difficulty.value":2048,"version-rolling.mask":"00fff000","version-rolling.min-bit-count":2}]}',
      0x00fff000,
      2
    ],
    [
      "a miner with 0x and a count as text",
      '{"id":1,"method":"mining.configure","params":[["version-rolling"],{"version-rolling.mask":"0x1FFFE000","version-rolling.min-bit-count":"16"}]}',
      0x1fffe000,
      16
    ],
    [
      "a miner without options",
      '{"id":1,"method":"mining.configure","params":[["version-rolling"]]}',
      undefined,
      undefined
    ],
    [
      "a miner with a null mask",
      '{"id":1,"method":"mining.configure","params":[["version-rolling"],{"version-rolling.mask":null}]}',
      undefined,
      undefined
    ]
  ])("of %s", (_, line, versionRollingMask, versionRollingMinBitCount) => {
    const { extensions, options } = message(ToServer.Configure.read(params(line)))
    expect(extensions).toContain("version-rolling")
    expect(options?.versionRollingMask).toBe(versionRollingMask)
    expect(options?.versionRollingMinBitCount).toBe(versionRollingMinBitCount)
  })

  it.each(['[["version-rolling"],[]]', "[]", '["version-rolling"]'])("says what is wrong in %s", (text) => {
    expect(ToServer.Configure.read(JSON.parse(text))).toBeInstanceOf(ParamsError)
  })

  it("its answer with a mask, with 0x, and refused", () => {
    const result = (text: string) => message(ToServer.Configure.readResult(JSON.parse(text)))
    expect(result('{"version-rolling":true,"version-rolling.mask":"1fffe000"}')).toMatchObject({
      versionRolling: true,
      versionRollingMask: 0x1fffe000
    })
    expect(result('{"version-rolling":true,"version-rolling.mask":"0x1fffe000","other":[]}')).toMatchObject({
      versionRollingMask: 0x1fffe000
    })
    expect(result('{"version-rolling":false}')).toMatchObject({ versionRolling: false, versionRollingMask: undefined })
  })
})

describe("mining.submit", () => {
  it.each([
    [
      "a Bitaxe",
      '{"id": 5, "method": "mining.submit", "params": ["tb1q.bitaxe3", "1", "c7080000", "64b3f3ec", "ed460d91", "00002000"]}',
      "1",
      0x64b3f3ec,
      0xed460d91,
      0x2000
    ],
    [
      "cpuminer, without version bits",
      '{"method": "mining.submit", "params": ["w", "bf", "00000001", "504e86ed", "b2957c02"], "id":4}',
      "bf",
      0x504e86ed,
      0xb2957c02,
      undefined
    ],
    [
      "a miner with numbers for texts",
      '{"id":5,"method":"mining.submit","params":["w",17,"00","504e86ed",3,"0x2000"]}',
      "17",
      0x504e86ed,
      3,
      0x2000
    ],
    [
      "a miner without leading zeros, in capitals, with null for the bits",
      '{"id":5,"method":"mining.submit","params":["w","1","00","504E86ED","1a",null]}',
      "1",
      0x504e86ed,
      0x1a,
      undefined
    ]
  ])("of %s", (_, line, jobId, ntime, nonce, versionBits) => {
    expect(ToServer.Submit.read(params(line))).toMatchObject({ jobId, ntime, nonce, versionBits })
  })

  it.each([
    ["worker", '[null,"1","00","504e86ed","00000000"]'],
    ["jobId", '["w",[],"00","504e86ed","00000000"]'],
    ["extranonce2", '["w","1","0","504e86ed","00000000"]'],
    ["extranonce2", '["w","1","0g","504e86ed","00000000"]'],
    ["ntime", '["w","1","00","1504e86ed","00000000"]'],
    ["ntime", '["w","1","00",-1,"00000000"]'],
    ["nonce", '["w","1","00","504e86ed"]'],
    ["nonce", '["w","1","00","504e86ed",1.5]'],
    ["versionBits", '["w","1","00","504e86ed","00000000","é"]'],
    ["params", '{"worker":"w"}']
  ])("says that %s is wrong in %s", (field, text) => {
    const error = ToServer.Submit.read(JSON.parse(text))
    expect(error).toBeInstanceOf(ParamsError)
    expect(error).toMatchObject({ method: "mining.submit", field })
    expect((error as ParamsError).message).toContain("expected")
  })
})

describe("what miners ask for", () => {
  it("is a difficulty as a number or as text", () => {
    expect(
      ToServer.SuggestDifficulty.read(params('{"id": 4, "method": "mining.suggest_difficulty", "params": [512]}'))
    ).toMatchObject({ difficulty: 512 })
    expect(
      ToServer.SuggestDifficulty.read(params('{"id":null,"method":"mining.suggest_difficulty","params":["0.5"]}'))
    ).toMatchObject({ difficulty: 0.5 })
    for (const bad of [0, -1, "", "x", null, Infinity]) {
      expect(ToServer.SuggestDifficulty.read([bad])).toBeInstanceOf(ParamsError)
    }
  })

  it("is a target, the most significant byte first", () => {
    const line =
      '{"id":4,"method":"mining.suggest_target","params":["00000000ffff0000000000000000000000000000000000000000000000000000"]}'
    const { target } = message(ToServer.SuggestTarget.read(params(line)))
    expect(hex(target)).toBe(`${"00".repeat(26)}ffff00000000`)
  })

  it("is authorized with a number for a name, and without a password", () => {
    expect(ToServer.Authorize.read(params('{"id":2,"method":"mining.authorize","params":["w.1"]}'))).toMatchObject({
      worker: "w.1",
      password: undefined
    })
    expect(ToServer.Authorize.read(params('{"id":2,"method":"mining.authorize","params":[42,null]}'))).toMatchObject({
      worker: "42"
    })
  })

  it("is Antminer's multi_version", () => {
    expect(ToServer.MultiVersion.read(params('{"id":3,"method":"mining.multi_version","params":[4]}'))).toMatchObject({
      versions: 4
    })
  })
})

describe("what pools send", () => {
  const parts = `"1b4c3d9041","${"ab".repeat(32)}","01","02",[],"20000004","1705c739","64495522"`
  it.each([
    ["nine parameters", `[${parts},true]`, true],
    ["a parameter more before clean, as in ESP-Miner's test", `[${parts},"64495522",true]`, true],
    ["no clean", `[${parts}]`, false],
    ["clean as a number", `[${parts},1]`, true],
    ["clean as text", `[${parts},"false"]`, false]
  ])("is a notify with %s", (_, text, clean) => {
    const notify = message(ToClient.Notify.read(JSON.parse(text)))
    expect(notify).toMatchObject({
      jobId: "1b4c3d9041",
      version: 0x20000004,
      nbits: 0x1705c739,
      ntime: 0x64495522,
      clean
    })
  })

  it.each(["[]", `["1","00","01","02",[],"20000004","1705c739","64495522",true]`, `[${parts},{}]`])(
    "is no notify: %s",
    (text) => {
      expect(ToClient.Notify.read(JSON.parse(text))).toBeInstanceOf(ParamsError)
    }
  )

  it("is a difficulty as a whole number, a fraction or text", () => {
    for (const [text, difficulty] of [
      ["[1638]", 1638],
      ["[100.5]", 100.5],
      ['["0.001"]', 0.001],
      ["[1e-7]", 1e-7]
    ] as const) {
      expect(ToClient.SetDifficulty.read(JSON.parse(text))).toMatchObject({ difficulty })
    }
  })

  it("is client.reconnect without parameters, with the port as text, and with all", () => {
    const read = (text: string) => ToClient.Reconnect.read(JSON.parse(text))
    expect(read("[]")).toMatchObject({ host: undefined, port: undefined, waitSeconds: undefined })
    expect(read('["pool.example.com","3333"]')).toMatchObject({ host: "pool.example.com", port: 3333 })
    expect(read('["pool.example.com",3333,10]')).toMatchObject({ port: 3333, waitSeconds: 10 })
  })

  it("is set_extranonce, whatever its id", () => {
    const line = '{"id":1,"method":"mining.set_extranonce","params":["deadbeef",8]}'
    expect(hex(message(ToClient.SetExtranonce.read(params(line))).extranonce1)).toBe("deadbeef")
    expect(ToClient.SetExtranonce.read([])).toBeInstanceOf(ParamsError)
  })
})

describe("an answer", () => {
  it.each([
    ["an accepted share", '{"id":4,"error":null,"result":true}', undefined],
    ["an accepted share without an error", '{"id":4,"result":true}', undefined],
    ["an accepted share with an empty error", '{"id":4,"result":true,"error":""}', undefined],
    [
      "ESP-Miner's test of an error list",
      '{"id":4,"result":null,"error":[21,"Job not found",""]}',
      { code: 21, text: "Job not found" }
    ],
    [
      "a pool that says high-hash",
      '{"id":4,"result":null,"error":[23,"high-hash",null]}',
      { code: 23, text: "high-hash" }
    ],
    [
      "a pool with its own code",
      '{"id":4,"result":null,"error":[40,"Unknown worker"]}',
      { code: 40, text: "Unknown worker" }
    ],
    ["a text", '{"result":false,"error":"Stale","id":618}', { code: 21, text: "Stale" }],
    [
      "an object",
      '{"jsonrpc":"2.0","error":{"code":22,"message":"duplicate share","data":null},"id":42}',
      { code: 22, text: "duplicate share" }
    ],
    ["an object with the code alone", '{"error":{"code":22},"id":42}', { code: 22, text: "refused without a reason" }],
    [
      "ckpool",
      '{"reject-reason":"Above target 2","result":false,"error":null,"id":8}',
      { code: 23, text: "Above target 2" }
    ],
    ["a bare false", '{"id":8,"result":false,"error":null}', { code: 20, text: "refused" }],
    ["nothing at all", '{"id":10,"result":null,"error":null}', { code: 20, text: "refused" }],
    ["a number", '{"id":8,"result":null,"error":-32601}', { code: -32601, text: "error -32601" }],
    ["true", '{"id":8,"result":null,"error":true}', { code: 20, text: "refused without a reason" }],
    ["an empty list", '{"id":8,"result":null,"error":[]}', { code: 20, text: "refused without a reason" }],
    [
      "an unauthorized worker",
      '{"id":8,"result":null,"error":"Unauthorized worker"}',
      { code: 24, text: "Unauthorized worker" }
    ]
  ])("of %s", (_, line, refusal) => {
    expect(readRefusal(read(line)[0]!)).toEqual(refusal)
  })
})

describe("the id of a request", () => {
  it.each([
    ["a number", '{"id":4}', 4],
    ["0", '{"id":0}', 0],
    ["bfgminer's text", '{"id":"auth"}', "auth"],
    ["null: no answer", '{"id":null}', null],
    ["missing: no answer", "{}", null],
    ["a list: cannot be answered", '{"id":[1]}', undefined],
    ["infinity: cannot be answered", '{"id":1e999}', undefined],
    ["a text that is too long", `{"id":"${"x".repeat(65)}"}`, undefined]
  ])("is %s", (_, line, id) => {
    expect(readRequestId(read(line)[0]!.id)).toBe(id)
  })
})
