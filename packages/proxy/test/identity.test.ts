import { describe, expect, it } from "@effect/vitest"
import { minerIdentity, sharedIdentity, workerName } from "../src/index.ts"

describe("the names of miners", () => {
  it.each([
    ["account.{worker}", "account", "account.rig1"],
    ["{user}.{worker}", "", "farm.rig1"],
    ["account", "account", "account"],
    ["bc1q+{user}+{worker}", "bc1q", "bc1q+farm+rig1"],
    ["pool-{worker}.x", "pool.x", "pool-rig1.x"]
  ])("%s is %j for all together, and %s for one", (template, shared, one) => {
    expect([sharedIdentity(template), minerIdentity(template, "farm.rig1")]).toEqual([shared, one])
  })

  it("are the user's where there is no worker", () => {
    expect(minerIdentity("account.{worker}", "farm")).toBe("account.farm")
    expect(workerName({ userIdentity: "farm", worker: undefined })).toBe("farm")
    expect(workerName({ userIdentity: "farm.a.b", worker: undefined })).toBe("a.b")
    expect(workerName({ userIdentity: "farm.a", worker: "c" })).toBe("c")
  })
})
