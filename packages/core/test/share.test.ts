import { Version } from "@sluice/core"
import { describe, expect, it } from "vitest"
import { builds, hex, put, take } from "./builds.ts"

/** Bytes as people read a hash: the other way round. */
const reversed = (digits: string): string => Buffer.from(hex(digits).toReversed()).toString("hex")

const OUTPUTS =
  "0200f2052a01000000160014ebe1b7dcc293ccaa0ee743a86f89df8258c208fc0000000000000000266a24aa21a9ede2f61c3f71d1defd3fa999dfa36953755c690689799962b48bebd836974e8cf9"
const INPUT = "02000000010000000000000000000000000000000000000000000000000000000000000000ffffffff"
const extended = {
  prefix: `${INPUT}2a5200065376322f2f2f20`,
  extranoncePrefix: "000000000000000000000000000000000000000000000001",
  extranonce: "0100000000000000",
  suffix: `ffffffff${OUTPUTS}00000000`,
  root: "cae378f9a9dc0d816aa282f36506f209ece36dd90eb50781a25798a509763a05"
}
const standard = {
  prefix: `${INPUT}2c029f0000065376322f2f2f20`,
  extranoncePrefix: "5374726174756d2056322053524920506f6f6c00000000000000000000000001",
  extranonce: "",
  suffix: `feffffff${OUTPUTS}9e000000`,
  root: "f4affb67aa6f596ff5fda7637ee7aa99ae45fbf30577914c136bd79ba624e4d2"
}
/** Targets of 1 and 1,000 hashes a second at one share a minute. */
const TARGET_1 = "04325c53ef368eb04325c53ef368eb04325c53ef368eb04325c53ef368eb0431"
const TARGET_1000 = "0001179d9861a761ffdadd11c307c4fc04eea3a418f7d687584e4434af158205"

/** Whole shares of another implementation (the names are those of the source). All have version 0x20000000. */
const shares = [
  {
    name: "E1",
    job: extended,
    prevHash: "fbaf6a2823577a5a3a334e20caece4249aaece9093c315e0c367d6bd33be1862",
    ntime: 1745596971,
    nBits: 0x207fffff,
    nonce: 0,
    hash: "6b356f9f445f4cdfab140f69ff66803f8f98a0d8bcd089dc7d2bdeeee74a5f83",
    target: TARGET_1,
    meets: { target: false, block: true }
  },
  {
    name: "E3",
    job: extended,
    prevHash: "17cd48869956dc99e01cd892e478e39dd563a0a3803b8bbe9e3e000000000000",
    ntime: 1745611105,
    nBits: 0x1b00d7c0,
    nonce: 16647,
    hash: "000054cc966c174fc21b056b994c0aa265c40126222040984f571230b9adde1f",
    target: TARGET_1000,
    meets: { target: true, block: false }
  },
  {
    name: "S1",
    job: standard,
    prevHash: "fbaf6a2823577a5a3a334e20caece4249aaece9093c315e0c367d6bd33be1862",
    ntime: 1745596932,
    nBits: 0x207fffff,
    nonce: 0,
    hash: "391f2bd7f3cef610ea09921289adfb7d8dd96e9ec3991fb1f1f0f495fc2a64df",
    target: TARGET_1,
    meets: { target: false, block: true }
  },
  {
    name: "S2",
    job: standard,
    prevHash: "9a7cefe7dd7aa0ada4af57214ad6bf6b492200a2e3102c282149000000000000",
    ntime: 1745611105,
    nBits: 0x1b00d7c0,
    nonce: 92092,
    hash: "0000545efd44aa70bc49d037df93ba3e51ec5937f72a28f9d3c15d8f17c1194e",
    target: TARGET_1000,
    meets: { target: true, block: false }
  }
]

