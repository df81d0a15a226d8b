/**
 * What `npm run fuzz` throws bytes at. A target takes any bytes and throws where something is wrong: an error that is not
 * the typed one of its code, an answer that depends on how bytes were cut, a value that does not come back from its bytes.
 */
import { coinbaseTags } from "@sluice/bitcoin"
import { defaultExtranonceLayout, ExtranonceSpace, Server } from "@sluice/channels"
import { ACT1_SIZE, ACT2_SIZE, CERTIFICATE_SIZE, Initiator, Responder } from "@sluice/core"
import { curveModule, WasmCurve } from "@sluice/embedded"
import { AuthorityKey, Certificate } from "@sluice/noise"
import {
  assemble,
  DecodeError,
  describe,
  type Direction,
  ExtensionsNegotiation,
  Frame,
  JobDeclaration,
  Mining,
  Protocol,
  TemplateDistribution,
  toLine,
  WorkerIdentity
} from "@sluice/protocol"
import { formatEndpoint, formatServerAddress, FrameReader, parseEndpoint, parseServerAddress } from "@sluice/transport"
import { Arbitrary, Effect, Redacted, Result } from "effect"
import { isDeepStrictEqual } from "node:util"
import { clientTarget } from "./fuzz-client.ts"
import { deviceTarget } from "./fuzz-device.ts"
import { sessionTarget } from "./fuzz-session.ts"
import { tlvTarget } from "./fuzz-tlvs.ts"

export interface Target {
  readonly name: string
  readonly run: (input: Uint8Array) => void
  /** Inputs to begin with: what is well-formed. */
  readonly seeds: () => ReadonlyArray<Uint8Array>
}

const expect = (isRight: boolean, what: string): void => {
  if (!isRight) throw new Error(what)
}
const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
const text = (input: Uint8Array): string => new TextDecoder("latin1").decode(input)
const latin1 = (input: string): Uint8Array => Uint8Array.from(Buffer.from(input, "latin1"))

const withWorkers = [WorkerIdentity.extension]
const directions = [Mining.protocol, JobDeclaration.protocol, TemplateDistribution.protocol].flatMap((protocol) => {
  const spoken = Protocol.negotiated(Protocol.extend(protocol as never, ExtensionsNegotiation.messages), withWorkers)
  return [spoken.toServer, spoken.toClient, Protocol.forwarding(spoken).toServer]
}) as unknown as ReadonlyArray<Direction<{ readonly _tag: string }>>

/** One random message of each kind, the same every time. */
const messageFrames = (): ReadonlyArray<Uint8Array> =>
  directions.flatMap((direction) =>
    direction.messages.map((message) => {
      const [value] = Effect.runSync(
        Arbitrary.sampleEffect(message.arbitrary as Arbitrary.Arbitrary<unknown>, { count: 1, seed: 1, size: 8 })
      )
      return direction.encode(value as never)
    })
  )

const runMessages = (input: Uint8Array): void => {
  const frame = Frame.read(input)
  if (frame === undefined) return
  for (const direction of directions) {
    let read: ReturnType<typeof direction.decodeWithTail>
    try {
      read = direction.decodeWithTail(frame)
    } catch (error) {
      if (error instanceof DecodeError) continue
      throw error
    }
    if (read === undefined) continue
    expect(read.tailAt <= frame.payload.length, "the message ends behind its payload")
    const again = direction.decode(Frame.read(direction.encode(read.message))!)
    expect(isDeepStrictEqual(again, read.message), `${read.message._tag} does not come back from its bytes`)
  }
}

/** The first byte says how the rest is cut. */
const runFrames = (input: Uint8Array): void => {
  const step = (input[0] ?? 0) + 1
  const stream = input.subarray(1)
  const read = (chunks: ReadonlyArray<Uint8Array>) => {
    const reader = new FrameReader(undefined, 1000)
    const frames: Array<Frame> = []
    for (const chunk of chunks) reader.push(chunk.slice(), frames)
    return { frames, failure: reader.failure?.message, pending: reader.pendingBytes }
  }
  const pieces: Array<Uint8Array> = []
  for (let at = 0; at < stream.length; at += step) pieces.push(stream.subarray(at, at + step))
  expect(isDeepStrictEqual(read([stream]), read(pieces)), "frames depend on how the bytes were cut")
}

const runDescribe = (input: Uint8Array): void => {
  const described = describe(input)
  const again = Buffer.concat(described.map((one) => assemble(JSON.parse(JSON.stringify(one)))))
  expect(equal(again, input), "what is told does not come back as it was")
  for (const one of described) expect(!/\p{Cc}/u.test(toLine(one)), "a line is more than a line")
}

