/** Job Declaration's messages, bytes typed in by hand from section 6.4. */
import { Frame, JobDeclaration } from "@sluice/protocol"
import { Schema } from "effect"
import { describe, expect, test } from "vitest"

const { toClient, toServer } = JobDeclaration.protocol
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"))

const cases = [
  [
    toServer,
    JobDeclaration.AllocateMiningJobToken.make({ userIdentifier: "farm", requestId: 0x01020304 }),
    ["0000", "50", "090000", "04", "6661726d", "04030201"]
  ],
  [
    toClient,
    JobDeclaration.AllocateMiningJobTokenSuccess.make({
      requestId: 7,
      miningJobToken: bytes("aabb"),
      coinbaseTxOutputs: bytes("0100000000000000000151")
    }),
    ["0000", "51", "140000", "07000000", "02", "aabb", "0b00", "0100000000000000000151"]
  ],
  [
    toServer,
    JobDeclaration.DeclareMiningJob.make({
      requestId: 7,
      miningJobToken: bytes("aabb"),
      version: 0x20000000,
      coinbaseTxPrefix: bytes("0102"),
      coinbaseTxSuffix: bytes("03"),
      wtxidList: [new Uint8Array(32).fill(0x11), new Uint8Array(32).fill(0x22)],
      excessData: bytes("")
    }),
    ["0000", "57", "560000", "07000000", "02aabb", "00000020", "02000102", "010003"].concat([
      "0200",
      "11".repeat(32),
      "22".repeat(32),
      "0000"
    ])
  ],
  [
    toClient,
    JobDeclaration.DeclareMiningJobSuccess.make({ requestId: 7, newMiningJobToken: bytes("cc") }),
    ["0000", "58", "060000", "07000000", "01cc"]
  ],
  [
    toClient,
    JobDeclaration.DeclareMiningJobError.make({
      requestId: 7,
      errorCode: "stale-chain-tip",
      errorDetails: bytes("ff")
    }),
    ["0000", "59", "170000", "07000000", "0f", hex(Buffer.from("stale-chain-tip")), "0100ff"]
  ],
  [
    toClient,
    JobDeclaration.ProvideMissingTransactions.make({ requestId: 7, unknownTxPositionList: [0, 0x1234] }),
    ["0000", "55", "0a0000", "07000000", "0200", "0000", "3412"]
  ],
  [
    toServer,
    JobDeclaration.ProvideMissingTransactionsSuccess.make({
      requestId: 7,
      transactionList: [bytes("0102"), bytes("")]
    }),
    ["0000", "56", "0e0000", "07000000", "0200", "020000", "0102", "000000"]
  ],
  [
    toServer,
    JobDeclaration.PushSolution.make({
      extranonce: bytes("0a0b0c"),
      prevHash: new Uint8Array(32).fill(0x33),
      nonce: 1,
      ntime: 2,
      nbits: 0x207fffff,
      version: 0x20000000
    }),
    ["0000", "60", "340000", "03", "0a0b0c", "33".repeat(32), "01000000", "02000000", "ffff7f20", "00000020"]
  ]
] as const

describe.each(cases.map(([direction, message, expected]) => ({ direction, message, expected: expected.join("") })))(
  "$message._tag",
  ({ direction, message, expected }) => {
    test("is encoded as section 6.4 specifies, and decoded again", () => {
      const encoded = direction.encode(message as never)
      expect(hex(encoded)).toBe(expected)
      expect(direction.decode(Frame.read(encoded)!)).toEqual(message)
      const json = Schema.encodeSync(direction.json as Schema.Codec<typeof message, Schema.Json>)(message)
      expect(Schema.decodeUnknownSync(direction.json as Schema.Codec<unknown, Schema.Json>)(json)).toEqual(message)
    })
  }
)

test("a declaration with the most transactions fits a frame and the limit of the direction", () => {
  const message = JobDeclaration.DeclareMiningJob.make({
    requestId: 1,
    miningJobToken: new Uint8Array(255),
    version: 0x20000000,
    coinbaseTxPrefix: new Uint8Array(0xffff),
    coinbaseTxSuffix: new Uint8Array(0xffff),
    wtxidList: Array.from({ length: 0xffff }, () => new Uint8Array(32)),
    excessData: new Uint8Array(0xffff)
  })
  const { payload } = Frame.read(toServer.encode(message))!
  expect(payload.length).toBe(4 + 256 + 4 + 3 * 65_537 + 2 + 65_535 * 32)
  expect(JobDeclaration.DeclareMiningJob.maxPayload).toBe(payload.length)
  const decoded = toServer.decode({ extensionType: 0, messageType: 0x57, payload })
  expect(decoded?._tag === "DeclareMiningJob" && decoded.wtxidList.length).toBe(0xffff)
})
