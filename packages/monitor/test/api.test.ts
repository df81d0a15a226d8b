import { makeClient } from "@sluice/monitor"
import { Effect, Fiber, Redacted, Stream } from "effect"
import { request } from "node:http"
import { assert, describe, it } from "vitest"
import { channelStats, emptyStats, served, StandIn } from "./stand-in.ts"

const TOKEN = "correct horse battery staple"
const token = Redacted.make(TOKEN)

/** A request with headers that `fetch` does not let anybody set. */
const ask = (
  url: string,
  {
    body,
    headers = {},
    method = "GET",
    path
  }: {
    readonly method?: string
    readonly headers?: Record<string, string>
    readonly body?: string
    readonly path?: string
  } = {}
) =>
  Effect.promise(
    () =>
      new Promise<{ status: number; text: string; headers: NodeJS.Dict<string | Array<string>> }>((resolve, reject) => {
        const { hostname, pathname, port, search } = new URL(url)
        const sent = request({ hostname, port, path: path ?? pathname + search, method, headers }, (response) => {
          let text = ""
          response.setEncoding("utf8").on("data", (part: string) => (text += part))
          response.on("end", () => resolve({ status: response.statusCode ?? 0, text, headers: response.headers }))
        })
        sent.on("error", reject)
        sent.end(body)
      })
  )

const bearer = (text: string) => ({ authorization: `Bearer ${text}` })
const elsewhere = { "x-forwarded-for": "192.0.2.1" }

describe("a server that has no job yet", () => {
  it.each([
    ["pool", "NotReady"],
    ["proxy", "ready"]
  ] as const)("as a %s is %s", async (role, state) => {
    const standIn = new StandIn()
    standIn.stats = { ...emptyStats, height: 0 }
    await served(standIn, { role }, (url) =>
      Effect.gen(function* () {
        const { health } = yield* makeClient({ url })
        const answer = yield* Effect.match(health.ready(), {
          onFailure: ({ _tag }) => _tag,
          onSuccess: () => "ready"
        })
        assert.strictEqual(answer, state)
      })
    )
  })
})