// In WebAssembly: twenty times as many handshakes as noble makes.
const curve = new WasmCurve(await curveModule())
const secret = new Uint8Array(32).fill(7)
const entropy = new Uint8Array(32).fill(9)
const authoritySecretKey = Redacted.make(new Uint8Array(32).fill(3))
const authorityKey = AuthorityKey.publicKeyOf(authoritySecretKey)
const NOW = 1_800_000_000

/** A handshake that is right: what each side sends, and the certificate that is encrypted in act 2. */
const handshake = (() => {
  const staticKey = new Uint8Array(64)
  const publicKey = new Uint8Array(32)
  expect(curve.createEllSwift(secret, entropy, staticKey, 0) && curve.xOnly(staticKey, 0, publicKey, 0), "no key")
  const certificate = Certificate.encode(
    Certificate.sign({
      staticKey: publicKey,
      validFrom: NOW - 100,
      notValidAfter: NOW + 100,
      authoritySecretKey,
      auxiliary: entropy
    })
  )
  const act1 = new Uint8Array(ACT1_SIZE)
  new Initiator(curve).start(secret, entropy, act1, 0)
  const act2 = new Uint8Array(ACT2_SIZE)
  new Responder(curve, secret, staticKey, certificate).respond(act1, 0, secret, entropy, act2, 0)
  return { act1, act2, certificate, staticKey }
})()

/**
 * By its length an input is an act 1, the plain certificate of a server, which is then encrypted as it should be, or an act 2.
 * An initiator goes on with those that are right to the last bit, and with no other.
 */
const runHandshake = (input: Uint8Array): void => {
  const { staticKey } = handshake
  if (input.length < CERTIFICATE_SIZE) {
    const act1 = new Uint8Array(ACT1_SIZE)
    act1.set(input.subarray(0, ACT1_SIZE))
    const responder = new Responder(curve, secret, staticKey, handshake.certificate)
    const code = responder.respond(act1, 0, secret, entropy, new Uint8Array(ACT2_SIZE), 0)
    expect(Number.isInteger(code), "the responder gives no code")
    return
  }
  const initiator = new Initiator(curve)
  initiator.start(secret, entropy, new Uint8Array(ACT1_SIZE), 0)
  let act2 = input.slice(0, ACT2_SIZE)
  if (input.length < ACT2_SIZE) {
    act2 = new Uint8Array(ACT2_SIZE)
    const server = new Responder(curve, secret, staticKey, input.slice(0, CERTIFICATE_SIZE))
    expect(server.respond(handshake.act1, 0, secret, entropy, act2, 0) === 0, "a responder does not answer")
  }
  const code = initiator.finish(act2, 0, authorityKey, NOW, 10)
  expect((code === 0) === equal(act2, handshake.act2), code === 0 ? "a made-up server is taken" : "a server is refused")
}

const runKeys = (input: Uint8Array): void => {
  const key = text(input)
  const parsed = AuthorityKey.parsePublicKey(key)
  if (Result.isSuccess(parsed)) expect(AuthorityKey.formatPublicKey(parsed.success) === key, "a public key changes")
  const secretKey = AuthorityKey.parseSecretKey(key)
  if (Result.isSuccess(secretKey))
    expect(AuthorityKey.formatSecretKey(secretKey.success) === key, "a secret key changes")
}

const runAddresses = (input: Uint8Array): void => {
  const url = text(input)
  const server = parseServerAddress(url)
  if (Result.isSuccess(server)) {
    const again = parseServerAddress(formatServerAddress(server.success))
    expect(Result.isSuccess(again) && isDeepStrictEqual(again.success, server.success), "a server's address changes")
  }
  const endpoint = parseEndpoint(url)
  if (Result.isSuccess(endpoint)) {
    const again = parseEndpoint(formatEndpoint(endpoint.success))
    expect(Result.isSuccess(again) && isDeepStrictEqual(again.success, endpoint.success), "an endpoint changes")
  }
}

const START = 1_800_000_000

