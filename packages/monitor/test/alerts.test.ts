import { Effect, Result } from "effect"
import { createHmac } from "node:crypto"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { createServer, type IncomingHttpHeaders } from "node:http"
import { type AddressInfo, createServer as createTcpServer } from "node:net"
import { assert, describe, it, onTestFinished } from "vitest"
import { AlertMachine, type Condition, type Notice } from "../src/alerts/alert-machine.ts"
import { workerConditions } from "../src/alerts/conditions.ts"
import { RULES } from "../src/alerts/rules.ts"
import type { AlertName } from "../src/api/alerts.ts"
import { parseReceiver } from "../src/alerts/receiver.ts"
import { hashRate } from "../src/api/hash-rate.ts"
import type { WorkerView } from "../src/api/miners.ts"
import { openDatabase } from "../src/history/database.ts"
import { SLOT_MS, WorkerDays } from "../src/history/worker-days.ts"
import { makeClient } from "@sluice/monitor"
import { emptyStats, served, StandIn } from "./stand-in.ts"

const HOUR = 3_600_000
const condition = (name: Condition["name"], subject = ""): Condition => ({
  name,
  subject,
  message: `${name} ${subject}`
})
const said = (notices: ReadonlyArray<Notice>) => notices.map(({ name, state, subject }) => [name, subject, state])

describe("an alert", () => {
  it("is in the table of the operators' page with its rule", () => {
    const page = readFileSync(new URL("../../../docs/operators/monitoring.md", import.meta.url), "utf8")
    const table = page.split("\n").flatMap((line) => {
      const cells = line.split("|").map((cell) => cell.trim())
      return RULES[cells[1]?.slice(1, -1) as AlertName] === undefined ? [] : [[cells[1], cells[3], cells[4]]]
    })
    const rules = Object.entries(RULES).map(([name, { isMoment, severity, times }]) => [
      `\`${name}\``,
      isMoment ? "a moment" : String(times),
      severity
    ])
    assert.deepStrictEqual(table, rules)
  })

  it("fires after its condition was true several times in a row, and clears when it is not any more", () => {
    const machine = new AlertMachine()
    const refused = [condition("shares-refused")]
    const looks = [refused, refused, [], refused, refused, refused, refused, []]
    const told = looks.map((conditions, index) => said(machine.look(conditions, index * 10_000)))
    const firing = [["shares-refused", "", "firing"]]
    assert.deepStrictEqual(told, [[], [], [], [], [], firing, [], [["shares-refused", "", "cleared"]]])
    assert.deepInclude(machine.views()[0], { state: "cleared", since: 70_000 })
  })

  it("is sent again at most once an hour, also if it clears in between", () => {
    const machine = new AlertMachine()
    let sent = 0
    // True and not true by turns, for three hours.
    for (let now = 0; now < 3 * HOUR; now += 10_000) {
      const notices = machine.look((now / 10_000) % 2 === 0 ? [condition("worker-offline", "a.1")] : [], now)
      sent += notices.filter(({ state }) => state === "firing").length
    }
    assert.strictEqual(sent, 3)
    let steady = 0
    for (let now = 4 * HOUR; now < 6 * HOUR; now += 10_000) steady += machine.look([condition("no-work")], now).length
    assert.strictEqual(steady, 2)
  })

  it("about a moment is told each time, and is over at once", () => {
    const machine = new AlertMachine()
    assert.strictEqual(machine.look([condition("block-found", "aa")], 0).length, 1)
    assert.deepStrictEqual(machine.look([], 10_000), [])
    assert.strictEqual(machine.look([condition("block-found", "bb"), condition("upstream-changed")], 20_000).length, 2)
    assert.strictEqual(machine.look([condition("upstream-changed")], 40_000).length, 1)
    // It is news, and no trouble that the page should show as such.
    assert.strictEqual(machine.firing, 0)
  })

  it("takes no more than a bounded number of subjects, and forgets those that cleared a day ago", () => {
    const machine = new AlertMachine()
    const many = Array.from({ length: 5000 }, (_, index) => condition("worker-offline", `w${index}`))
    assert.strictEqual(machine.look(many, 0).length, 1000)
    machine.look([], 1)
    machine.look([], 2 * 24 * HOUR)
    assert.deepStrictEqual(machine.views(), [])
  })
})

