/**
 * What `npm run fuzz` throws at the translator's machine of a V1 miner: lines of a miner with a real server of channels behind
 * it, and messages of a server that may break every rule with an honest miner in front of it. Nothing is thrown, every request
 * of a miner has one answer, and what is said on either side can be read there.
 */
import { coinbaseTags } from "@sluice/bitcoin"
import {
  ChannelServer,
  defaultChannelPolicy,
  defaultExtranonceLayout,
  ExtranonceSpace,
  Outbox,
  type ServerOutbox,
  ShareValidator,
  TemplateJobs
} from "@sluice/channels"
import { DecodeError, Frame, Mining } from "@sluice/protocol"
import { joinLines, type Line, LineReader, MAX_POOL_LINE } from "@sluice/stratum-v1"
import { futureTemplate, newPrevHash, template } from "@sluice/testing/templates"
import { Translator } from "@sluice/translator"
import { Result } from "effect"
import { ok } from "node:assert/strict"
import type { FuzzTarget } from "./target.ts"

const START = 1_800_000_000_000
const rules = Result.getOrThrow(Translator.listenerRules({ nominalHashRate: 1 }))

/** A miner's machine, and a check of all that it says. */
class Subject {
  readonly miner = new Translator.V1Miner(Translator.minerContext(rules, START), START)
  readonly out: Translator.MinerOutbox = new Outbox()
  answered = 0
  ended = false

  takeLines(): ReadonlyArray<Line> {
    const reader = new LineReader(MAX_POOL_LINE)
    const lines: Array<Line> = []
    reader.push(joinLines(this.miner.takeLines(START)), lines)
    ok(reader.failure === undefined && reader.pendingBytes === 0, "it says what no miner can read")
    this.answered += lines.filter(({ id, method }) => method === undefined && id !== null).length
    if (this.out.takeEvents().some(({ _tag }) => _tag === "Ended")) this.ended = true
    return lines
  }

  takeMessages(): ReadonlyArray<Mining.ToServer> {
    const messages = this.out.takeMessages()
    for (const message of messages) Mining.protocol.toServer.encode(message)
    return messages
  }
}

const runLines = (input: Uint8Array): void => {
  const policy = { ...defaultChannelPolicy, minHashRate: 1 }
  const templates = new TemplateJobs({
    coinbase: {
      tags: coinbaseTags("fuzz", ""),
      extranonceSize: defaultExtranonceLayout.fullSize,
      payout: (reward) => [{ value: reward, script: Uint8Array.of(0x51) }],
      versionRollingAllowed: true
    },
    firstJobId: 1
  })
  const { jobs } = templates
  const context = { jobs, space: new ExtranonceSpace(), validator: new ShareValidator(policy), policy }
  templates.onTemplate(futureTemplate(1), START)
  templates.onSetNewPrevHash(newPrevHash(1, { headerTimestamp: START / 1000 }), START)
  const server = new ChannelServer(1, 0, context)
  const replies: ServerOutbox = new Outbox()
  const subject = new Subject()
  const reader = new LineReader()
  let asked = 0
  let number = 1
  const step = (input[0] ?? 0) + 1
  const exchange = (): void => {
    for (let turn = 0; turn < 4; turn++) {
      server.receive(subject.takeMessages(), START, replies)
      subject.miner.deliver(replies.takeMessages(), subject.out)
      replies.takeEvents()
    }
    subject.takeLines()
  }
  for (let at = 1; at < input.length && !subject.ended; at += step) {
    const lines: Array<Line> = []
    reader.push(input.subarray(at, at + step), lines)
    asked += lines.filter(wantsAnswer).length
    subject.miner.receive(lines, subject.out)
    exchange()
    if (lines.length === 1) {
      const change = templates.onTemplate(template(++number), START)
      if (change._tag !== "Ignored") server.announce(change, replies)
    }
  }
  if (reader.failure !== undefined) subject.miner.fail(reader.failure, subject.out)
  exchange()
  if (!subject.ended) ok(asked === subject.answered, "a request has no answer, or two")
}

const runMessages = (input: Uint8Array): void => {
  const subject = new Subject()
  const line = (id: number, method: string, params: ReadonlyArray<unknown>): Line => ({ id, method, params })
  const hello = [line(1, "mining.subscribe", []), line(2, "mining.authorize", ["w", "d=1"])]
  const isPatient = (input[0] ?? 0) % 2 === 0
  for (const some of isPatient ? [hello] : hello.map((one) => [one])) subject.miner.receive(some, subject.out)
  subject.takeLines()
  subject.takeMessages()
  let at = 1
  for (let frame = Frame.read(input, at); frame !== undefined && !subject.ended; frame = Frame.read(input, at)) {
    at += Frame.headerSize + frame.payload.length
    let message: Mining.ToClient | undefined
    try {
      message = Mining.protocol.toClient.decode(frame)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
    }
    if (message === undefined) continue
    subject.miner.deliver([message], subject.out)
    for (const { method, params } of subject.takeLines()) {
      if (method !== "mining.notify" || subject.ended) continue
      const [jobId] = params as ReadonlyArray<string>
      const extranonce2 = "00".repeat(frame.payload.length % 9)
      subject.miner.receive([line(3, "mining.submit", ["w", jobId, extranonce2, "00000001", "00000002"])], subject.out)
    }
    subject.takeMessages()
  }
  subject.miner.tick(START + 60_000, subject.out)
  subject.takeLines()
}

