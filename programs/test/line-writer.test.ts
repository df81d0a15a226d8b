import { assert, describe, it } from "vitest"
import { LineWriter } from "../src/output/line-writer.ts"

/** A file descriptor that takes so many bytes, and then fails in this way. */
class Descriptor {
  text = ""
  room = Infinity
  failure = "EAGAIN"
  readonly write = (bytes: Uint8Array): number => {
    if (this.room === 0) throw Object.assign(new Error(this.failure), { code: this.failure })
    const taken = bytes.subarray(0, this.room)
    this.room -= taken.length
    this.text += Buffer.from(taken).toString()
    return taken.length
  }
}

const open = (maxWaiting = 100) => {
  const descriptor = new Descriptor()
  const writer = new LineWriter({ write: descriptor.write, maxWaiting })
  const told: Array<number> = []
  writer.onResumed = () => {
    told.push(writer.dropped)
    writer.print("told")
  }
  return { descriptor, writer, told }
}

describe("a writer of lines", () => {
  it("keeps lines for a slow reader, and writes them in order when it reads", async () => {
    const { descriptor, told, writer } = open()
    descriptor.room = 8
    for (const line of ["first", "second", "third"]) writer.print(line)
    assert.strictEqual(descriptor.text, "first\nse")
    assert.strictEqual(writer.waitingBytes, 11)
    descriptor.room = Infinity
    await writer.settled(0)
    assert.strictEqual(descriptor.text, "first\nsecond\nthird\n")
    assert.deepStrictEqual([writer.dropped, told], [0, []])
  })

  it("keeps at most its limit, drops whole lines until everything is read, and then reports their number", async () => {
    const { descriptor, told, writer } = open()
    descriptor.room = 3
    for (let i = 0; i < 1000; i++) {
      writer.print(`line ${i}`)
      assert.isAtMost(writer.waitingBytes, 100)
    }
    const kept = 1000 - writer.dropped
    assert.isAbove(kept, 5)
    descriptor.room = Infinity
    await writer.settled(0)
    assert.deepStrictEqual(told, [writer.dropped])
    writer.print("after\nit")
    const lines = Array.from({ length: kept }, (_, i) => `line ${i}\n`)
    assert.strictEqual(descriptor.text, `${lines.join("")}told\nafter\nit\n`)
  })

  it("drops and counts lines that cannot be written, and reports it with the first that can", () => {
    const { descriptor, told, writer } = open()
    const failures: Array<string | undefined> = []
    writer.onFailed = ({ code }) => failures.push(code)
    descriptor.room = 0
    descriptor.failure = "EPIPE"
    writer.print("one")
    writer.print("two\nthree")
    assert.deepStrictEqual([writer.dropped, writer.waitingBytes, failures], [3, 0, ["EPIPE", "EPIPE"]])
    assert.strictEqual(writer.failure?.code, "EPIPE")
    descriptor.room = Infinity
    writer.print("four")
    assert.deepStrictEqual([descriptor.text, told], ["four\ntold\n", [3]])
    assert.isUndefined(writer.failure)
  })

  it("begins a new line after a line that a full disk has cut off", () => {
    const { descriptor, writer } = open()
    descriptor.room = 4
    descriptor.failure = "ENOSPC"
    writer.print("cut off")
    writer.print("lost")
    assert.deepStrictEqual([descriptor.text, writer.dropped], ["cut ", 2])
    descriptor.room = Infinity
    writer.print("whole")
    assert.strictEqual(descriptor.text, "cut \nwhole\ntold\n")
  })

  it("waits for a slow reader without a limit if nothing may be dropped, and at most for the given time", async () => {
    const { descriptor, writer } = open(Infinity)
    descriptor.room = 0
    for (let i = 0; i < 1000; i++) writer.print("line")
    await writer.settled(0, 30)
    assert.deepStrictEqual([writer.waitingBytes, writer.dropped], [5000, 0])
    descriptor.failure = "EPIPE"
    await writer.settled(0)
    assert.deepStrictEqual([writer.waitingBytes, writer.dropped], [0, 1000])
  })
})