/** A pool's end of a connection with a job, and a client that sends whatever the bytes come to. */
const runServer = (input: Uint8Array): void => {
  const policy = { ...Server.defaultChannelPolicy, minHashRate: 1 }
  const jobs = new Server.Jobs({
    coinbase: {
      tags: coinbaseTags("fuzz", ""),
      extranonceSize: defaultExtranonceLayout.fullSize,
      payout: (reward) => [{ value: reward, script: Uint8Array.of(0x51) }],
      versionRollingAllowed: true
    },
    firstJobId: 1
  })
  const context = {
    jobs,
    space: new ExtranonceSpace(defaultExtranonceLayout),
    judge: new Server.ShareJudge(policy),
    policy
  }
  jobs.onTemplate(template, START * 1000)
  jobs.onSetNewPrevHash(prevHash, START * 1000)
  const flags = (input[0] ?? 0) & 7
  const connection = new Server.Connection(1, flags, context)
  const out = new Server.Outbox()
  const messages: Array<Mining.ToServer> = []
  let at = 1
  for (let frame = Frame.read(input, at); frame !== undefined; frame = Frame.read(input, at)) {
    at += Frame.headerSize + frame.payload.length
    try {
      const message = workers.toServer.decode(frame)
      if (message !== undefined) messages.push(message)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      break
    }
  }
  connection.onBatch(messages, START * 1000 + 1000, out)
  connection.tick(START * 1000 + 60_000, out)
  for (const message of out.takeMessages()) {
    const said = "message" in message ? message.message : message
    const encoded = Mining.protocol.toClient.encode(said as Mining.ToClient)
    expect(Mining.protocol.toClient.decode(Frame.read(encoded)!) !== undefined, "it says what nobody can read")
  }
  connection.close("over", out)
}

const workers = Protocol.negotiated(Mining.protocol, withWorkers)
const template = TemplateDistribution.NewTemplate.make({
  templateId: 1n,
  futureTemplate: true,
  version: 0x20000000,
  coinbaseTxVersion: 2,
  coinbasePrefix: Uint8Array.of(2, 0x9f, 0),
  coinbaseTxInputSequence: 0xffffffff,
  coinbaseTxValueRemaining: 5_000_000_000n,
  coinbaseTxOutputsCount: 0,
  coinbaseTxOutputs: new Uint8Array(0),
  coinbaseTxLocktime: 0,
  merklePath: [new Uint8Array(32).fill(1)]
})
const prevHash = TemplateDistribution.SetNewPrevHash.make({
  templateId: 1n,
  prevHash: new Uint8Array(32).fill(2),
  headerTimestamp: START,
  nbits: 0x207fffff,
  target: new Uint8Array(32).fill(0xff, 0, 31)
})

const session = (): Uint8Array => {
  const { encode } = workers.toServer
  const any = new Uint8Array(32).fill(0xff)
  const open = { requestId: 1, userIdentity: "fuzz", nominalHashRate: 1.6, maxTarget: any }
  const share = { channelId: 1, sequenceNumber: 1, jobId: 1, nonce: 5, ntime: START, version: 0x20000000 }
  return new Uint8Array(
    Buffer.concat([
      Uint8Array.of(0),
      encode(Mining.OpenExtendedMiningChannel.make({ ...open, minExtranonceSize: 4 })),
      encode(Mining.OpenStandardMiningChannel.make(open)),
      encode(Mining.SubmitSharesExtended.make({ ...share, extranonce: new Uint8Array(8) })),
      encode(Mining.SubmitSharesStandard.make({ ...share, channelId: 2 })),
      encode(Mining.UpdateChannel.make({ channelId: 1, nominalHashRate: 9, maximumTarget: any })),
      encode(Mining.CloseChannel.make({ channelId: 1, reasonCode: "" }))
    ])
  )
}

const behind = (first: number) => (frame: Uint8Array) => new Uint8Array([first, ...frame])
const key = "9bXiEd8boQVhq7WddEcERUL5tyyJVFYdU8th3HfbNXK3Yw6GRXh"

export const targets: ReadonlyArray<Target> = [
  { name: "frames", run: runFrames, seeds: () => messageFrames().slice(0, 20).map(behind(2)) },
  { name: "messages", run: runMessages, seeds: messageFrames },
  tlvTarget,
  { name: "describe", run: runDescribe, seeds: messageFrames },
  { name: "server", run: runServer, seeds: () => [session()] },
  clientTarget,
  sessionTarget,
  deviceTarget,
  {
    name: "keys",
    run: runKeys,
    seeds: () => [latin1(key), latin1("mkDLTBBRxdBv998612qipDYoTK3YUrqLe8uWw7gu3iXbSrn2n")]
  },
  {
    name: "addresses",
    run: runAddresses,
    seeds: () =>
      [`stratum2+tcp://pool.example:3333/${key}`, "stratum2+tcp+plain://[::1]:1", "127.0.0.1:65535"].map(latin1)
  },
  {
    name: "handshake",
    run: runHandshake,
    seeds: () => [
      new Uint8Array(ACT1_SIZE),
      new Uint8Array(ACT2_SIZE),
      handshake.act1,
      handshake.act2,
      handshake.certificate
    ]
  }
]