/** Coinbase and merkle path of ESP-Miner's tests, with five and with twelve nodes. */
const roots = [
  {
    coinbase:
      "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff2503777d07062f503253482f0405b8c75208f800880e000000000b2f436f696e48756e74722f0000000001603f352a010000001976a914c633315d376c20a973a758f7422d67f7bfed9c5888ac00000000",
    path: [
      "f0dbca1ee1a9f6388d07d97c1ab0de0e41acdf2edac4b95780ba0a1ec14103b3",
      "8e43fd2988ac40c5d97702b7e5ccdf5b06d58f0e0d323f74dd5082232c1aedf7",
      "1177601320ac928b8c145d771dae78a3901a089fa4aca8def01cbff747355818",
      "9f64f3b0d9edddb14be6f71c3ac2e80455916e207ffc003316c6a515452aa7b4",
      "2d0b54af60fad4ae59ec02031f661d026f2bb95e2eeb1e6657a35036c017c595"
    ],
    root: "5cc58f5e84aafc740d521b92a7bf72f4e56c4cc3ad1c2159f1d094f97ac34eee"
  },
  {
    coinbase:
      "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff20020862062f503253482f04b8864e5008e969579199999999072f736c7573682f000000000100f2052a010000001976a914d23fcdf86f7e756a64a7a9688ef9903327048ed988ac00000000",
    path: [
      "ae23055e00f0f697cc3640124812d96d4fe8bdfa03484c1c638ce5a1c0e9aa81",
      "980fb87cb61021dd7afd314fcb0dabd096f3d56a7377f6f320684652e7410a21",
      "a52e9868343c55ce405be8971ff340f562ae9ab6353f07140d01666180e19b52",
      "7435bdfa004e603953b2ed39f118803934d9cf17b06d979ceb682f2251bafac2",
      "2a91f061a22d27cb8f44eea79938fb241ebeb359891aa907f05ffde7ed44e52e",
      "302401f80eb5e958155135e25200bb8ea181ad2d05e804a531c7314d86403cdc",
      "318ecb6161eb9b4cfd802bd730e2d36c167ddf102e70aa7b4158e2870dd47392",
      "1114332a9858e0cf84b2425bb1e59eaabf91dd102d114aa443d57fc1b3beb0c9",
      "f43f38095c810613ed795a44d9fab02ff25269706f454885db9be05cdf9c06e1",
      "3e2fc26b27fddc39668b59099cd9635761bb72ed92404204e12bdff08b16fb75",
      "463c19427286342120039a83218fa87ce45448e246895abac11fff0036076758",
      "03d287f655813e540ddb9c4e7aeb922478662b0f5d8e9d0cbd564b20146bab76"
    ],
    root: "adbcbc21e20388422198a55957aedfa0e61be0b8f2b87d7c08510bb9f099a893"
  }
]

const GENESIS =
  "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c"

it("gives miners the 24 version bits of BIP323, among them the 16 of BIP320", () => {
  const ones = (mask: number): number => mask.toString(2).replaceAll("0", "").length
  expect(Version.VERSION_MASK).toBe(0x1fffffe0)
  expect(ones(Version.VERSION_MASK)).toBe(24)
  expect(ones(Version.BIP320_VERSION_MASK)).toBe(16)
  expect(Version.BIP320_VERSION_MASK & ~Version.VERSION_MASK).toBe(0)
})

