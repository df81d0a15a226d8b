/** Both ends of a connection, back to back over bytes that are cut anywhere: every share has one answer, for its own job. */
import * as fc from "fast-check"
import { expect, it } from "vitest"
import { Client, joinLines, type Line, LineReader, MAX_POOL_LINE, Server, targetOfDifficulty } from "../src/index.ts"
import { job } from "./server-fixture.ts"

type Step =
  | { readonly _tag: "job"; readonly clean: boolean }
  | { readonly _tag: "difficulty"; readonly difficulty: number }
  | { readonly _tag: "extranonce"; readonly byte: number }
  | { readonly _tag: "mask"; readonly mask: number }
  | { readonly _tag: "share"; readonly back: number }
  | { readonly _tag: "answer"; readonly good: boolean; readonly which: number }
  | { readonly _tag: "move"; readonly cut: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ _tag: fc.constant("job" as const), clean: fc.boolean() }),
  fc.record({ _tag: fc.constant("difficulty" as const), difficulty: fc.constantFrom(0.001, 1, 16, 524_288) }),
  fc.record({ _tag: fc.constant("extranonce" as const), byte: fc.nat(255) }),
  fc.record({ _tag: fc.constant("mask" as const), mask: fc.constantFrom(0x1fffe000, 0x00ffe000, 0) }),
  fc.record({ _tag: fc.constant("share" as const), back: fc.nat(3) }),
  fc.record({ _tag: fc.constant("answer" as const), good: fc.boolean(), which: fc.nat(5) }),
  fc.record({ _tag: fc.constant("move" as const), cut: fc.nat(300) })
)

class Link {
  readonly server = new Server.Connection<string>(0)
  readonly client = new Client.Connection(0, { userAgent: "test" })
  /** What the server held of each job, as it was announced. */
  readonly announced = new Map<string, { difficulty: number; extranonce1: string; mask: number }>()
  readonly received: Array<Client.Job> = []
  readonly submitted = new Map<number, { readonly jobId: string; readonly version: number }>()
  readonly unanswered: Array<Extract<Server.ServerEvent<string>, { _tag: "Submit" }>> = []
  answers = 0
  #jobs = 0
  #difficulty = 1
  #extranonce1 = Uint8Array.of(1, 2, 3, 4)
  readonly #toServer = new LineReader()
  readonly #toClient = new LineReader(MAX_POOL_LINE)

  constructor() {
    this.client.start(0)
    this.client.authorize("w", "x", 0)
    for (let turn = 0; turn < 4; turn++) this.move(0)
    this.client.receive([], 0)
  }

  /** Everything that is to be sent goes across, in two reads each. */
  move(cut: number): void {
    this.#across(this.client.takeLines(), this.#toServer, cut, (lines) => {
      for (const event of this.server.receive(lines)) {
        if (event._tag === "Subscribe") {
          const subscription = { session: "1", extranonce1: this.#extranonce1, extranonce2Size: 4 }
          this.server.answerSubscribe(event.request, subscription)
        } else if (event._tag === "Authorize") this.server.accept(event.request)
        else if (event._tag === "Submit") this.unanswered.push(event)
        else if (event._tag === "Closing") throw event.reason
      }
    })
    this.#across(this.server.takeLines(0), this.#toClient, cut, (lines) => {
      for (const event of this.client.receive(lines, 0)) {
        if (event._tag === "JobReceived") this.received.push(event.job)
        else if (event._tag === "ShareAnswered") {
          expect(this.submitted.has(event.share)).toBe(true)
          this.submitted.delete(event.share)
          this.answers++
        } else if (event._tag === "Failed") throw event.error
        else expect(event._tag).not.toBe("Malformed")
      }
    })
  }

  #across(
    lines: Parameters<typeof joinLines>[0],
    reader: LineReader,
    cut: number,
    deliver: (lines: ReadonlyArray<Line>) => void
  ): void {
    const bytes = joinLines(lines)
    for (const piece of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
      const read: Array<Line> = []
      reader.push(piece, read)
      if (reader.failure !== undefined) throw reader.failure
      deliver(read)
    }
  }

  run(step: Step): void {
    switch (step._tag) {
      case "job": {
        const jobId = String(++this.#jobs)
        this.server.notify(job(jobId, step.clean))
        const extranonce1 = Buffer.from(this.#extranonce1).toString("hex")
        this.announced.set(jobId, { difficulty: this.#difficulty, extranonce1, mask: this.server.versionMask })
        return
      }
      case "difficulty":
        this.#difficulty = step.difficulty
        return this.server.setDifficulty(step.difficulty)
      case "extranonce":
        this.#extranonce1 = Uint8Array.of(step.byte, 0, 0, 0)
        expect(this.server.setExtranonce(this.#extranonce1, 4)).toBe(true)
        return
      case "mask":
        return this.server.setVersionMask(step.mask)
      case "share": {
        const at = this.received.at(-1 - step.back)
        if (at === undefined) return
        const version = (at.notify.version | (0x00b44000 & at.versionMask)) >>> 0
        const share = { extranonce2: new Uint8Array(4), ntime: 1, nonce: 2, version }
        const number = this.client.submit(at, "w", share, 0)
        if (number !== undefined) this.submitted.set(number, { jobId: at.notify.jobId, version })
        return
      }
      case "answer": {
        const [share] = this.unanswered.splice(step.which % Math.max(1, this.unanswered.length), 1)
        if (share === undefined) return
        if (step.good) this.server.accept(share.request)
        else this.server.refuse(share.request, { code: 23, text: "low" })
        return
      }
      case "move":
        return this.move(step.cut)
    }
  }
}

it("every share is answered once, and both ends agree on what holds for a job", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const link = new Link()
      let submitted = 0
      for (const each of steps) {
        const before = link.submitted.size + link.answers
        link.run(each)
        submitted += link.submitted.size + link.answers - before
      }
      link.move(0)
      for (const { request } of link.unanswered.splice(0)) link.server.accept(request)
      link.move(0)
      expect(link.submitted.size).toBe(0)
      expect(link.answers).toBe(submitted)
      for (const { extranonce1, notify, target, versionMask } of link.received) {
        const told = link.announced.get(notify.jobId)!
        expect(target).toEqual(targetOfDifficulty(told.difficulty))
        expect(Buffer.from(extranonce1).toString("hex")).toBe(told.extranonce1)
        expect(versionMask).toBe(told.mask)
      }
      expect(link.received).toHaveLength(link.announced.size)
    }),
    { numRuns: 300 }
  )
})