describe("workers", () => {
  const DAY = 24 * HOUR
  const T = Math.floor(Date.now() / DAY) * DAY
  const worker = (name: string, part: number): WorkerView => ({
    worker: name,
    user: "alice",
    channels: 1,
    accepted: 1,
    refused: 0,
    bestDifficulty: 1,
    difficulty: 1,
    // Shares every 0.1 s: a rate of which much is known.
    hashRate: hashRate(part * 2 ** 32 * 10, 300, 1),
    hashRateHour: 0,
    connectedSince: T
  })
  it("are slow below 70 % of their day's mean, and offline after ten minutes; many are one alert", () =>
    Effect.runPromise(
      Effect.scoped(
        Effect.map(openDatabase(undefined), (database) => {
          const days = new WorkerDays(database, T)
          const names = Array.from({ length: 12 }, (_, index) => `alice.${index}`)
          for (let slot = 0; slot < 12; slot++) {
            for (const name of names)
              days.add(name, { difficulty: 6000, accepted: 600, refused: 0 }, T + slot * SLOT_MS)
          }
          const now = T + 12 * SLOT_MS
          const found = (workers: ReadonlyArray<WorkerView>, at: number) =>
            Effect.runSync(workerConditions(workers, days, at)).map(({ name, subject }) => [name, subject])
          const all = (part: number) => names.map((name) => worker(name, part))
          assert.deepStrictEqual(found(all(1), now), [])
          assert.deepStrictEqual(found(all(0.72), now), [])
          assert.deepStrictEqual(found([worker("alice.0", 0.5), ...all(1).slice(1)], now), [["worker-slow", "alice.0"]])
          assert.deepStrictEqual(found(all(0.1), now), [["worker-slow", ""]])
          // Its last share was noted in the slot before.
          assert.deepStrictEqual(found(all(1).slice(1), now - 1000), [])
          assert.deepStrictEqual(found(all(1).slice(1), now + 1000), [["worker-offline", "alice.0"]])
          assert.deepStrictEqual(found([], now + 1000), [["worker-offline", ""]])
          assert.deepStrictEqual(found([], now + 2 * DAY), [])
        })
      )
    ))
})