describe("the API", () => {
  it("gives the overview, lists and health through the typed client", async () => {
    const standIn = new StandIn()
    standIn.channels = Array.from({ length: 250 }, (_, index) => channelStats(index + 1, `user${index}.rig`, index))
    standIn.stats = { ...emptyStats, connections: 250, channels: { standard: 0, extended: 250 } }
    await served(standIn, {}, (url) =>
      Effect.gen(function* () {
        const { health, monitor } = yield* makeClient({ url })
        const overview = yield* monitor.overview()
        assert.deepInclude(overview, { role: "pool", connections: 250, height: 100, troubles: [] })
        const first = yield* monitor.workers({ query: {} })
        assert.deepStrictEqual([first.total, first.items.length, first.items[0]?.worker], [250, 100, "user249.rig"])
        const last = yield* monitor.workers({ query: { sort: "worker", order: "desc", limit: 1, offset: 249 } })
        assert.strictEqual(last.items[0]?.worker, "user0.rig")
        const ofOne = yield* monitor.channels({ query: { connectionId: 25 } })
        assert.deepStrictEqual(
          ofOne.items.map(({ connectionId, worker }) => [connectionId, worker]),
          [[25, "user24.rig"]]
        )
        const found = yield* monitor.channels({ query: { search: "USER24." } })
        assert.deepStrictEqual(
          found.items.map(({ worker }) => worker),
          ["user24.rig"]
        )
        const user = yield* monitor.user({ params: { name: "user7" }, query: {} })
        assert.deepStrictEqual([user.refused, user.workers.items[0]?.worker], [1, "user7.rig"])
        assert.strictEqual((yield* monitor.connections({ query: { limit: 5 } })).items.length, 5)
        assert.strictEqual((yield* monitor.users({ query: { offset: 240 } })).items.length, 10)
        assert.deepStrictEqual(yield* health.ready(), { ready: true })
        standIn.stats = { ...standIn.stats, upstream: { _tag: "Disconnected", server: "x", reason: "gone" } }
        assert.strictEqual((yield* Effect.flip(health.ready()))._tag, "NotReady")
        assert.deepStrictEqual((yield* monitor.overview()).troubles, ["no-upstream"])
        const missing = yield* Effect.flip(monitor.user({ params: { name: "nobody" }, query: {} }))
        assert.strictEqual(missing._tag, "NotFound")
      })
    )
  })

  it("describes itself as OpenAPI 3.1, and has a browser for it that loads nothing from elsewhere", async () => {
    await served(new StandIn(), {}, (url) =>
      Effect.gen(function* () {
        const spec = JSON.parse((yield* ask(`${url}/api/openapi.json`)).text)
        assert.strictEqual(spec.openapi, "3.1.0")
        assert.includeMembers(Object.keys(spec.paths), ["/api/overview", "/api/events", "/health/live", "/api/drain"])
        const docs = yield* ask(`${url}/api/docs`)
        assert.strictEqual(docs.status, 200)
        assert.notMatch(docs.text.slice(0, 2000), /<(script|link)[^>]+(src|href)="https?:/)
        assert.match(String(docs.headers["content-security-policy"]), /default-src 'none'/)
      })
    )
  })

  it("lets this machine read without a token, and nobody else", async () => {
    await served(new StandIn(), { token, hostNames: ["pool.example"] }, (url) =>
      Effect.gen(function* () {
        const read = (headers: Record<string, string>) =>
          Effect.map(ask(`${url}/api/overview`, { headers }), ({ status }) => status)
        assert.strictEqual(yield* read({}), 200)
        // Through a proxy on this machine, or by a name that is not this machine's.
        assert.strictEqual(yield* read(elsewhere), 401)
        assert.strictEqual(yield* read({ host: "pool.example" }), 401)
        assert.strictEqual(yield* read({ host: "192.0.2.7" }), 401)
        assert.strictEqual(yield* read({ ...elsewhere, ...bearer(TOKEN) }), 200)
        for (const wrong of ["", "x", TOKEN.slice(1), `${TOKEN}x`, "ÿ".repeat(30), TOKEN.toUpperCase()]) {
          assert.strictEqual(yield* read({ ...elsewhere, ...bearer(wrong) }), 401, wrong)
        }
        assert.strictEqual(yield* read({ ...elsewhere, authorization: `Basic ${TOKEN}` }), 401)
        // Supervisors of containers have no token.
        assert.strictEqual((yield* ask(`${url}/health/live`, { headers: elsewhere })).status, 200)
      })
    )
  })

  it("answers only to its own names, whatever the path", async () => {
    await served(new StandIn(), { hostNames: ["pool.example"] }, (url) =>
      Effect.gen(function* () {
        for (const host of ["evil.example", "127.0.0.1.evil.example", "localhost.evil:80", "[::1].evil", "::1"]) {
          for (const path of ["/", "/api/overview", "/health/live", "/api/openapi.json"]) {
            assert.strictEqual((yield* ask(`${url}${path}`, { headers: { host } })).status, 421, host)
          }
        }
        for (const host of ["localhost:1", "[::1]:80", "POOL.example"]) {
          assert.strictEqual((yield* ask(`${url}/health/live`, { headers: { host } })).status, 200, host)
        }
      })
    )
  })

  it("changes something only with the token and not for pages of other sites, and writes both down", async () => {
    const standIn = new StandIn()
    standIn.channels = [channelStats(1, "alice.rig"), channelStats(2, "bob.rig")]
    await served(standIn, { token }, (url) =>
      Effect.gen(function* () {
        const close = (headers: Record<string, string>, asked: unknown = { connectionId: 1, channelId: 2 }) => {
          const body = typeof asked === "string" ? asked : JSON.stringify(asked)
          const length = { "content-type": "application/json", "content-length": String(body.length) }
          return ask(`${url}/api/channels/close`, { method: "POST", body, headers: { ...length, ...headers } })
        }
        assert.strictEqual((yield* close({})).status, 401)
        assert.strictEqual((yield* close(bearer("wrong"))).status, 401)
        assert.strictEqual((yield* close({ ...bearer(TOKEN), origin: "https://evil.example" })).status, 403)
        assert.strictEqual((yield* close({ ...bearer(TOKEN), origin: "null" })).status, 403)
        assert.strictEqual((yield* close({ ...bearer(TOKEN), "sec-fetch-site": "cross-site" })).status, 403)
        assert.deepStrictEqual(standIn.done, [])
        const origin = { ...bearer(TOKEN), origin: url, "sec-fetch-site": "same-origin" }
        assert.strictEqual((yield* close(origin)).status, 200)
        assert.strictEqual((yield* close(bearer(TOKEN), { connectionId: 99, channelId: 2 })).status, 404)
        for (const bad of [
          {},
          { connectionId: 1, channelId: 2, reson: "x" },
          { connectionId: -1, channelId: 2 },
          { connectionId: 1, channelId: 2 ** 33 },
          "[",
          "null"
        ]) {
          assert.strictEqual((yield* close(bearer(TOKEN), bad)).status, 400, JSON.stringify(bad))
        }
        const huge = { ...bearer(TOKEN), "content-length": "100000000" }
        assert.strictEqual((yield* ask(`${url}/api/drain`, { method: "POST", headers: huge })).status, 413)
        const chunked = { ...bearer(TOKEN), "transfer-encoding": "chunked" }
        assert.strictEqual(
          (yield* ask(`${url}/api/drain`, { method: "POST", headers: chunked, body: "{}" })).status,
          413
        )
        assert.deepStrictEqual(standIn.done, [
          { close: { connectionId: 1, channelId: 2 }, reason: "closed-by-operator" }
        ])

        const { control, monitor } = yield* makeClient({ url, token })
        const to = { host: "pool2.example", port: 3333 }
        assert.deepStrictEqual(yield* control.drain({ payload: { to } }), { connections: 2 })
        while (standIn.done.length < 3) yield* Effect.sleep(5)
        assert.deepInclude(standIn.done, { reconnect: 2, to })
        const { items } = yield* monitor.audit({ query: {} })
        assert.deepStrictEqual(
          items.map(({ action, outcome }) => [action, outcome]),
          [
            ["drain", "done"],
            ["close channel", "no such connection"],
            ["close channel", "done"]
          ]
        )
        assert.strictEqual(items[2]?.remote, "127.0.0.1")
      })
    )
  })

  it("changes nothing at all without a configured token", async () => {
    await served(new StandIn(), {}, (url) =>
      Effect.gen(function* () {
        const { control } = yield* makeClient({ url, token })
        const payload = { to: { host: "pool2.example", port: 3333 } }
        assert.strictEqual((yield* Effect.flip(control.drain({ payload })))._tag, "Forbidden")
      })
    )
  })

  it("refuses pages, orders and times that do not exist, and says which", async () => {
    await served(new StandIn(), {}, (url) =>
      Effect.gen(function* () {
        const bad = [
          "users?limit=0",
          "users?limit=1001",
          "users?limit=1e9",
          "users?limit=%2B1.0",
          "users?limit=ten",
          "users?offset=-1",
          "users?offset=1.5",
          "users?offset=99999999999999999999",
          "users?sort=password",
          "users?order=up",
          `users?search=${"x".repeat(300)}`,
          "logs?level=loud",
          "history?resolution=1h",
          "history?from=yesterday",
          "history?to=1e300",
          "users?limit=1&limit=2"
        ]
        for (const path of bad) {
          const { status, text } = yield* ask(`${url}/api/${path}`)
          assert.strictEqual(status, 400, path)
          const { detail } = JSON.parse(text)
          assert.match(detail, /^(query|params): /, path)
          assert.isBelow(detail.length, 301)
        }
      })
    )
  })

  it("knows no paths but its own, however they are written", async () => {
    await served(new StandIn(), {}, (url) =>
      Effect.gen(function* () {
        const paths = [
          "/../package.json",
          "/assets/../../package.json",
          "/%2e%2e/%2e%2e/etc/passwd",
          "/api/../../etc/passwd",
          "//etc/passwd",
          "/assets/%00",
          "/api/users/%zz",
          "/api/nothing",
          "/api/shared/YWxpY2U.AAAA",
          "/api/shared/..",
          "/api/users/%ff%00"
        ]
        for (const path of paths) {
          const { status } = yield* ask(url, { path })
          assert.include([400, 404], status, path)
        }
        const deleted = yield* ask(`${url}/api/users/x/link`, { method: "DELETE" })
        assert.deepStrictEqual([deleted.status, deleted.headers["allow"]], [405, "GET"])
      })
    )
  })

  it("shows a user its own numbers by a link that only the token can make", async () => {
    const standIn = new StandIn()
    standIn.channels = [channelStats(1, "alice.rig"), channelStats(2, "bob.rig")]
    await served(standIn, { token }, (url) =>
      Effect.gen(function* () {
        const { monitor, shared } = yield* makeClient({ url })
        const { link } = yield* monitor.userLink({ params: { name: "alice" } })
        const path = link.slice("/#/shared/".length)
        const { status, text } = yield* ask(`${url}/api/shared/${path}`, { headers: elsewhere })
        assert.strictEqual(status, 200)
        assert.strictEqual(JSON.parse(text).user, "alice")
        const [, proof] = path.split(".")
        const ofBob = `${Buffer.from("bob").toString("base64url")}.${proof}`
        for (const wrong of [ofBob, `${path}x`, path.slice(0, -1), `${path}.`, proof!, ".", "x".repeat(599)]) {
          assert.strictEqual((yield* ask(`${url}/api/shared/${wrong}`)).status, 404, wrong)
        }
        const other = yield* Effect.flip(shared.workerHistory({ params: { link: path, name: "bob.rig" }, query: {} }))
        assert.strictEqual(other._tag, "NotFound")
      })
    )
  })

  it("shows the configuration and the last thousand lines of the log", async () => {
    const configuration = [{ name: "http-token", value: null, isSecret: true, source: "file" }]
    await served(new StandIn(), { configuration }, (url, { logs }) =>
      Effect.gen(function* () {
        const { monitor } = yield* makeClient({ url })
        for (let line = 0; line < 1500; line++) logs.add(line % 2 === 0 ? "info" : "error", `line ${line}`, line)
        logs.add("warn", `${"x".repeat(5000)}\u001b[31m`, 1500)
        const { items, total } = yield* monitor.logs({ query: { limit: 1000 } })
        assert.strictEqual(total, 1000)
        assert.isBelow(items[0]!.message.length, 2100)
        assert.strictEqual(items[1]?.message, "line 1499")
        assert.strictEqual((yield* monitor.logs({ query: { level: "error", search: "LINE 149" } })).total, 5)
        assert.deepStrictEqual((yield* monitor.configuration({ query: {} })).items, configuration)
      })
    )
  })
})

describe("events", () => {
  const block = (height: number) =>
    ({ _tag: "JobSent", jobId: height, height, future: false, connections: 0, latencyMs: 1 }) as const

  it("go on after the last one that a reader names", async () => {
    const standIn = new StandIn()
    await served(standIn, {}, (url, { hub }) =>
      Effect.gen(function* () {
        const { monitor } = yield* makeClient({ url })
        for (let height = 1; height <= 5; height++) yield* standIn.publish(block(height))
        while ((yield* monitor.jobs({ query: {} })).total < 5) yield* Effect.sleep(1)
        const first = yield* monitor.events({ headers: {} })
        const reading = yield* Effect.forkChild(Stream.runCollect(Stream.take(first, 2)))
        while (hub.readers === 0) yield* Effect.sleep(1)
        for (let height = 6; height <= 8; height++) yield* standIn.publish(block(height))
        const [six, seven] = yield* Fiber.join(reading)
        assert.deepStrictEqual([six?.data.fields["height"], seven?.data.fields["height"]], [6, 7])
        const again = yield* monitor.events({ headers: { "last-event-id": seven!.id! } })
        const [eight] = yield* Stream.runCollect(Stream.take(again, 1))
        assert.strictEqual(eight?.data.fields["height"], 8)
        while (hub.readers > 0) yield* Effect.sleep(1)
      })
    )
  })

  it("for a reader that does not read are dropped, oldest first, and cost no more memory", async () => {
    const standIn = new StandIn()
    await served(standIn, {}, (url, { hub }) =>
      Effect.gen(function* () {
        const answers = yield* Effect.promise(() =>
          Promise.all(Array.from({ length: 20 }, () => fetch(`${url}/api/events`)))
        )
        while (hub.readers < 20) yield* Effect.sleep(1)
        const event = { at: 0, event: "Filler", fields: { text: "x".repeat(1000) } }
        const before = process.memoryUsage()
        for (let round = 0; round < 100; round++) {
          for (let count = 0; count < 500; count++) hub.publish(event)
          yield* Effect.sleep(0)
        }
        const { arrayBuffers, heapUsed } = process.memoryUsage()
        // 50,000 events of a kilobyte for twenty readers are a gigabyte, were they all kept.
        assert.isBelow(arrayBuffers + heapUsed - before.arrayBuffers - before.heapUsed, 200e6)
        for (const answer of answers) yield* Effect.promise(() => answer.body!.cancel())
        while (hub.readers > 0) yield* Effect.sleep(1)
      })
    )
  })

  it("have at most 256 readers, who do not keep others from asking", async () => {
    const standIn = new StandIn()
    await served(standIn, {}, (url, { hub }) =>
      Effect.gen(function* () {
        const stop = new AbortController()
        const open = () => fetch(`${url}/api/events`, { signal: stop.signal })
        yield* Effect.promise(() => Promise.all(Array.from({ length: 256 }, open)))
        while (hub.readers < 256) yield* Effect.sleep(1)
        assert.strictEqual((yield* Effect.promise(open)).status, 503)
        assert.strictEqual((yield* ask(`${url}/api/overview`)).status, 200)
        stop.abort()
        while (hub.readers > 0) yield* Effect.sleep(5)
      })
    )
  })
})