describe.each(builds)("as $name", (build) => {
  it.each(shares)("share $name: coinbase, root, header, hash, verdicts", (share) => {
    const { prefix, extranoncePrefix, extranonce, suffix, root } = share.job
    put(build, 0, hex(prefix + extranoncePrefix + extranonce + suffix))
    const lengths = [prefix, extranoncePrefix, extranonce, suffix].map((digits) => digits.length / 2)
    build.call.shareMerkleRoot(0, lengths[0]!, lengths[1]!, lengths[2]!, lengths[3]!, 0, 0, 1000)
    expect(take(build, 1000, 32)).toBe(root)

    put(build, 1100, hex(share.prevHash))
    build.call.shareHash(0x20000000, 1100, share.ntime, share.nBits, share.nonce, 2000)
    const little = (value: number) => reversed(value.toString(16).padStart(8, "0"))
    const rest = little(share.ntime) + little(share.nBits) + little(share.nonce)
    expect(take(build, 2000, 80)).toBe("00000020" + share.prevHash + root + rest)
    expect(reversed(take(build, 2080, 32))).toBe(share.hash)

    put(build, 3000, hex(reversed(share.target)))
    build.call.nBitsToTarget(share.nBits, 3032)
    expect(Boolean(build.call.shareMeets(3000))).toBe(share.meets.target)
    expect(Boolean(build.call.shareMeets(3032))).toBe(share.meets.block)
    // Where the hash stands as the target.
    expect(Boolean(build.call.shareMeets(2080))).toBe(true)
  })

  it.each(roots)("merkle root $root", ({ coinbase, path, root }) => {
    put(build, 0, hex(coinbase))
    put(build, 1000, hex(path.join("")))
    build.call.sha256d(0, coinbase.length / 2, 2000)
    build.call.merkleFold(2000, 1000, path.length)
    expect(take(build, 2000, 32)).toBe(root)
    // The same through a share whose coinbase comes in parts.
    build.call.shareMerkleRoot(0, 50, 4, 4, coinbase.length / 2 - 58, 1000, path.length, 3000)
    expect(take(build, 3000, 32)).toBe(root)
  })

  it("a hash that equals the target meets it, one above does not", () => {
    put(build, 0, hex(GENESIS))
    build.call.headerLoad(0)
    const nonce = 0x7c2bac1d
    build.call.headerHash(nonce, 100)
    expect(reversed(take(build, 100, 32))).toBe("000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f")
    expect(build.call.headerSearch(nonce, 1, 100)).toBe(0)
    const target = build.arena().slice(100, 132)
    target[0]! -= 1
    put(build, 100, target)
    expect(build.call.headerSearch(nonce, 1, 100)).toBe(-1)
  })

  it("a search finds the genesis block's nonce, also across the end of the nonces", () => {
    put(build, 0, hex(GENESIS))
    build.call.headerLoad(0)
    build.call.nBitsToTarget(0x1d00ffff, 100)
    expect(build.call.headerSearch(0x7c2bac1d - 1000, 2000, 100)).toBe(1000)
    expect(build.call.headerSearch(0x7c2bac1d - 1000, 1000, 100)).toBe(-1)
    // Every hash meets 2^256 - 1, and no nonce is tried where none is asked for.
    put(build, 100, new Uint8Array(32).fill(0xff))
    expect(build.call.headerSearch(-1, 2, 100)).toBe(0)
    expect(build.call.headerSearch(0, 0, 100)).toBe(-1)
    // The first nonce below a target of 2^250 from 2^32 - 8 on lies behind the wrap or not; the plain search says where.
    put(build, 100, new Uint8Array(32).fill(0xff, 0, 31))
    put(build, 131, Uint8Array.of(3))
    let expected = 0
    for (; ; expected++) {
      build.call.headerHash((expected - 8) | 0, 200)
      if (build.call.compareU256(200, 100) <= 0) break
    }
    expect(build.call.headerSearch(-8, 1000, 100)).toBe(expected)
  })

  it("the version counts in the bits of its mask alone", () => {
    let version = 0x20000004
    for (const next of [0x20000104, 0x20000204, 0x20000304, 0x20000404]) {
      version = build.call.nextVersion(version, 0x00ffff00)
      expect(version).toBe(next)
    }
    expect(build.call.nextVersion(0x3fffffe0 | 0x14, 0x1fffffe0)).toBe(0x20000014)
    expect(build.call.nextVersion(0x20000000, 0)).toBe(0x20000000)
    expect(build.call.nextVersion(-1, -1)).toBe(0)
    expect(build.call.isVersionRolledWithin(0x20000000, 0x3fffffe0, 0x1fffffe0)).toBeTruthy()
    expect(build.call.isVersionRolledWithin(0x20000000, 0x20000010, 0x1fffffe0)).toBeFalsy()
    expect(build.call.isVersionRolledWithin(0x20000000, 0xa0000000 | 0, 0x1fffffe0)).toBeFalsy()
  })
})