interface Got {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** An HTTP server that keeps what it gets, and fails at first if asked to. */
const listener = async (failures = 0) => {
  const got: Array<Got> = []
  let left = failures
  const server = createServer((request, response) => {
    let body = ""
    request.setEncoding("utf8").on("data", (part: string) => (body += part))
    request.on("end", () => {
      const isFailure = left-- > 0
      if (!isFailure) got.push({ path: request.url ?? "", headers: request.headers, body })
      response.writeHead(isFailure ? 500 : 200).end()
    })
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  onTestFinished(() => void server.close())
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, got }
}

const notice: Notice = {
  name: "worker-offline",
  subject: "alice.1",
  message: "alice.1 is offline for 10 minutes.",
  at: 1_700_000_000_000,
  state: "firing",
  severity: "warning"
}
const send = (url: string) => Effect.runPromise(Result.getOrThrow(parseReceiver(url)).send(notice))

describe("a receiver", () => {
  it("by webhook gets JSON with a signature over the time and the body", async () => {
    const { got, host } = await listener()
    await send(`webhook+http://${host}/hook?x=1#s3cret%20`)
    const [{ body, headers, path }] = got as [Got]
    assert.strictEqual(path, "/hook?x=1")
    assert.deepStrictEqual(JSON.parse(body), notice)
    const expected = createHmac("sha256", "s3cret ").update(`1700000000.${body}`).digest("hex")
    assert.deepInclude(headers, { "sluice-time": "1700000000", "sluice-signature": `sha256=${expected}` })
  })

  it("by ntfy gets the sentence with a title and a priority, and by Telegram a message for the chat", async () => {
    const { got, host } = await listener()
    await send(`ntfy+http://:tk_1@${host}/my-farm`)
    await send(`telegram+http://${host}/bot12:ab?chat_id=-100`)
    const [first, second] = got as [Got, Got]
    assert.deepStrictEqual([first.path, first.body], ["/my-farm", notice.message])
    assert.deepInclude(first.headers, { title: "worker-offline", priority: "4", authorization: "Bearer tk_1" })
    assert.strictEqual(second.path, "/bot12:ab/sendMessage")
    assert.deepStrictEqual(JSON.parse(second.body), { chat_id: "-100", text: `worker-offline\n${notice.message}` })
  })

  it("by mail gets it over SMTP", async () => {
    const lines: Array<string> = []
    const server = createTcpServer((socket) => {
      let isData = false
      socket.write("220 mail\r\n")
      socket.setEncoding("utf8").on("data", (text: string) => {
        for (const line of text.split("\r\n").filter((line) => line !== "")) {
          lines.push(line)
          if (isData && line !== ".") continue
          isData = line === "DATA"
          socket.write(isData ? "354 go on\r\n" : line === "QUIT" ? "221 bye\r\n" : "250 ok\r\n")
        }
      })
      socket.on("error", () => {})
    }).listen(0, "127.0.0.1")
    await once(server, "listening")
    onTestFinished(() => void server.close())
    const { port } = server.address() as AddressInfo
    await send(`smtp://127.0.0.1:${port}?from=pool@example.com&to=me@example.com`)
    assert.include(lines, "MAIL FROM:<pool@example.com>")
    assert.include(lines, "RCPT TO:<me@example.com>")
    assert.include(lines, "Subject: Sluice: worker-offline")
    assert.include(lines, notice.message)
  })

  it("that cannot be reached is an error without its secrets, and so is a wrong URL", async () => {
    const secret = "hunter2"
    const urls = [
      `webhook+http://127.0.0.1:1/${secret}#${secret}`,
      `ntfy+http://:${secret}@127.0.0.1:1/${secret}`,
      `telegram+http://127.0.0.1:1/bot${secret}?chat_id=1`,
      `smtp://me:${secret}@127.0.0.1:1?from=a@b&to=c@d`
    ]
    for (const url of urls) {
      const receiver = Result.getOrThrow(parseReceiver(url))
      const { message } = await Effect.runPromise(Effect.flip(receiver.send(notice)))
      assert.match(message, /^(webhook|ntfy|telegram|mail) 127\.0\.0\.1:1: /)
      assert.notInclude(message + receiver.name, secret)
    }
    for (const url of [
      `https://${secret}`,
      `webhook+https://h/${secret}`,
      `ntfy+https://${secret}`,
      `telegram+https://h/bot${secret}`,
      `smtps://me:${secret}@h`,
      secret,
      "webhook+https://"
    ]) {
      const parsed = parseReceiver(url)
      assert.isTrue(Result.isFailure(parsed), url)
      if (Result.isFailure(parsed)) assert.notInclude(parsed.failure, secret)
    }
  })
})

it("a block that is found is told to receivers and readers of the API, and the page shows which alerts fire", async () => {
  const { got, host } = await listener()
  const receivers = [Result.getOrThrow(parseReceiver(`webhook+http://${host}/#secret`))]
  const standIn = new StandIn()
  await served(standIn, { receivers }, (url, { alerts }) =>
    Effect.gen(function* () {
      const { monitor } = yield* makeClient({ url })
      const channel = { connectionId: 1, channelId: 2, kind: "extended", userIdentity: "alice.rig" } as const
      const found = { _tag: "BlockFound", channel, refusal: undefined, height: 7, hash: "ab".repeat(32) } as const
      yield* standIn.publish({ ...found, found: {} as never })
      standIn.stats = { ...emptyStats, upstream: { _tag: "Disconnected", server: "provider", reason: "it is gone" } }
      for (let look = 0; look < 3; look++) yield* alerts.look
      while (got.length < 2) yield* Effect.sleep(5)
      assert.deepStrictEqual(
        got.map(({ body }) => JSON.parse(body).message),
        ["alice.rig found the block at height 7.", "provider is not connected: it is gone."]
      )
      const { items } = yield* monitor.alerts({ query: {} })
      assert.deepStrictEqual(
        items.map(({ name, state }) => [name, state]),
        [
          ["upstream-lost", "firing"],
          ["block-found", "cleared"]
        ]
      )
      assert.include((yield* monitor.overview()).troubles, "alerts-firing")
      standIn.stats = emptyStats
      yield* alerts.look
      assert.notInclude((yield* monitor.overview()).troubles, "alerts-firing")
    })
  )
})