const wantsAnswer = ({ error, id, method, result }: Line): boolean => {
  if (method === "pong" || method === "mining.pong") return false
  if (typeof method !== "string" && (result !== undefined || error !== undefined)) return false
  return typeof id === "string" ? id.length <= 64 : typeof id === "number" && Number.isFinite(id)
}

const lineSeeds = (): ReadonlyArray<Uint8Array> => {
  const hello = [
    '{"id":1,"method":"mining.configure","params":[["version-rolling"],{"version-rolling.mask":"1fffe000"}]}',
    '{"id":2,"method":"mining.subscribe","params":["fuzz/1.0"]}',
    '{"id":3,"method":"mining.authorize","params":["alice.a","x,d=0.000001"]}'
  ]
  const more = [
    '{"id":4,"method":"mining.suggest_difficulty","params":[0.001]}',
    '{"id":5,"method":"mining.extranonce.subscribe","params":[]}',
    `{"id":6,"method":"mining.submit","params":["alice.a","${(START * 16).toString(16)}","0000000000000000","6b49d200","00000001"]}`,
    `{"id":7,"method":"mining.submit","params":["alice.a","${(START * 16 + 1).toString(16)}","00000000","6b49d200","00000001","00002000"]}`,
    '{"id":8,"method":"mining.authorize","params":["bob","x"]}',
    '{"id":9,"method":"mining.authorize","params":["alice.b","x"]}'
  ]
  return [
    [...hello, ...more],
    [hello[2]!, ...more, hello[1]!],
    [...hello, more[2]!]
  ].flatMap((lines) => [0xff, 0x50].map((cut) => Buffer.from([cut, ...Buffer.from(lines.join("\n") + "\n")])))
}

const messageSeeds = (): ReadonlyArray<Uint8Array> => {
  const bytes = (size: number, fill = 0) => new Uint8Array(size).fill(fill)
  const channel = { channelId: 2, groupChannelId: 1 }
  const opened: Mining.ToClient = {
    _tag: "OpenExtendedMiningChannel.Success",
    requestId: 1,
    target: bytes(32, 0xff),
    extranonceSize: 8,
    extranoncePrefix: bytes(12),
    ...channel
  }
  const job: Mining.ToClient = {
    _tag: "NewExtendedMiningJob",
    channelId: 1,
    jobId: 7,
    minNtime: undefined,
    version: 0x2000_0000,
    versionRollingAllowed: true,
    merklePath: [bytes(32, 1)],
    coinbaseTxPrefix: bytes(40, 1),
    coinbaseTxSuffix: bytes(20, 2)
  }
  const prevHash = { prevHash: bytes(32, 7), minNtime: 1, nbits: 0x1d00ffff }
  const messages: ReadonlyArray<Mining.ToClient> = [
    opened,
    job,
    { _tag: "SetNewPrevHash", channelId: 1, jobId: 7, ...prevHash },
    { _tag: "SetTarget", channelId: 2, maximumTarget: bytes(32, 0x0f) },
    { ...job, jobId: 8, minNtime: 2 },
    { _tag: "SubmitShares.Error", channelId: 2, sequenceNumber: 1, errorCode: "stale-share" },
    {
      _tag: "SubmitShares.Success",
      channelId: 2,
      lastSequenceNumber: 2,
      newSubmitsAcceptedCount: 1,
      newSharesSum: 1n
    },
    { _tag: "SetGroupChannel", groupChannelId: 3, channelIds: [2] },
    { _tag: "SetExtranoncePrefix", channelId: 2, extranoncePrefix: bytes(12, 3) },
    { _tag: "CloseChannel", channelId: 2, reasonCode: "over" }
  ]
  const frames = messages.map((message) => Mining.protocol.toClient.encode(message))
  return [0, 1].map((first) => Buffer.concat([Buffer.of(first), ...frames]))
}

export const v1MinerLinesTarget: FuzzTarget = { name: "v1-miner-lines", run: runLines, seeds: lineSeeds }
export const v1MinerMessagesTarget: FuzzTarget = { name: "v1-miner-messages", run: runMessages, seeds: messageSeeds }
