/** Makes `vectors/tlvs.json`: a share with what may stand behind its fields where extension 0x0002 is negotiated (3.4.3). */

/** SubmitSharesExtended of channel 1 with two bytes of extranonce. */
const SHARE = "010000000200000003000000efbeadde40d6645fe0ffff3f02abcd"

const u16 = (value: number, order: "little" | "big"): string => {
  const bytes = [value & 0xff, value >> 8]
  return Buffer.from(order === "little" ? bytes : bytes.toReversed()).toString("hex")
}

const tlv = (extension: number, type: string, value: string, order: "little" | "big" = "little"): string =>
  `${u16(extension, order)}${type}${u16(value.length / 2, order)}${value}`

const hexOf = (text: string): string => Buffer.from(text).toString("hex")

const frame = (tail: string): string => {
  const payload = SHARE + tail
  return `00801b${u16(payload.length / 2, "little")}00${payload}`
}

const identity = (name: string, order?: "little" | "big"): string => tlv(2, "01", hexOf(name), order)

export const makeTlvs = () => ({
  extensions: [2],
  message: "SubmitSharesExtended",
  read: [
    { title: "no TLV", frame: frame(""), userIdentity: null },
    {
      title: "little-endian, as it is to be written",
      frame: frame(identity("Worker_001")),
      userIdentity: "Worker_001"
    },
    {
      title: "big-endian, as the page of the extension prints it",
      frame: frame(identity("Worker_001", "big")),
      userIdentity: "Worker_001"
    },
    { title: "an empty name", frame: frame(identity("")), userIdentity: "" },
    { title: "the longest name", frame: frame(identity("w".repeat(32))), userIdentity: "w".repeat(32) },
    { title: "a name of other letters", frame: frame(identity("Müller")), userIdentity: "Müller" },
    {
      title: "behind it one of an extension that was not negotiated",
      frame: frame(identity("Worker_001") + tlv(0x4abc, "00", "0102")),
      userIdentity: "Worker_001"
    },
    {
      title: "only one of an extension that was not negotiated",
      frame: frame(tlv(0x4abc, "00", "0102")),
      userIdentity: null
    },
    { title: "bytes that are no TLV", frame: frame("0102"), userIdentity: null }
  ],
  refuse: [
    { title: "a name of 33 bytes", frame: frame(identity("w".repeat(33))) },
    { title: "a value that is cut", frame: frame(identity("Worker_001").slice(0, -2)) }
  ]
})
